package gateway

import (
	"log/slog"
	"net/http"
	"strings"

	"github.com/posse-pos/posse/pkg/gateway"
)

// maxLogged bounds what of a forwarded header gets into the log.
const maxLogged = 200

// forwardAuth answers a proxy that asks whether to pass a request on. Any method
// is good: some proxies ask with the client's.
func (s *Service) forwardAuth(w http.ResponseWriter, r *http.Request) {
	session, err := s.gateway.AdmitRequest(r)
	s.logDecision(r, err)
	if err != nil {
		gateway.WriteDenial(w, err)
		return
	}
	setIdentity(w.Header(), session)
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusOK)
}

// setIdentity tells who is asking, and replaces what others said of it.
func setIdentity(h http.Header, session gateway.Session) {
	h.Set(gateway.HeaderSession, headerValue(session.ID))
	h.Set(gateway.HeaderUser, headerValue(session.User))
	h.Set(gateway.HeaderTenant, headerValue(session.Tenant))
}

// logDecision says what was asked for. Only the log believes the forwarded
// headers, and it leaves out the query, which may hold secrets.
func (s *Service) logDecision(r *http.Request, err error) {
	ctx := r.Context()
	if !s.config.Logger.Enabled(ctx, slog.LevelDebug) {
		return
	}
	path, _, _ := strings.Cut(r.Header.Get("X-Forwarded-Uri"), "?")
	s.config.Logger.DebugContext(ctx, "decided",
		slog.Bool("admitted", err == nil), slog.Any("denial", err),
		slog.String("forwarded_method", cut(r.Header.Get("X-Forwarded-Method"))),
		slog.String("forwarded_host", cut(r.Header.Get("X-Forwarded-Host"))),
		slog.String("forwarded_path", cut(path)))
}

func cut(s string) string { return s[:min(len(s), maxLogged)] }
