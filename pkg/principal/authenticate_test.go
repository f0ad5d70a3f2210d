package principal_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/posse-pos/posse/pkg/principal"
	"github.com/posse-pos/posse/pkg/token"
)

// verify knows tokens of the form user:role; "away" cannot be judged.
func verify(_ context.Context, bearer string) (principal.SessionClaims, error) {
	user, role, ok := strings.Cut(bearer, ":")
	switch {
	case bearer == "away":
		return principal.SessionClaims{}, fmt.Errorf("%w: no keys", principal.ErrUnavailable)
	case bearer == "late":
		return principal.SessionClaims{}, context.DeadlineExceeded
	case !ok:
		return principal.SessionClaims{}, errors.New("its signature is wrong")
	}
	return principal.SessionClaims{Tenant: "shop", User: user, Session: "of-" + user, Roles: []string{"staff", role}}, nil
}

func person(kind principal.Kind, user, role string) principal.Principal {
	return principal.Principal{Kind: kind, Tenant: "shop", User: user, Session: "of-" + user, Roles: []string{"staff", role}}
}

func TestAuthenticate(t *testing.T) {
	t.Parallel()
	keys, err := token.OpenBackendKeys(t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	plaintext, key, err := keys.Create("shop", "till backend", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	auth := principal.Chain(principal.Backends(keys), principal.Sessions(principal.SessionsConfig{
		Verify:      verify,
		Revoked:     func(tenant, session string) bool { return tenant == "shop" && session == "of-eve" },
		AuditorRole: "inspector",
	}))
	tests := map[string]struct {
		bearer string
		want   principal.Principal
		err    error
	}{
		"a backend":          {bearer: plaintext, want: principal.Principal{Kind: principal.Backend, Tenant: "shop", KeyID: key.ID}},
		"a user":             {bearer: "ada:cashier", want: person(principal.User, "ada", "cashier")},
		"an admin":           {bearer: "bob:admin", want: person(principal.Admin, "bob", "admin")},
		"an auditor":         {bearer: "cyd:inspector", want: person(principal.Auditor, "cyd", "inspector")},
		"the default's name": {bearer: "dan:auditor", want: person(principal.User, "dan", "auditor")},
		"a revoked session":  {bearer: "eve:admin", err: principal.ErrSessionRevoked},
		"a nameless token":   {bearer: ":admin", err: principal.ErrUnauthenticated},
		"nothing":            {bearer: "", err: principal.ErrUnauthenticated},
		"a bad token":        {bearer: "forged", err: principal.ErrUnauthenticated},
		"a bad backend key":  {bearer: plaintext + "0", err: token.ErrInvalidBackendKey},
		"keys are away":      {bearer: "away", err: principal.ErrUnavailable},
		"out of time":        {bearer: "late", err: principal.ErrUnavailable},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := auth.Authenticate(t.Context(), test.bearer)
			if diff := cmp.Diff(test.want, got); diff != "" || !errors.Is(err, test.err) {
				t.Errorf("error: %v, want %v (-want +got)\n%s", err, test.err, diff)
			}
			unauthenticated, away := errors.Is(err, principal.ErrUnauthenticated), errors.Is(err, principal.ErrUnavailable)
			if err != nil && unauthenticated == away {
				t.Errorf("neither or both of 401 and 503: %v", err)
			}
		})
	}
}

func TestChainWithoutAParty(t *testing.T) {
	t.Parallel()
	auth := principal.Chain(nil, nil)
	for _, bearer := range []string{"ada:admin", token.BackendKeyPrefix + "0011"} {
		if _, err := auth.Authenticate(t.Context(), bearer); !errors.Is(err, principal.ErrUnauthenticated) {
			t.Errorf("%s: %v", bearer, err)
		}
	}
}

func TestRolesAreACopy(t *testing.T) {
	t.Parallel()
	roles := []string{"cashier"}
	auth := principal.Sessions(principal.SessionsConfig{
		Verify: func(context.Context, string) (principal.SessionClaims, error) {
			return principal.SessionClaims{Tenant: "shop", User: "ada", Session: "s", Roles: roles}, nil
		},
	})
	got, err := auth.Authenticate(t.Context(), "token")
	if err != nil {
		t.Fatal(err)
	}
	got.Roles[0] = principal.DefaultAdminRole
	if roles[0] != "cashier" {
		t.Error("a caller changed the roles of a cached token")
	}
}
