package process

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// drainTime is how long requests in flight may go on after the end began; then
// their contexts end, and after as long again their connections.
const drainTime = time.Second

// HTTPServer serves a handler on a listener until its context ends.
type HTTPServer struct {
	// Name of the component. Required.
	Name string
	// Listener to serve on; Serve closes it. Required.
	Listener net.Listener
	// Handler of all requests. Required.
	Handler http.Handler
	// Limits of what clients take.
	Limits Limits
	// Metrics is where the metrics of the connections are registered, by Name; nil
	// means nowhere.
	Metrics prometheus.Registerer
	// Logger hears what the server could not tell its client; nil means
	// slog.Default().
	Logger *slog.Logger
}

// Component returns the server as a part of a Group.
func (s HTTPServer) Component() Component {
	return Component{Name: s.Name, Run: s.Serve}
}

// Serve answers requests until ctx ends. It then takes no new ones, lets those
// in flight finish, ends the contexts of those that do not (event streams), and
// returns within two seconds.
func (s HTTPServer) Serve(ctx context.Context) error {
	requests, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	connections := newConnections(s.Listener, s.Limits.withDefaults())
	if s.Metrics != nil {
		if err := connections.register(s.Metrics, s.Name); err != nil {
			return errors.Join(fmt.Errorf("process: register metrics: %w", err), s.Listener.Close())
		}
	}
	server := s.server(requests, connections)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		<-ctx.Done()
		shutdown(requests, server, cancel)
	}()
	err := server.Serve(connections)
	if !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	<-ended
	return nil
}

func (s HTTPServer) server(requests context.Context, connections *connections) *http.Server {
	logger := s.Logger
	if logger == nil {
		logger = slog.Default()
	}
	return &http.Server{
		Handler:           timeBodies(s.Handler, connections.limits.BodyTime),
		ReadHeaderTimeout: connections.limits.HeaderTime,
		IdleTimeout:       connections.limits.IdleTime,
		MaxHeaderBytes:    maxHeaderBytes,
		ConnState:         connections.follow,
		ErrorLog:          slog.NewLogLogger(logger.With(slog.String("server", s.Name)).Handler(), slog.LevelWarn),
		BaseContext:       func(net.Listener) context.Context { return requests },
	}
}

// shutdown drains, then ends the requests, then cuts the connections.
func shutdown(ctx context.Context, server *http.Server, endRequests context.CancelFunc) {
	if drain(ctx, server) == nil {
		return
	}
	endRequests()
	if drain(ctx, server) != nil {
		_ = server.Close()
	}
}

func drain(ctx context.Context, server *http.Server) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
	defer cancel()
	return server.Shutdown(ctx)
}
