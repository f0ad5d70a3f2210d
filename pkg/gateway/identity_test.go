package gateway_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/posse-pos/posse/pkg/gateway"
)

func TestIsIdentityHeader(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{
		"X-Session-Id": true, "X-User-Id": true, "X-Tenant-Id": true,
		"x-user-id": true, "X-USER-ID": true, "X_User_Id": true, "x-user_id": true, "X_tenant-ID": true, "X.Session.Id": true,
		"X-User-Ids": false, "X-User": false, "XxUserxId": false, "X-Users-Id": false, "": false, "User-Agent": false,
	} {
		if got := gateway.IsIdentityHeader(name); got != want {
			t.Errorf("IsIdentityHeader(%q) = %v", name, got)
		}
	}
}

// TestMiddlewareDropsLookAlikes sends who one claims to be in every spelling that
// something behind may read.
func TestMiddlewareDropsLookAlikes(t *testing.T) {
	t.Parallel()
	r := setup(t, nil).ready(t)
	request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/orders", nil)
	request.Header.Set("Authorization", "Bearer "+r.issuer.Token("shop", "anna", "s1"))
	for _, name := range []string{"x-user-id", "X_User_Id", "X-User_Id", "X_USER-ID", "X_Session_Id", "X_Tenant_Id"} {
		request.Header[name] = []string{"eve"}
	}
	request.Header.Set("X-User-Agent", "kept")
	r.Middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if len(r.Header) != 2 || r.Header.Get("X-User-Agent") != "kept" {
			t.Errorf("the service behind sees %v", r.Header)
		}
	})).ServeHTTP(httptest.NewRecorder(), request)
}

func TestTokenFromElsewhere(t *testing.T) {
	t.Parallel()
	r := setup(t, func(_ *rig, cfg *gateway.Config) {
		cfg.Token = func(r *http.Request) string { return r.Header.Get("X-Token") }
	}).ready(t)
	request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/orders", nil)
	request.Header.Set("X-Token", r.issuer.Token("shop", "anna", "s1"))
	if session, err := r.AdmitRequest(request); err != nil || session.User != "anna" {
		t.Errorf("AdmitRequest = %+v, %v", session, err)
	}
	request.Header.Set("Authorization", "Bearer "+request.Header.Get("X-Token"))
	request.Header.Del("X-Token")
	if _, err := r.AdmitRequest(request); reason(err) != gateway.ReasonMissing {
		t.Errorf("a token elsewhere than Config.Token looks is %v", reason(err))
	}
}
