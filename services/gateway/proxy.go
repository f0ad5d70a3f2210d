package gateway

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"time"

	"github.com/posse-pos/posse/pkg/clientip"
	"github.com/posse-pos/posse/pkg/gateway"
)

// The limits towards the upstream. There is none for a whole answer: it may be an
// event stream.
const (
	upstreamDial    = 5 * time.Second
	upstreamIdle    = 90 * time.Second
	upstreamConns   = 256
	maxAnswerHeader = 256 << 10
)

type streamKey struct{}

// newProxy returns the reverse proxy for sessions that are admitted.
func (s *Service) newProxy() http.Handler {
	proxy := &httputil.ReverseProxy{
		Rewrite:        s.rewrite,
		ModifyResponse: s.watch,
		ErrorHandler:   s.upstreamFailed,
		ErrorLog:       slog.NewLogLogger(s.config.Logger.Handler(), slog.LevelWarn),
		Transport: &http.Transport{
			DialContext:            (&net.Dialer{Timeout: upstreamDial, KeepAlive: upstreamIdle / 2}).DialContext,
			TLSHandshakeTimeout:    upstreamDial,
			ResponseHeaderTimeout:  s.config.UpstreamTimeout,
			IdleConnTimeout:        upstreamIdle,
			MaxIdleConnsPerHost:    upstreamConns,
			MaxResponseHeaderBytes: maxAnswerHeader,
			DisableCompression:     true, // what the upstream sends is passed on as it is
		},
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		session, ok := s.admit(w, r)
		if !ok {
			return
		}
		body, ok := s.boundBody(w, r)
		if !ok {
			return
		}
		// Without it, net/http drops what is left of a body once the answer begins.
		_ = http.NewResponseController(w).EnableFullDuplex()
		ctx, cancel := context.WithCancelCause(r.Context())
		defer cancel(nil)
		st := &stream{session: session, cancel: cancel, body: body}
		defer s.streams.remove(st)
		proxy.ServeHTTP(w, r.WithContext(context.WithValue(ctx, streamKey{}, st)))
	})
}

// rewrite makes the upstream's request. It keeps the host that the client asked
// for, and what trusted proxies said of the client.
func (s *Service) rewrite(p *httputil.ProxyRequest) {
	p.SetURL(s.config.Upstream)
	p.Out.Host = p.In.Host
	trusted := clientip.FromTrusted(p.In, s.config.TrustedProxies)
	if trusted {
		p.Out.Header["X-Forwarded-For"] = p.In.Header["X-Forwarded-For"]
	}
	p.SetXForwarded()
	if trusted {
		for _, name := range []string{"X-Forwarded-Host", "X-Forwarded-Proto"} {
			if values := p.In.Header.Values(name); len(values) > 0 {
				p.Out.Header[name] = values
			}
		}
	}
	if st, ok := p.In.Context().Value(streamKey{}).(*stream); ok {
		setIdentity(p.Out.Header, st.session)
	}
}

// watch has an answer without an end, and a connection that changed its protocol,
// ended when the session is revoked. It asks again after it began to watch: the
// session may have been revoked since it was admitted.
func (s *Service) watch(answer *http.Response) error {
	if answer.StatusCode != http.StatusSwitchingProtocols && answer.ContentLength >= 0 {
		return nil
	}
	st, ok := answer.Request.Context().Value(streamKey{}).(*stream)
	if !ok {
		return nil
	}
	s.streams.add(st)
	if s.gateway.Revoked(st.session.Tenant, st.session.ID) {
		st.cancel(gateway.ErrRevoked)
		return gateway.ErrRevoked
	}
	return nil
}

// upstreamFailed answers in place of an upstream that did not.
func (s *Service) upstreamFailed(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, gateway.ErrRevoked) {
		gateway.WriteDenial(w, &gateway.Denial{Reason: gateway.ReasonRevoked, Status: http.StatusUnauthorized, Err: err})
		return
	}
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		s.refuseBody(w)
		return
	}
	if st, ok := r.Context().Value(streamKey{}).(*stream); ok && st.body.late() {
		refuse(w, http.StatusRequestTimeout, "slow_body", "The body of the request did not come in time.")
		return
	}
	if r.Context().Err() != nil {
		return // the client is gone
	}
	s.config.Logger.WarnContext(r.Context(), "upstream does not answer", slog.Any("error", err))
	status, reason := http.StatusBadGateway, gateway.Reason("upstream_unavailable")
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		status, reason = http.StatusGatewayTimeout, "upstream_timeout"
	}
	gateway.Problem{
		Title: http.StatusText(status), Status: status,
		Detail: "The service behind the gateway did not answer.", Reason: reason,
	}.Write(w)
}
