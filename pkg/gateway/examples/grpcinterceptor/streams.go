package grpcinterceptor

import (
	"context"
	"errors"
	"net/http"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/status"

	"github.com/posse-pos/posse/pkg/gateway"
)

// Streams are the streams that are open. They make no new request that could be
// refused when their session is revoked, so End ends them. The zero Streams is
// ready for use.
type Streams struct {
	mu   sync.Mutex
	open map[sessionKey]map[*openStream]struct{}
}

type sessionKey struct{ tenant, session string }

type openStream struct {
	key sessionKey
	end context.CancelCauseFunc
}

// End ends the streams of a session. It is what gateway.Hooks.Revoked calls.
func (s *Streams) End(tenant, session string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for each := range s.open[sessionKey{tenant, session}] {
		each.end(gateway.ErrRevoked)
	}
}

func (s *Streams) add(each *openStream) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open == nil {
		s.open = map[sessionKey]map[*openStream]struct{}{}
	}
	if s.open[each.key] == nil {
		s.open[each.key] = map[*openStream]struct{}{}
	}
	s.open[each.key][each] = struct{}{}
}

func (s *Streams) remove(each *openStream) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open[each.key], each)
	if len(s.open[each.key]) == 0 {
		delete(s.open, each.key)
	}
}

// Stream admits streams, and has streams end with UNAUTHENTICATED when their session
// is revoked: then the context of the handler is done, and what it sends or receives
// fails. A handler that is done nevertheless, and returns nil, has its way. Neither
// the token's expiry nor a stale gateway ends a stream.
func Stream(g *gateway.Gateway, streams *Streams) grpc.StreamServerInterceptor {
	return func(service any, opened grpc.ServerStream, _ *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
		session, err := admit(opened.Context(), g)
		if err != nil {
			return err
		}
		ctx, end := context.WithCancelCause(gateway.NewContext(opened.Context(), session))
		defer end(nil)
		each := &openStream{sessionKey{session.Tenant, session.ID}, end}
		streams.add(each)
		defer streams.remove(each)
		// It may have been revoked before End could know of the stream.
		if g.Revoked(session.Tenant, session.ID) {
			end(gateway.ErrRevoked)
		}
		err = handler(service, &interruptible{opened, ctx})
		if err != nil && errors.Is(context.Cause(ctx), gateway.ErrRevoked) {
			return denied(&gateway.Denial{Reason: gateway.ReasonRevoked, Status: http.StatusUnauthorized, Err: gateway.ErrRevoked})
		}
		return err
	}
}

// interruptible is a stream whose handler does not wait for the client once its
// context is done. By itself gRPC lets a handler receive until the client sends
// something or goes away.
type interruptible struct {
	grpc.ServerStream

	ctx context.Context //nolint:containedctx // it is the stream's
}

// Context returns the context that has the session.
func (s *interruptible) Context() context.Context { return s.ctx }

// SendMsg sends a message.
func (s *interruptible) SendMsg(m any) error {
	return s.await(func() error { return s.ServerStream.SendMsg(m) })
}

// RecvMsg receives a message.
func (s *interruptible) RecvMsg(m any) error {
	return s.await(func() error { return s.ServerStream.RecvMsg(m) })
}

// await leaves what it waits for behind when the context is done. That ends when the
// handler returns, which is when gRPC closes the stream.
func (s *interruptible) await(do func() error) error {
	done := make(chan error, 1)
	go func() { done <- do() }()
	select {
	case err := <-done:
		return err
	case <-s.ctx.Done():
		return status.FromContextError(s.ctx.Err()).Err()
	}
}
