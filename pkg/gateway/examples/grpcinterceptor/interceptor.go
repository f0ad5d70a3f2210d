// Package grpcinterceptor shows the gateway SDK before a gRPC server: interceptors
// that admit calls by the access token in their metadata, and that end the streams
// of a session when it is revoked. It is there to be copied.
package grpcinterceptor

import (
	"context"
	"errors"
	"net"
	"net/http"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"github.com/posse-pos/posse/pkg/gateway"
)

// Unary admits calls of one request and one answer. Their handlers find the session
// with gateway.FromContext.
func Unary(g *gateway.Gateway) grpc.UnaryServerInterceptor {
	return func(ctx context.Context, request any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
		session, err := admit(ctx, g)
		if err != nil {
			return nil, err
		}
		return handler(gateway.NewContext(ctx, session), request)
	}
}

// admit decides by the metadata "authorization", as "Bearer" and the token. The
// error is a status.
func admit(ctx context.Context, g *gateway.Gateway) (gateway.Session, error) {
	incoming, _ := metadata.FromIncomingContext(ctx)
	// The rules for the header of HTTP are those for metadata.
	token := gateway.BearerToken(&http.Request{Header: http.Header{"Authorization": incoming.Get("authorization")}})
	session, err := g.Admit(token, origin(ctx, incoming))
	if err != nil {
		return gateway.Session{}, denied(err)
	}
	return session, nil
}

// origin is what posse shows of the device. Behind a proxy the address is the
// proxy's.
func origin(ctx context.Context, incoming metadata.MD) (o gateway.Origin) {
	if from, ok := peer.FromContext(ctx); ok {
		if host, _, err := net.SplitHostPort(from.Addr.String()); err == nil {
			o.IP = host
		}
	}
	if agents := incoming.Get("user-agent"); len(agents) > 0 {
		o.UserAgent = agents[0]
	}
	return o
}

// denied makes a status of a denial: UNAUTHENTICATED when the bearer has to sign in
// or refresh the token, and UNAVAILABLE, after which clients try again, when a fault
// is all there is. The reason stands in the message, and in an ErrorInfo for
// programs.
func denied(err error) error {
	code, reason := codes.Unavailable, gateway.ReasonNotReady
	if denial, ok := errors.AsType[*gateway.Denial](err); ok {
		reason = denial.Reason
		if denial.Status == http.StatusUnauthorized {
			code = codes.Unauthenticated
		}
	}
	plain := status.New(code, string(reason))
	detailed, err := plain.WithDetails(&errdetails.ErrorInfo{Reason: string(reason), Domain: "posse"})
	if err != nil {
		return plain.Err()
	}
	return detailed.Err()
}
