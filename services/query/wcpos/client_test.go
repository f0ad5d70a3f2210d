package wcpos_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/posse-pos/posse/pkg/activesessions"
	"github.com/posse-pos/posse/pkg/commands"
)

// whoIs is what the plugin's own screen reads of an answer.
type whoIs struct {
	Users []struct {
		UserID   json.RawMessage `json:"user_id"`
		Sessions []struct {
			JTI       string `json:"jti"`
			IsCurrent bool   `json:"is_current"`
		} `json:"sessions"`
	} `json:"users"`
	Total int `json:"total"`
}

func (r *rig) list(bearer string) whoIs {
	r.Helper()
	// As WordPress's apiFetch sends it.
	got := r.do(request{path: v1 + "/users/sessions?wcpos=1&_locale=user", bearer: bearer})
	var answer whoIs
	if err := json.Unmarshal(got.Body.Bytes(), &answer); err != nil || got.Code != http.StatusOK {
		r.Fatalf("the list is %d %s: %v", got.Code, got.Body, err)
	}
	return answer
}

// of returns the ids of a user's sessions.
func (w whoIs) of(user string) []string {
	var ids []string
	for _, u := range w.Users {
		if string(u.UserID) == user {
			for _, s := range u.Sessions {
				ids = append(ids, s.JTI)
			}
		}
	}
	return ids
}

// apiFetch sends a DELETE as WordPress's JavaScript client does.
func apiFetch(path string) request {
	return request{method: http.MethodPost, path: path, header: map[string]string{
		"X-HTTP-Method-Override": "DELETE", "Content-Type": "application/json", "X-WP-Nonce": "1",
	}}
}

// The plugin's screen, unchanged: list, terminate, list, logout others, list,
// logout all, list.
func TestThePluginsScreen(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.shop()
	if got := r.list("admin"); got.Total != 4 || !slices.Equal(got.of("42"), []string{tablet, register}) {
		t.Fatalf("the list is %+v", got)
	}

	terminate := apiFetch(v1 + "/sessions/" + register + "?user_id=42&wcpos=1&_locale=user")
	terminate.bearer = "admin"
	r.answers(terminate, 200, "ended_one.json")
	if got := r.list("admin").of("42"); !slices.Equal(got, []string{tablet}) {
		t.Errorf("after Terminate carl has %v", got)
	}

	r.store.record(login("shop", "1", register, 0, "", ""))
	others := apiFetch(v1 + "/sessions?user_id=1&wcpos=1&except_current=true&_locale=user")
	others.bearer = "admin"
	r.answers(others, 200, "ended_all.json")
	if got := r.list("admin").of("1"); !slices.Equal(got, []string{annas}) {
		t.Errorf("after Logout Other Devices anna has %v", got)
	}

	all := apiFetch(v1 + "/sessions?user_id=42&wcpos=1&_locale=user")
	all.bearer = "admin"
	r.answers(all, 200, "ended_all.json")
	if got := r.list("admin"); got.Total != 3 || got.of("42") != nil {
		t.Errorf("after Logout All the list is %+v", got)
	}
	r.answers(all, 200, "ended_all.json") // again changes nothing
}

// The recorder learns who asked, from where, and for what.
func TestCommands(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.shop()
	r.do(request{method: del, path: v1 + "/sessions/" + tablet + "?user_id=42", bearer: "admin"})
	r.do(request{method: del, path: v1 + "/sessions?user_id=42&except_current=1", bearer: "user"})
	r.do(request{method: del, path: v2 + "/sessions?user_id=42", bearer: "admin"})
	const ip = "192.0.2.1" // of every request that net/http/httptest makes
	one := []commands.EndSession{{Caller: commands.Caller{Principal: callers["admin"], IP: ip}, Session: tablet}}
	if diff := cmp.Diff(one, r.ender.one); diff != "" {
		t.Error(diff)
	}
	all := []commands.EndUser{
		{Caller: commands.Caller{Principal: callers["user"], IP: ip}, User: "42", Except: tablet},
		{Caller: commands.Caller{Principal: callers["admin"], IP: ip}, User: "42"},
	}
	if diff := cmp.Diff(all, r.ender.all); diff != "" {
		t.Error(diff)
	}
}

// The recorder is asked for nothing that the read model knows to be no use.
func TestWhatIsOverIsLeftAlone(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.shop()
	for _, session := range []string{ended, expired, "nothing"} {
		r.answers(request{method: del, path: v1 + "/sessions/" + session + "?user_id=42", bearer: "admin"}, 404, "no_session.json")
	}
	if len(r.ender.one) > 0 {
		t.Errorf("the recorder was asked %+v", r.ender.one)
	}
}

func TestSomebodyWasFaster(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.shop()
	r.ender.meanwhile = func() { r.store.record(revoked("shop", "42", tablet)) }
	r.answers(request{method: del, path: v1 + "/sessions/" + tablet + "?user_id=42", bearer: "admin"}, 404, "no_session.json")
}

// A DELETE is answered when the list shows it, and late rather than never.
func TestTheListIsWaitedFor(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.shop()
	got := r.answers(request{method: del, path: v1 + "/sessions/" + tablet + "?user_id=42", bearer: "admin"}, 200, "ended_one.json")
	if r.store.waitedTo != 10 || got.Header().Get("Posse-Position") != "10" || strings.Contains(r.log.String(), "level=WARN") {
		t.Errorf("waited for %d, answered %q, logged %s", r.store.waitedTo, got.Header().Get("Posse-Position"), r.log)
	}
	r.ender.late = true
	r.store.fail = func(question string) error {
		if question == "wait" {
			return activesessions.ErrBehind
		}
		return nil
	}
	r.answers(request{method: del, path: v1 + "/sessions?user_id=42", bearer: "admin"}, 200, "ended_all.json")
	if !strings.Contains(r.log.String(), "position=11") {
		t.Errorf("the log says %s", r.log)
	}
}

// Two ways to say DELETE with a POST, and none with a GET.
func TestMethodOverride(t *testing.T) {
	t.Parallel()
	path := v1 + "/sessions?user_id=42"
	for name, row := range map[string]struct {
		request

		status int
		file   string
	}{
		"by header":           {request{method: "POST", path: path, header: map[string]string{"X-HTTP-Method-Override": "delete"}}, 200, "ended_all.json"},
		"by parameter":        {request{method: "POST", path: path + "&_method=DELETE"}, 200, "ended_all.json"},
		"parameter first":     {request{method: "POST", path: path + "&_method=GET", header: map[string]string{"X-HTTP-Method-Override": "DELETE"}}, 200, "sessions.json"},
		"without its id":      {request{method: "POST", path: v1 + "/sessions/?user_id=42&_method=DELETE"}, 400, "missing_session.json"},
		"no method":           {request{method: "POST", path: path}, 404, "no_route.json"},
		"a method nobody has": {request{method: "POST", path: path + "&_method=STEAL"}, 404, "no_route.json"},
		"a GET stays one":     {request{path: path + "&_method=DELETE", header: map[string]string{"X-HTTP-Method-Override": "DELETE"}}, 200, "sessions.json"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := setup(t)
			r.shop()
			q := row.request
			q.bearer = "admin"
			r.answers(q, row.status, row.file)
		})
	}
}
