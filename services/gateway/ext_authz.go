package gateway

import (
	"cmp"
	"context"
	"net"
	"net/http"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	rpcstatus "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"github.com/posse-pos/posse/pkg/gateway"
)

// The limits of Envoy's gRPC front door.
const (
	// maxCheck is the longest question, in bytes. Envoy takes 60 KiB of headers from
	// a client, and is asked to send no body.
	maxCheck = 256 << 10
	// maxChecks is how many questions one connection asks at once.
	maxChecks = 10_000
	// maxMetadata is the longest header of a question itself, in bytes.
	maxMetadata = 16 << 10
	// handshakeTime is how long a new connection may take to speak HTTP/2.
	handshakeTime = 5 * time.Second
	// extAuthzIdle is how long a connection may be open without a question, and
	// extAuthzPing how long nothing may be heard of its other end.
	extAuthzIdle = 5 * time.Minute
	extAuthzPing = time.Minute
	// extAuthzDrain is how long questions in flight may take once the end began.
	extAuthzDrain = time.Second
)

// lookAlikes are the names that a service behind Envoy may take for those that
// posse sets; see gateway.IsIdentityHeader. Envoy removes headers after it has set
// others, so that those which posse sets must not be among them.
var lookAlikes = []string{
	"x_session_id", "x_session-id", "x-session_id",
	"x_user_id", "x_user-id", "x-user_id",
	"x_tenant_id", "x_tenant-id", "x-tenant_id",
}

// extAuthz is the front door of Envoy's external authorization over gRPC.
type extAuthz struct {
	authv3.UnimplementedAuthorizationServer

	service *Service
}

// ServeExtAuthz answers Envoy's envoy.service.auth.v3.Authorization, and gRPC's
// health checks, on a listener until the context ends. Questions in flight are
// answered first, for a second at most.
func (s *Service) ServeExtAuthz(ctx context.Context, listener net.Listener) error {
	server := grpc.NewServer(
		grpc.MaxRecvMsgSize(maxCheck), grpc.MaxConcurrentStreams(maxChecks),
		grpc.MaxHeaderListSize(maxMetadata), grpc.ConnectionTimeout(handshakeTime),
		grpc.KeepaliveParams(keepalive.ServerParameters{MaxConnectionIdle: extAuthzIdle, Time: extAuthzPing}),
	)
	authv3.RegisterAuthorizationServer(server, &extAuthz{service: s})
	healthv1.RegisterHealthServer(server, &health{service: s})
	ended := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(ended)
		force := time.AfterFunc(extAuthzDrain, server.Stop)
		defer force.Stop()
		server.GracefulStop()
	})
	err := server.Serve(listener)
	if !stop() {
		<-ended
	}
	return err
}

// Check answers one of Envoy's questions.
func (e *extAuthz) Check(ctx context.Context, question *authv3.CheckRequest) (*authv3.CheckResponse, error) {
	a := newAnswer()
	e.service.answer(a, clientOfCheck(ctx, question))
	if a.status == http.StatusOK {
		return admitted(a), nil
	}
	return denied(a), nil
}

// clientOfCheck returns the client's request as Envoy describes it. It comes from
// Envoy, as far as addresses are concerned.
func clientOfCheck(ctx context.Context, question *authv3.CheckRequest) *http.Request {
	described := question.GetAttributes().GetRequest().GetHttp()
	client := withURL((&http.Request{
		Method: described.GetMethod(), Host: described.GetHost(), Header: http.Header{},
	}).WithContext(ctx), described.GetPath())
	for name, value := range described.GetHeaders() {
		client.Header.Add(name, value)
	}
	// With encode_raw_headers there are these instead.
	for _, header := range described.GetHeaderMap().GetHeaders() {
		client.Header.Add(header.GetKey(), cmp.Or(header.GetValue(), string(header.GetRawValue())))
	}
	if envoy, ok := peer.FromContext(ctx); ok {
		client.RemoteAddr = envoy.Addr.String()
	}
	return client
}

func admitted(a *answer) *authv3.CheckResponse {
	identity := http.Header{}
	for _, name := range []string{gateway.HeaderSession, gateway.HeaderUser, gateway.HeaderTenant} {
		identity[name] = a.header[name]
	}
	return &authv3.CheckResponse{
		Status: &rpcstatus.Status{Code: int32(codes.OK)},
		HttpResponse: &authv3.CheckResponse_OkResponse{OkResponse: &authv3.OkHttpResponse{
			Headers: overwriting(identity), HeadersToRemove: lookAlikes,
		}},
	}
}

// denied has Envoy give the client the answer as it is. That the status is an
// error is for Envoy; which one it is, for its logs.
func denied(a *answer) *authv3.CheckResponse {
	code := codes.Unauthenticated
	if a.status == http.StatusServiceUnavailable {
		code = codes.Unavailable
	}
	return &authv3.CheckResponse{
		Status: &rpcstatus.Status{Code: int32(code)},
		HttpResponse: &authv3.CheckResponse_DeniedResponse{DeniedResponse: &authv3.DeniedHttpResponse{
			Status:  &typev3.HttpStatus{Code: typev3.StatusCode(a.status)},
			Headers: overwriting(a.header), Body: a.body.String(),
		}},
	}
}

// overwriting has Envoy set headers in place of those of the same name.
func overwriting(headers http.Header) []*corev3.HeaderValueOption {
	options := make([]*corev3.HeaderValueOption, 0, len(headers))
	for name := range headers {
		options = append(options, &corev3.HeaderValueOption{
			Header:       &corev3.HeaderValue{Key: name, Value: headers.Get(name)},
			AppendAction: corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD,
		})
	}
	return options
}

// health answers gRPC's health checks, which Envoy and Kubernetes make: a gateway
// is worth asking while it admits good tokens.
type health struct {
	healthv1.UnimplementedHealthServer

	service *Service
}

// Check answers for the process as a whole and for its one service.
func (h *health) Check(_ context.Context, question *healthv1.HealthCheckRequest) (*healthv1.HealthCheckResponse, error) {
	if name := question.GetService(); name != "" && name != authv3.Authorization_ServiceDesc.ServiceName {
		return nil, status.Errorf(codes.NotFound, "there is no service %q here", cut(name))
	}
	serving := healthv1.HealthCheckResponse_SERVING
	if h.service.Ready() != nil {
		serving = healthv1.HealthCheckResponse_NOT_SERVING
	}
	return &healthv1.HealthCheckResponse{Status: serving}, nil
}
