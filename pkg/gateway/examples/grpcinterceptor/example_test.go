package grpcinterceptor_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/test/bufconn"

	"github.com/posse-pos/posse/pkg/gateway"
	"github.com/posse-pos/posse/pkg/gateway/examples/grpcinterceptor"
	"github.com/posse-pos/posse/pkg/gateway/gatewaytest"
)

// backend stands for a service of a POS, with the interface of gRPC's health service:
// Check is a call, and Watch is a stream.
type backend struct {
	healthpb.UnimplementedHealthServer
}

func (backend) Check(ctx context.Context, _ *healthpb.HealthCheckRequest) (*healthpb.HealthCheckResponse, error) {
	session, _ := gateway.FromContext(ctx)
	fmt.Println("the backend is called by", session.User)
	return &healthpb.HealthCheckResponse{}, nil
}

func (backend) Watch(_ *healthpb.HealthCheckRequest, stream grpc.ServerStreamingServer[healthpb.HealthCheckResponse]) error {
	session, _ := gateway.FromContext(stream.Context())
	fmt.Println("the backend is watched by", session.User)
	if err := stream.Send(&healthpb.HealthCheckResponse{}); err != nil {
		return err
	}
	<-stream.Context().Done()
	return stream.Context().Err()
}

func Example() {
	clock, feed, issuer := gatewaytest.NewClock(), gatewaytest.NewFeed(), gatewaytest.NewIssuer()
	feed.Now, issuer.Now = clock.Now, clock.Now
	var streams grpcinterceptor.Streams
	g, err := gateway.New(context.Background(), gateway.Config{
		Feed:     feed, // instead of NATS
		Verifier: issuer.Verifier(),
		Stale:    gateway.FailClosed,
		Hooks:    gateway.Hooks{Revoked: streams.End},
		Now:      clock.Now,
		Logger:   slog.New(slog.DiscardHandler),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer g.Close()
	for g.Ready() != nil {
		<-time.After(time.Millisecond)
	}
	server := grpc.NewServer(
		grpc.ChainUnaryInterceptor(grpcinterceptor.Unary(g)),
		grpc.ChainStreamInterceptor(grpcinterceptor.Stream(g, &streams)),
	)
	healthpb.RegisterHealthServer(server, backend{})
	conn := dial(server)
	defer server.Stop()
	defer conn.Close()
	till := healthpb.NewHealthClient(conn)
	anna, bert := bearer(issuer.Token("shop", "anna", "session-1")), bearer(issuer.Token("shop", "bert", "session-2"))

	call := func(ctx context.Context) {
		_, err := till.Check(ctx, &healthpb.HealthCheckRequest{})
		fmt.Println(err)
	}

	call(anna)
	stream, err := till.Watch(anna, &healthpb.HealthCheckRequest{})
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = stream.Recv()
	fmt.Println(err)

	feed.Revoke("shop", "session-1")
	_, err = stream.Recv()
	fmt.Println(err)
	call(anna)
	call(bert)

	clock.Advance(time.Minute) // without a word from posse
	call(bert)
	feed.Tick()
	call(bert)
	// Output:
	// the backend is called by anna
	// <nil>
	// the backend is watched by anna
	// <nil>
	// rpc error: code = Unauthenticated desc = session_revoked
	// rpc error: code = Unauthenticated desc = session_revoked
	// the backend is called by bert
	// <nil>
	// rpc error: code = Unavailable desc = gateway_stale
	// the backend is called by bert
	// <nil>
}

// dial starts a server in this process and connects to it.
func dial(server *grpc.Server) *grpc.ClientConn {
	listener := bufconn.Listen(1 << 20)
	go func() { _ = server.Serve(listener) }()
	conn, err := grpc.NewClient("passthrough:///till",
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }),
		grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		panic(err)
	}
	return conn
}

// bearer returns a context for calls with a token.
func bearer(token string) context.Context {
	return metadata.AppendToOutgoingContext(context.Background(), "authorization", "Bearer "+token)
}
