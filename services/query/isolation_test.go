package query_test

import (
	"net/http"
	"strings"
	"testing"
)

// Every route, every kind of principal, own and foreign ids.
func TestIsolation(t *testing.T) {
	t.Parallel()
	inEveryStore(t, func(r *rig) {
		r.shop()
		const ok, forbidden, missing, nobody = http.StatusOK, http.StatusForbidden, http.StatusNotFound, http.StatusUnauthorized
		for _, row := range []struct {
			path                                          string
			admin, auditor, user, backend, foreign, noone int
		}{
			{"/v1/me", ok, ok, ok, ok, ok, nobody},
			{"/v1/users", ok, ok, ok, forbidden, ok, nobody},
			{"/v1/gateways", ok, ok, forbidden, forbidden, ok, nobody},
			{"/v1/users/carl/sessions", ok, ok, ok, forbidden, missing, nobody},
			{"/v1/users/anna/sessions", ok, ok, missing, forbidden, ok, nobody},
			{"/v1/users/zoe/sessions", missing, missing, missing, forbidden, ok, nobody},
			{"/v1/users/nobody/sessions", missing, missing, missing, forbidden, missing, nobody},
			{"/v1/users/carl/sessions?state=ended", ok, ok, ok, forbidden, missing, nobody},
			{"/v1/sessions/carl-1", ok, ok, ok, forbidden, missing, nobody},
			{"/v1/sessions/carl-0", ok, ok, ok, forbidden, missing, nobody},
			{"/v1/sessions/anna-1", ok, ok, missing, forbidden, missing, nobody},
			{"/v1/sessions/zoe-1", missing, missing, missing, forbidden, ok, nobody},
			{"/v1/sessions/nothing", missing, missing, missing, forbidden, missing, nobody},
			{"/v1/sessions/carl-1?user=anna", missing, missing, missing, forbidden, missing, nobody},
		} {
			for bearer, want := range map[string]int{
				"admin": row.admin, "auditor": row.auditor, "user": row.user, "backend": row.backend, "foreign": row.foreign, "": row.noone,
			} {
				if got := r.get(bearer, row.path); got.status != want {
					r.Errorf("%s as %q answered %d %s, want %d", row.path, bearer, got.status, got.raw, want)
				}
			}
		}
	})
}

func TestForeignIsAnsweredExactlyAsMissing(t *testing.T) {
	t.Parallel()
	inEveryStore(t, func(r *rig) {
		r.shop()
		for _, pair := range [][3]string{
			{"admin", "/v1/users/zoe/sessions", "/v1/users/nobody/sessions"},
			{"admin", "/v1/sessions/zoe-1", "/v1/sessions/nothing"},
			{"user", "/v1/users/anna/sessions", "/v1/users/nobody/sessions"},
			{"user", "/v1/sessions/anna-1", "/v1/sessions/nothing"},
		} {
			foreign, missing := r.get(pair[0], pair[1]), r.get(pair[0], pair[2])
			if foreign.raw != missing.raw || foreign.status != missing.status {
				r.Errorf("%s as %s answered\n%s, a missing one\n%s", pair[1], pair[0], foreign.raw, missing.raw)
			}
		}
	})
}

func TestUsersSeeNobodyElse(t *testing.T) {
	t.Parallel()
	inEveryStore(t, func(r *rig) {
		r.shop()
		for bearer, hidden := range map[string][]string{
			"user": {"anna", "zoe"}, "admin": {"zoe", "other"}, "auditor": {"zoe", "other"}, "foreign": {"carl", "shop"},
		} {
			for _, path := range []string{"/v1/users", "/v1/users?filter=a"} {
				raw := r.get(bearer, path).raw
				for _, name := range hidden {
					if strings.Contains(raw, `"`+name+`"`) {
						r.Errorf("%s as %s shows %s: %s", path, bearer, name, raw)
					}
				}
			}
		}
	})
}
