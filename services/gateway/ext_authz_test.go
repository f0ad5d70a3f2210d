package gateway_test

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	sdk "github.com/posse-pos/posse/pkg/gateway"
	"github.com/posse-pos/posse/services/gateway"
)

// envoy is a connection as Envoy has it.
type envoy struct {
	*grpc.ClientConn

	stop  func()
	ended chan error
}

// askedByEnvoy serves the gRPC front door.
func (r *rig) askedByEnvoy(t *testing.T) *envoy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	e := &envoy{stop: cancel, ended: make(chan error, 1)}
	go func() { e.ended <- r.ServeExtAuthz(ctx, listener) }()
	if e.ClientConn, err = grpc.NewClient(listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials())); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		if err := <-e.ended; err != nil {
			t.Errorf("ServeExtAuthz = %v", err)
		}
		e.Close()
	})
	return e
}

// check asks about a request as Envoy describes it.
func (e *envoy) check(t *testing.T, request *authv3.AttributeContext_HttpRequest) *authv3.CheckResponse {
	t.Helper()
	got, err := authv3.NewAuthorizationClient(e).Check(t.Context(), question(request))
	if err != nil {
		t.Fatal(err)
	}
	if err := got.ValidateAll(); err != nil {
		t.Errorf("Envoy would not take the answer: %v", err)
	}
	return got
}

func question(request *authv3.AttributeContext_HttpRequest) *authv3.CheckRequest {
	return &authv3.CheckRequest{Attributes: &authv3.AttributeContext{Request: &authv3.AttributeContext_Request{Http: request}}}
}

// described is a POST of anna's session s1.
func (r *rig) described() *authv3.AttributeContext_HttpRequest {
	return &authv3.AttributeContext_HttpRequest{
		Method: http.MethodPost, Host: "pos.example", Path: "/orders?page=2",
		Headers: map[string]string{
			":authority": "pos.example", ":method": http.MethodPost, ":path": "/orders?page=2",
			"authorization": "Bearer " + r.issuer.Token("shop", "zoë", "s1"), "x-user-id": "forged", "x_user_id": "forged",
			"user-agent": "WCPOS/1.8.1 (ios; build 231)", "x-forwarded-for": "198.51.100.1,203.0.113.9",
		},
	}
}

func headersOf(t *testing.T, options []*corev3.HeaderValueOption) http.Header {
	t.Helper()
	headers := http.Header{}
	for _, option := range options {
		headers.Add(option.GetHeader().GetKey(), option.GetHeader().GetValue())
		if option.GetAppendAction() != corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD {
			t.Errorf("%s is not replaced: %v", option.GetHeader().GetKey(), option.GetAppendAction())
		}
	}
	return headers
}

func TestExtAuthzAdmits(t *testing.T) {
	t.Parallel()
	r := setup(t, nil, func(c *gateway.Config) { c.TrustedProxies = loopback })
	got := r.askedByEnvoy(t).check(t, r.described())
	admitted := got.GetOkResponse()
	if codes.Code(got.GetStatus().GetCode()) != codes.OK || admitted == nil {
		t.Fatalf("answer = %v", got)
	}
	headers := headersOf(t, admitted.GetHeaders())
	if len(headers) != 3 || headers.Get("X-Session-Id") != "s1" || headers.Get("X-User-Id") != "zo%C3%AB" || headers.Get("X-Tenant-Id") != "shop" {
		t.Errorf("the backend gets %v", headers)
	}
	// Envoy removes after it has set.
	for _, name := range admitted.GetHeadersToRemove() {
		if !sdk.IsIdentityHeader(name) || headers.Get(name) != "" {
			t.Errorf("Envoy removes %s", name)
		}
	}
	for _, name := range []string{"x_user_id", "x-user_id", "x_user-id", "x_session_id", "x_tenant_id"} {
		if !slices.Contains(admitted.GetHeadersToRemove(), name) {
			t.Errorf("Envoy does not remove %s", name)
		}
	}
	eventually(t, "touch", func() bool { return len(r.feed.Touches()) == 1 })
	if touch := r.feed.Touches()[0]; touch.Personal.IP != "203.0.113.9" || touch.Personal.UserAgent != "WCPOS/1.8.1 (ios; build 231)" {
		t.Errorf("touch = %+v", touch)
	}
}

func TestExtAuthzRefuses(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		before        func(*rig, *authv3.AttributeContext_HttpRequest)
		status        int
		code          codes.Code
		reason        sdk.Reason
		header, value string
	}{
		"revoked": {
			func(r *rig, _ *authv3.AttributeContext_HttpRequest) { r.feed.Revoke("shop", "s1") },
			401, codes.Unauthenticated, sdk.ReasonRevoked, "WWW-Authenticate", `error="invalid_token"`,
		},
		"expired": {
			func(r *rig, q *authv3.AttributeContext_HttpRequest) {
				q.GetHeaders()["authorization"] = "Bearer " + r.expired()
			},
			401, codes.Unauthenticated, sdk.ReasonExpired, "WWW-Authenticate", `error="invalid_token"`,
		},
		"stale": {
			func(r *rig, _ *authv3.AttributeContext_HttpRequest) { r.feed.SendUnreadable("shop") },
			503, codes.Unavailable, sdk.ReasonStale, "Retry-After", "1",
		},
		"two tokens that Envoy joined": {
			func(_ *rig, q *authv3.AttributeContext_HttpRequest) {
				q.GetHeaders()["authorization"] += "," + q.GetHeaders()["authorization"]
			},
			401, codes.Unauthenticated, sdk.ReasonInvalid, "WWW-Authenticate", `error="invalid_token"`,
		},
		"two tokens": {
			func(_ *rig, q *authv3.AttributeContext_HttpRequest) {
				token := &corev3.HeaderValue{Key: "authorization", RawValue: []byte(q.GetHeaders()["authorization"])}
				q.Headers, q.HeaderMap = nil, &corev3.HeaderMap{Headers: []*corev3.HeaderValue{token, token}}
			},
			401, codes.Unauthenticated, sdk.ReasonMissing, "WWW-Authenticate", `Bearer realm="posse"`,
		},
		"nothing": {
			func(_ *rig, q *authv3.AttributeContext_HttpRequest) { q.Headers, q.Path, q.Method = nil, "", "" },
			401, codes.Unauthenticated, sdk.ReasonMissing, "WWW-Authenticate", `Bearer realm="posse"`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := setup(t, nil, nil)
			described := r.described()
			test.before(r, described)
			got := r.askedByEnvoy(t).check(t, described)
			denied := got.GetDeniedResponse()
			if codes.Code(got.GetStatus().GetCode()) != test.code || int(denied.GetStatus().GetCode()) != test.status {
				t.Fatalf("answer = %v", got)
			}
			var problem sdk.Problem
			if err := json.Unmarshal([]byte(denied.GetBody()), &problem); err != nil || problem.Reason != test.reason || problem.Status != test.status {
				t.Errorf("body = %s, %v", denied.GetBody(), err)
			}
			headers := headersOf(t, denied.GetHeaders())
			if !strings.Contains(headers.Get(test.header), test.value) || headers.Get("Content-Type") != "application/problem+json" {
				t.Errorf("headers = %v", headers)
			}
		})
	}
}

func TestExtAuthzReadsRawHeadersAndTokensElsewhere(t *testing.T) {
	t.Parallel()
	r := setup(t, nil, func(c *gateway.Config) {
		c.TokenSources = []gateway.TokenSource{{Cookie: "pos_token"}, {Parameter: "authorization"}}
	})
	e, token := r.askedByEnvoy(t), r.issuer.Token("shop", "anna", "s1")
	for _, described := range []*authv3.AttributeContext_HttpRequest{
		{HeaderMap: &corev3.HeaderMap{Headers: []*corev3.HeaderValue{{Key: "cookie", RawValue: []byte("pos_token=" + token)}}}},
		{Path: "/socket?authorization=" + token},
	} {
		if got := e.check(t, described); got.GetOkResponse() == nil {
			t.Errorf("%v is answered with %v", described, got)
		}
	}
}

func TestExtAuthzQuestionsAreBounded(t *testing.T) {
	t.Parallel()
	r := setup(t, nil, nil)
	e, described := r.askedByEnvoy(t), r.described()
	described.Headers["cookie"] = strings.Repeat("x", 1<<20)
	_, err := authv3.NewAuthorizationClient(e).Check(t.Context(), question(described))
	if status.Code(err) != codes.ResourceExhausted {
		t.Errorf("a question of a megabyte: %v", err)
	}
}

func TestExtAuthzHealth(t *testing.T) {
	t.Parallel()
	r := setup(t, nil, nil)
	client := healthv1.NewHealthClient(r.askedByEnvoy(t))
	ask := func(service string) (healthv1.HealthCheckResponse_ServingStatus, codes.Code) {
		got, err := client.Check(t.Context(), &healthv1.HealthCheckRequest{Service: service})
		return got.GetStatus(), status.Code(err)
	}
	for _, service := range []string{"", "envoy.service.auth.v3.Authorization"} {
		if got, code := ask(service); got != healthv1.HealthCheckResponse_SERVING || code != codes.OK {
			t.Errorf("%q is %v, %v", service, got, code)
		}
	}
	if _, code := ask("another"); code != codes.NotFound {
		t.Errorf("another service: %v", code)
	}
	r.feed.SendUnreadable("shop")
	if got, _ := ask(""); got != healthv1.HealthCheckResponse_NOT_SERVING {
		t.Errorf("a gateway that refuses everybody is %v", got)
	}
}

// FuzzExtAuthz holds that nothing a stranger sends through Envoy takes the process
// down: gRPC does not recover from a panic.
func FuzzExtAuthz(f *testing.F) {
	r := setup(f, nil, func(c *gateway.Config) {
		c.TokenSources = []gateway.TokenSource{{}, {Cookie: "t"}, {Parameter: "t"}}
		c.TrustedProxies = loopback
	})
	f.Add("GET", "/orders?t=a", "authorization", "Bearer a", []byte("b"))
	f.Add("", "*", ":path", "\x00", []byte{0xff})
	f.Add("CONNECT", "//?%&;t=%zz#", "cookie", "t=;t=\"a", []byte(";"))
	f.Add("GET", "/", "x-forwarded-for", "[::1%a]:1,,", []byte("Bearer "))
	f.Fuzz(func(t *testing.T, method, path, name, value string, raw []byte) {
		got := r.CheckForTest(t.Context(), question(&authv3.AttributeContext_HttpRequest{
			Method: method, Path: path, Host: value, Headers: map[string]string{name: value},
			HeaderMap: &corev3.HeaderMap{Headers: []*corev3.HeaderValue{{Key: name, RawValue: raw}}},
		}))
		if denied := got.GetDeniedResponse(); denied.GetStatus().GetCode() != 401 || denied.GetBody() == "" {
			t.Errorf("answer = %v", got)
		}
	})
}
