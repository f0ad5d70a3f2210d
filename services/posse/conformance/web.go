package conformance

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/posse-pos/posse/pkg/gateway"
	"github.com/posse-pos/posse/pkg/process"
)

const (
	pathKeys        = "/.well-known/jwks.json"
	typeEventStream = "text/event-stream"
	// headerUpstream is what answers of the upstream have and no others.
	headerUpstream = "Posse-Upstream"
)

// web serves the issuer's keys, and is what a reverse proxy can have behind it: at
// every other path it answers with what the request said of who is asking, and with an
// event stream that does not end if the request wants one.
type web struct {
	url    string
	hidden atomic.Bool
	close  func()
}

func newWeb(ctx context.Context, config Config, p *people) (*web, error) {
	listener, err := process.Listen(ctx, "issuer", config.Issuer)
	if err != nil {
		return nil, err
	}
	w := &web{url: process.URL("http", listener)}
	mux := http.NewServeMux()
	mux.HandleFunc(pathKeys, func(rw http.ResponseWriter, _ *http.Request) {
		if w.hidden.Load() {
			http.Error(rw, "the keys cannot be had", http.StatusServiceUnavailable)
			return
		}
		rw.Header().Set("Content-Type", "application/jwk-set+json")
		_ = json.NewEncoder(rw).Encode(p.keyring.PublicJWKS())
	})
	mux.HandleFunc("/", func(rw http.ResponseWriter, r *http.Request) {
		for _, name := range identityHeaders {
			rw.Header()[name] = r.Header[name]
		}
		rw.Header().Set(headerUpstream, "conformance")
		if r.Header.Get("Accept") == typeEventStream {
			streamEvents(rw, r)
		}
	})
	server := process.HTTPServer{Name: "issuer", Listener: listener, Handler: mux, Logger: config.Logger}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var running sync.WaitGroup
	running.Go(func() { _ = server.Component().Run(ctx) })
	w.close = func() { cancel(); running.Wait() }
	return w, nil
}

// streamEvents sends one event, and no end until the caller or the server goes.
func streamEvents(rw http.ResponseWriter, r *http.Request) {
	rw.Header().Set("Content-Type", typeEventStream)
	_, _ = io.WriteString(rw, "data: one\n\n")
	_ = http.NewResponseController(rw).Flush()
	<-r.Context().Done()
}

// showKeys says whether the issuer answers.
func (w *web) showKeys(shown bool) { w.hidden.Store(!shown) }

var identityHeaders = []string{gateway.HeaderSession, gateway.HeaderUser, gateway.HeaderTenant}
