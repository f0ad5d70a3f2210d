package bus

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"
)

const (
	defaultMaxInFlight = 256
	codeInternal       = "500"
	codeUnavailable    = "503"
)

// Service is a set of endpoints that replicas share: each request goes to one.
type Service struct {
	// Name is one word of [A-Za-z0-9_-]. Required.
	Name string
	// Version is a semantic version. Required.
	Version string
	// Description is for people who list the services with `nats micro`.
	Description string
	// Endpoints are what it answers.
	Endpoints []Endpoint
	// MaxInFlight is how many requests are handled at once; more wait. 0 means 256.
	MaxInFlight int
}

// Endpoint answers requests on one subject.
type Endpoint struct {
	// Name is one word of [A-Za-z0-9_-]; Subject what requests are sent to.
	Name, Subject string
	// Handler returns the answer. A *ServiceError goes to the caller as it is;
	// any other error is logged and answered with code 500 and no detail. ctx
	// goes on for a moment after Serve's has ended, so that what was begun can
	// be finished.
	Handler func(ctx context.Context, header map[string]string, data []byte) ([]byte, error)
}

// Serve answers until ctx ends, then finishes what it has begun. A request that
// arrives too late is answered with code 503.
func (c *Conn) Serve(ctx context.Context, service Service) error {
	s := newServing(ctx, c, service)
	defer s.cancel()
	svc, err := micro.AddService(c.nats, micro.Config{
		Name: service.Name, Version: service.Version, Description: service.Description,
	})
	if err != nil {
		return fmt.Errorf("bus: service %s: %w", service.Name, err)
	}
	for _, endpoint := range service.Endpoints {
		handler := micro.HandlerFunc(func(r micro.Request) { s.accept(endpoint, r) })
		if err := svc.AddEndpoint(endpoint.Name, handler, micro.WithEndpointSubject(endpoint.Subject)); err != nil {
			return errors.Join(fmt.Errorf("bus: endpoint %s of service %s: %w", endpoint.Name, service.Name, err), svc.Stop())
		}
	}
	<-ctx.Done()
	err = svc.Stop()
	s.finish()
	if err != nil {
		return fmt.Errorf("bus: stop service %s: %w", service.Name, err)
	}
	return nil
}

// serving is a running service. micro calls a handler on the subscription's own
// goroutine, one request after the other, so each gets one of its own here. It
// answers past micro, whose request is not safe to use after its handler
// returned.
type serving struct {
	conn   *Conn
	ctx    context.Context //nolint:containedctx // the life of the service, of which a request is part
	cancel context.CancelFunc
	slots  chan struct{}

	mu       sync.Mutex
	stopping bool
	running  sync.WaitGroup
}

func newServing(ctx context.Context, c *Conn, service Service) *serving {
	size := service.MaxInFlight
	if size <= 0 {
		size = defaultMaxInFlight
	}
	s := &serving{conn: c, slots: make(chan struct{}, size)}
	s.ctx, s.cancel = context.WithCancel(context.WithoutCancel(ctx))
	return s
}

func (s *serving) accept(endpoint Endpoint, r micro.Request) {
	s.slots <- struct{}{}
	if !s.begin() {
		<-s.slots
		s.answer(endpoint, r.Reply(), nil, &ServiceError{Code: codeUnavailable, Description: "shutting down"})
		return
	}
	header, data, reply := flatten(r.Headers()), r.Data(), r.Reply()
	go func() {
		defer func() { <-s.slots; s.running.Done() }()
		body, err := s.call(endpoint, header, data)
		s.answer(endpoint, reply, body, err)
	}()
}

func (s *serving) begin() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopping {
		return false
	}
	s.running.Add(1)
	return true
}

func (s *serving) finish() {
	s.mu.Lock()
	s.stopping = true
	s.mu.Unlock()
	late := time.AfterFunc(drainTimeout, s.cancel)
	defer late.Stop()
	s.running.Wait()
}

func (s *serving) call(endpoint Endpoint, header map[string]string, data []byte) (body []byte, err error) {
	defer func() {
		if reason := recover(); reason != nil {
			err = fmt.Errorf("panic: %v\n%s", reason, debug.Stack())
		}
	}()
	return endpoint.Handler(s.ctx, header, data)
}

func (s *serving) answer(endpoint Endpoint, reply string, body []byte, err error) {
	message := &nats.Msg{Subject: reply, Data: body}
	if err != nil {
		failure := s.asServiceError(endpoint, err)
		message.Data = failure.Body
		message.Header = nats.Header{
			headerErrorCode:        {failure.Code},
			headerErrorDescription: {oneLine(failure.Description)},
		}
	}
	if err := s.conn.nats.PublishMsg(message); err != nil {
		s.conn.logger.Error("answer was not sent", "endpoint", endpoint.Name, "error", err)
	}
}

func (s *serving) asServiceError(endpoint Endpoint, err error) *ServiceError {
	if failure, ok := errors.AsType[*ServiceError](err); ok {
		return failure
	}
	s.conn.logger.Error("request failed", "endpoint", endpoint.Name, "error", err)
	return &ServiceError{Code: codeInternal, Description: "internal error"}
}

func flatten(headers micro.Headers) map[string]string {
	flat := make(map[string]string, len(headers))
	for name, values := range headers {
		if len(values) > 0 {
			flat[name] = values[0]
		}
	}
	return flat
}

// oneLine keeps a description from ending its header.
func oneLine(s string) string {
	return strings.NewReplacer("\r", " ", "\n", " ").Replace(s)
}
