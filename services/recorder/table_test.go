package recorder_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/posse-pos/posse/pkg/commands"
	"github.com/posse-pos/posse/pkg/httpapi"
	"github.com/posse-pos/posse/pkg/httpapi/httpapitest"
	"github.com/posse-pos/posse/pkg/principal"
)

// bearers reads a principal out of "kind:user/session" or "backend:key", all of
// the tenant shop unless "@tenant" follows.
type bearers struct{}

func (bearers) Authenticate(_ context.Context, bearer string) (principal.Principal, error) {
	if bearer == "revoked" {
		return principal.Principal{}, fmt.Errorf("%w: %w", principal.ErrUnauthenticated, principal.ErrSessionRevoked)
	}
	bearer, tenant, elsewhere := strings.Cut(bearer, "@")
	if !elsewhere {
		tenant = "shop"
	}
	kind, name, _ := strings.Cut(bearer, ":")
	user, session, _ := strings.Cut(name, "/")
	p := principal.Principal{Tenant: tenant, User: user, Session: session}
	switch kind {
	case "backend":
		return principal.Principal{Kind: principal.Backend, Tenant: tenant, KeyID: name}, nil
	case "user":
		p.Kind = principal.User
	case "admin":
		p.Kind = principal.Admin
	case "auditor":
		p.Kind = principal.Auditor
	default:
		return principal.Principal{}, principal.ErrUnauthenticated
	}
	return p, nil
}

// tableFixture is a shop with two people in it, and a foreign shop with one.
func tableFixture(t *testing.T) httpapitest.Fixture {
	t.Helper()
	s := openMinting(t)
	s.signIn("ada", "ada-1", "ada-2")
	s.signIn("bob", "bob-1")
	s.signIn("audrey", "audrey-1")
	foreign := backend()
	foreign.Principal.Tenant = "other"
	if _, err := s.Login(t.Context(), commands.Login{Caller: foreign, User: "eve", Session: "eve-1"}); err != nil {
		t.Fatal(err)
	}
	router, api := httpapi.New(httpapi.Config{Title: "posse", Version: "1.0.0", Authenticator: bearers{}})
	s.Register(api)
	httpapi.RegisterEnders(api, s, nil)
	return httpapitest.Fixture{Handler: router, API: api, Bearers: map[httpapitest.Who]string{
		httpapitest.Stranger: "nonsense", httpapitest.Revoked: "revoked",
		httpapitest.Backend: "backend:k1", httpapitest.User: "user:ada/ada-1",
		httpapitest.Admin: "admin:root/root-1", httpapitest.Auditor: "auditor:audrey/audrey-1",
	}}
}

func answers(backend, user, admin, auditor int) map[httpapitest.Who]int {
	return map[httpapitest.Who]int{
		httpapitest.Backend: backend, httpapitest.User: user, httpapitest.Admin: admin, httpapitest.Auditor: auditor,
	}
}

func TestEveryRouteForEveryCaller(t *testing.T) {
	t.Parallel()
	httpapitest.Run(t, tableFixture, []httpapitest.Row{
		{Operation: "record-login", Method: http.MethodPost, Path: "/v1/sessions", Body: `{"user":"ada"}`, Want: answers(201, 403, 403, 403)},
		{
			Operation: "record-refresh", About: "of one's own", Method: http.MethodPost, Path: "/v1/sessions/ada-1/refresh",
			Body: `{"user":"ada"}`, Want: answers(200, 403, 403, 403),
		},
		{
			Operation: "record-refresh", About: "of a foreign one", Method: http.MethodPost, Path: "/v1/sessions/eve-1/refresh",
			Body: `{"user":"eve"}`, Want: answers(404, 403, 403, 403),
		},
		{
			Operation: "record-touches", Method: http.MethodPost, Path: "/v1/touches",
			Body: `{"user":"ada","session":"ada-1"}`, Want: answers(202, 403, 403, 403),
		},
		{Operation: "end-session", About: "one's own", Method: http.MethodDelete, Path: "/v1/sessions/ada-1", Want: answers(200, 200, 200, 403)},
		{Operation: "end-session", About: "another of one's own", Method: http.MethodDelete, Path: "/v1/sessions/ada-2", Want: answers(200, 200, 200, 403)},
		{Operation: "end-session", About: "the auditor's", Method: http.MethodDelete, Path: "/v1/sessions/audrey-1", Want: answers(200, 404, 200, 200)},
		{Operation: "end-session", About: "somebody else's", Method: http.MethodDelete, Path: "/v1/sessions/bob-1", Want: answers(200, 404, 200, 403)},
		{Operation: "end-session", About: "a foreign one", Method: http.MethodDelete, Path: "/v1/sessions/eve-1", Want: answers(404, 404, 404, 403)},
		{Operation: "end-session", About: "nobody's", Method: http.MethodDelete, Path: "/v1/sessions/none", Want: answers(404, 404, 404, 403)},
		{Operation: "forget-user", About: "oneself", Method: http.MethodDelete, Path: "/v1/users/ada", Want: answers(403, 403, 200, 403)},
		{Operation: "forget-user", About: "somebody else", Method: http.MethodDelete, Path: "/v1/users/bob", Want: answers(403, 403, 200, 403)},
		{Operation: "forget-user", About: "a foreign one", Method: http.MethodDelete, Path: "/v1/users/eve", Want: answers(403, 403, 404, 403)},
		{Operation: "forget-user", About: "nobody", Method: http.MethodDelete, Path: "/v1/users/none", Want: answers(403, 403, 404, 403)},
		{Operation: "end-user-sessions", About: "one's own", Method: http.MethodDelete, Path: "/v1/users/ada/sessions", Want: answers(200, 200, 200, 403)},
		{
			Operation: "end-user-sessions", About: "all but the current", Method: http.MethodDelete,
			Path: "/v1/users/ada/sessions?except=current", Want: answers(422, 200, 422, 422),
		},
		{Operation: "end-user-sessions", About: "the auditor's", Method: http.MethodDelete, Path: "/v1/users/audrey/sessions", Want: answers(200, 404, 200, 200)},
		{Operation: "end-user-sessions", About: "somebody else's", Method: http.MethodDelete, Path: "/v1/users/bob/sessions", Want: answers(200, 404, 200, 403)},
		{Operation: "end-user-sessions", About: "a foreign one's", Method: http.MethodDelete, Path: "/v1/users/eve/sessions", Want: answers(404, 404, 404, 403)},
		{Operation: "end-user-sessions", About: "nobody's", Method: http.MethodDelete, Path: "/v1/users/none/sessions", Want: answers(404, 404, 404, 403)},
	})
}

func TestAForeignIDAnswersAsAMissingOne(t *testing.T) {
	t.Parallel()
	for _, who := range []httpapitest.Who{httpapitest.Backend, httpapitest.User, httpapitest.Admin, httpapitest.Auditor} {
		same := func(row httpapitest.Row, foreign, missing string) {
			httpapitest.SameAsMissing(t, tableFixture, who, row, foreign, missing)
		}
		same(httpapitest.Row{Method: http.MethodDelete, Path: "/v1/sessions/eve-1"}, "eve-1", "eve-9")
		same(httpapitest.Row{Method: http.MethodDelete, Path: "/v1/users/eve/sessions"}, "eve", "eva")
		same(httpapitest.Row{Method: http.MethodPost, Path: "/v1/sessions/eve-1/refresh", Body: `{"user":"ada"}`}, "eve-1", "eve-9")
	}
	// What others of the same tenant have does not exist for a user either.
	httpapitest.SameAsMissing(t, tableFixture, httpapitest.User, httpapitest.Row{Method: http.MethodDelete, Path: "/v1/sessions/bob-1"}, "bob-1", "bob-9")
	httpapitest.SameAsMissing(t, tableFixture, httpapitest.User, httpapitest.Row{Method: http.MethodDelete, Path: "/v1/users/bob/sessions"}, "bob", "bub")
}
