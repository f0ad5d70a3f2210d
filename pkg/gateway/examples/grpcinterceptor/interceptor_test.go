package grpcinterceptor

import (
	"context"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/reflection"
	reflectionpb "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"

	"github.com/posse-pos/posse/pkg/gateway"
	"github.com/posse-pos/posse/pkg/gateway/gatewaytest"
)

// rig is a server behind the interceptors, on a port of its own.
type rig struct {
	gateway *gateway.Gateway
	feed    *gatewaytest.Feed
	issuer  *gatewaytest.Issuer
	streams *Streams
	conn    *grpc.ClientConn
}

func setup(t *testing.T, service healthpb.HealthServer, hooks gateway.Hooks) *rig {
	t.Helper()
	r := &rig{feed: gatewaytest.NewFeed(), issuer: gatewaytest.NewIssuer(), streams: &Streams{}}
	hooks.Revoked = r.streams.End
	var err error
	r.gateway, err = gateway.New(t.Context(), gateway.Config{
		Feed: r.feed, Verifier: r.issuer.Verifier(), Stale: gateway.FailClosed, Hooks: hooks, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.gateway.Close)
	gatewaytest.WaitReady(t, r.gateway)
	server := grpc.NewServer(
		grpc.ChainUnaryInterceptor(Unary(r.gateway)),
		grpc.ChainStreamInterceptor(Stream(r.gateway, r.streams)),
	)
	healthpb.RegisterHealthServer(server, service)
	reflection.Register(server)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	t.Cleanup(func() {
		server.Stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	r.conn, err = grpc.NewClient(listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.conn.Close() })
	return r
}

// call calls with some values of the metadata "authorization".
func (r *rig) call(t *testing.T, authorization ...string) error {
	t.Helper()
	ctx := metadata.NewOutgoingContext(t.Context(), metadata.MD{"authorization": authorization})
	_, err := healthpb.NewHealthClient(r.conn).Check(ctx, &healthpb.HealthCheckRequest{})
	return err
}

func (r *rig) signedIn(t *testing.T, session string) context.Context {
	t.Helper()
	return metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer "+r.issuer.Token("shop", "anna", session))
}

// service answers calls, and its streams are what watch makes of them.
type service struct {
	healthpb.UnimplementedHealthServer

	watch func(context.Context) error
}

func (service) Check(context.Context, *healthpb.HealthCheckRequest) (*healthpb.HealthCheckResponse, error) {
	return &healthpb.HealthCheckResponse{}, nil
}

func (s service) Watch(_ *healthpb.HealthCheckRequest, stream grpc.ServerStreamingServer[healthpb.HealthCheckResponse]) error {
	return s.watch(stream.Context())
}

func TestDenialsSayWhy(t *testing.T) {
	t.Parallel()
	r := setup(t, service{}, gateway.Hooks{})
	good := "Bearer " + r.issuer.Token("shop", "anna", "session-1")
	for name, test := range map[string]struct {
		authorization []string
		code          codes.Code
		reason        gateway.Reason
	}{
		"a token":              {authorization: []string{good}},
		"a scheme in capitals": {authorization: []string{strings.Replace(good, "Bearer", "BEARER", 1)}},
		"nothing":              {code: codes.Unauthenticated, reason: gateway.ReasonMissing},
		"another scheme":       {authorization: []string{"Basic YTpi"}, code: codes.Unauthenticated, reason: gateway.ReasonMissing},
		"two tokens":           {authorization: []string{good, good}, code: codes.Unauthenticated, reason: gateway.ReasonMissing},
		"no token of ours":     {authorization: []string{"Bearer secret"}, code: codes.Unauthenticated, reason: gateway.ReasonInvalid},
	} {
		got := status.Convert(r.call(t, test.authorization...))
		var reason gateway.Reason
		for _, detail := range got.Details() {
			reason = gateway.Reason(detail.(*errdetails.ErrorInfo).GetReason())
		}
		if got.Code() != test.code || reason != test.reason {
			t.Errorf("%s: %v, %q; want %v, %q", name, got.Code(), reason, test.code, test.reason)
		}
		if strings.Contains(got.String(), "secret") {
			t.Errorf("%s: the status shows the token: %v", name, got)
		}
	}
}

func TestCallsAreActivity(t *testing.T) {
	t.Parallel()
	r := setup(t, service{}, gateway.Hooks{})
	if err := r.call(t, "Bearer "+r.issuer.Token("shop", "anna", "session-1")); err != nil {
		t.Fatal(err)
	}
	for len(r.feed.Touches()) == 0 {
		<-time.After(time.Millisecond)
	}
	touch := r.feed.Touches()[0]
	if touch.Session != "session-1" || touch.Personal.IP != "127.0.0.1" || !strings.HasPrefix(touch.Personal.UserAgent, "grpc-go/") {
		t.Errorf("%+v; want session-1, from 127.0.0.1 and by grpc-go", touch)
	}
}

// The server of the reflection service waits for the client's next question, and
// looks at no context.
func TestAHandlerThatReceivesIsInterrupted(t *testing.T) {
	t.Parallel()
	r := setup(t, service{}, gateway.Hooks{})
	stream, err := reflectionpb.NewServerReflectionClient(r.conn).ServerReflectionInfo(r.signedIn(t, "session-1"))
	if err != nil {
		t.Fatal(err)
	}
	question := &reflectionpb.ServerReflectionRequest{MessageRequest: &reflectionpb.ServerReflectionRequest_ListServices{}}
	if err := stream.Send(question); err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); err != nil {
		t.Fatal(err)
	}
	r.feed.Revoke("shop", "session-2")
	if err := stream.Send(question); err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); err != nil {
		t.Errorf("another session's revocation ended the stream: %v", err)
	}
	r.feed.Revoke("shop", "session-1")
	if _, err := stream.Recv(); status.Code(err) != codes.Unauthenticated {
		t.Errorf("the stream of a revoked session ended with %v; want Unauthenticated", err)
	}
	for r.openStreams() > 0 {
		<-time.After(time.Millisecond)
	}
}

func (r *rig) openStreams() int {
	r.streams.mu.Lock()
	defer r.streams.mu.Unlock()
	return len(r.streams.open)
}

// Between the decision and the moment from which End knows of the stream, the
// session is revoked.
func TestNoStreamSlipsThrough(t *testing.T) {
	t.Parallel()
	var r *rig
	r = setup(t, service{watch: func(ctx context.Context) error {
		<-ctx.Done()
		return ctx.Err()
	}}, gateway.Hooks{Decided: func(gateway.Reason) { r.feed.Revoke("shop", "session-1") }})
	stream, err := healthpb.NewHealthClient(r.conn).Watch(r.signedIn(t, "session-1"), &healthpb.HealthCheckRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); status.Code(err) != codes.Unauthenticated {
		t.Errorf("the stream ended with %v; want Unauthenticated", err)
	}
}

func TestAHandlerThatIsDoneHasItsWay(t *testing.T) {
	t.Parallel()
	began := make(chan struct{})
	r := setup(t, service{watch: func(ctx context.Context) error {
		close(began)
		<-ctx.Done()
		return nil
	}}, gateway.Hooks{})
	stream, err := healthpb.NewHealthClient(r.conn).Watch(r.signedIn(t, "session-1"), &healthpb.HealthCheckRequest{})
	if err != nil {
		t.Fatal(err)
	}
	<-began
	r.feed.Revoke("shop", "session-1")
	if _, err := stream.Recv(); err != io.EOF { //nolint:errorlint // gRPC returns it as it is
		t.Errorf("the stream ended with %v; want its end", err)
	}
}
