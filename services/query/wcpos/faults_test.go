package wcpos_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/posse-pos/posse/pkg/commands"
	"github.com/posse-pos/posse/services/query/wcpos"
)

var errAway = errors.New("the database is away, and its password is secret")

func TestStoreFaults(t *testing.T) {
	t.Parallel()
	for _, q := range []request{
		{path: "/users/sessions"},
		{path: "/sessions?user_id=42"},
		{method: del, path: "/sessions/" + tablet + "?user_id=42"},
	} {
		r := setup(t)
		r.shop()
		r.store.fail = func(string) error { return errAway }
		q.path, q.bearer = v1+q.path, "admin"
		got := r.answers(q, 503, "unavailable.json")
		if got.Header().Get("Retry-After") != "1" {
			t.Errorf("%s answered without Retry-After", q.path)
		}
	}
}

func TestEnderFaults(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		err    error
		status int
		file   string
	}{
		"busy":           {commands.Retry(commands.ReasonBusy, 3e9, "too much at once"), 503, "busy.json"},
		"unavailable":    {commands.Retry(commands.ReasonUnavailable, 1e9, "no recorder is running"), 503, "unavailable_recorder.json"},
		"fault":          {errAway, 500, "fault.json"},
		"forbidden":      {commands.NewError(commands.ReasonForbidden, "not you"), 403, "forbidden_recorder.json"},
		"the own ended":  {commands.ErrSessionRevoked, 401, "unauthorized_bare.json"},
		"invalid":        {commands.Invalid(commands.Field{Name: "reason"}), 400, "invalid_recorder.json"},
		"not that many":  {commands.NewError(commands.ReasonSessionExpired, "%s", strings.Repeat("ü", 1000)), 409, "long.json"},
		"gone meanwhile": {commands.ErrNotFound, 404, "no_session.json"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := setup(t)
			r.shop()
			r.ender.err = row.err
			got := r.answers(request{method: del, path: v1 + "/sessions/" + tablet + "?user_id=42", bearer: "admin"}, row.status, row.file)
			if (got.Header().Get("Retry-After") != "") != (row.status == 503) {
				t.Errorf("Retry-After is %q", got.Header().Get("Retry-After"))
			}
			if logged := strings.Contains(r.log.String(), "request failed"); logged != (row.status >= 500) {
				t.Errorf("the log says %q", r.log)
			}
		})
	}
}

func TestConfig(t *testing.T) {
	t.Parallel()
	if _, err := wcpos.New(wcpos.Config{}); err == nil {
		t.Error("an API without a read model was made")
	}
	for _, change := range []func(*wcpos.Config){
		func(c *wcpos.Config) { c.Reads = nil },
		func(c *wcpos.Config) { c.Ender = nil },
		func(c *wcpos.Config) { c.Authenticator = nil },
		func(c *wcpos.Config) { c.MaxUsers = -1 },
	} {
		var config wcpos.Config
		setup(t, func(c *wcpos.Config) { config = *c })
		change(&config)
		if _, err := wcpos.New(config); err == nil {
			t.Errorf("%+v made an API", config)
		}
	}
}
