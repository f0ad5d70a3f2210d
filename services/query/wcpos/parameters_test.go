package wcpos_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/posse-pos/posse/events"
)

const (
	asJSON = "application/json; charset=utf-8"
	asForm = "application/x-www-form-urlencoded"
)

// Parameters may stand in the body of a DELETE: whom it signs out, and which
// session it keeps.
func TestParametersInABody(t *testing.T) {
	t.Parallel()
	const all, others, refused = "all", "others", "refused"
	for name, row := range map[string]struct{ query, kind, body, want string }{
		"JSON":                        {"", asJSON, `{"user_id":42,"except_current":true}`, others},
		"JSON in words":               {"", asJSON, `{"user_id":"42","except_current":"TRUE"}`, others},
		"JSON in figures":             {"", asJSON, `{"user_id":42,"except_current":1}`, others},
		"JSON that keeps none":        {"", asJSON, `{"user_id":42,"except_current":false}`, all},
		"JSON with null":              {"?user_id=42", asJSON, `{"except_current":null}`, all},
		"JSON with more":              {"?user_id=42", asJSON, `{"force":[1,{"x":2}],"except_current":true}`, others},
		"JSON and the query":          {"?user_id=42", asJSON, `{"except_current":true}`, others},
		"JSON and the query agree":    {"?user_id=42&except_current=1", asJSON, `{"except_current":true}`, others},
		"JSON and the query disagree": {"?user_id=42&except_current=0", asJSON, `{"except_current":true}`, refused},
		"another user":                {"?user_id=42", asJSON, `{"user_id":1}`, refused},
		"a list of users":             {"", asJSON, `{"user_id":[42]}`, refused},
		"a user who is true":          {"", asJSON, `{"user_id":true}`, refused},
		"a fraction":                  {"", asJSON, `{"user_id":42.0}`, refused},
		"a power":                     {"", asJSON, `{"user_id":4.2e1}`, refused},
		"a flag of two":               {"?user_id=42", asJSON, `{"except_current":2}`, refused},
		"a flag of words":             {"?user_id=42", asJSON, `{"except_current":"no"}`, refused},
		"a list of flags":             {"?user_id=42", asJSON, `{"except_current":[]}`, refused},
		"a key twice":                 {"?user_id=42", asJSON, `{"except_current":true,"except_current":false}`, refused},
		"no object":                   {"?user_id=42", asJSON, `[1]`, refused},
		"no JSON":                     {"?user_id=42", asJSON, `except_current=true`, refused},
		"half of it":                  {"?user_id=42", asJSON, `{"except_current":`, refused},
		"two of it":                   {"?user_id=42", asJSON, `{} {}`, refused},
		"no text":                     {"", asJSON, "{\"user_id\":\"\xff\"}", refused},
		"an empty body":               {"?user_id=42", asJSON, " \n", all},
		"a form":                      {"", asForm, "user_id=42&except_current=true", others},
		"a form of no type":           {"?user_id=42", "", "except_current=1", others},
		"a malformed form":            {"?user_id=42", asForm, "except_current=%zz", refused},
		"a listed flag":               {"?user_id=42", asForm, "except_current[a]=true", refused},
		"another type":                {"?user_id=42", "text/plain", "except_current=true", all},
		"too much":                    {"?user_id=42", asJSON, `{"x":"` + strings.Repeat("x", 64<<10) + `"}`, refused},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := setup(t)
			r.shop()
			got := r.do(request{
				method: del, path: v1 + "/sessions" + row.query, body: row.body, bearer: "user",
				header: map[string]string{"Content-Type": row.kind},
			})
			switch did := r.ender.all; {
			case row.want == refused && len(did) == 0 && (got.Code == 400 || got.Code == 413):
			case row.want == all && len(did) == 1 && did[0].User == "42" && did[0].Except == "":
			case row.want == others && len(did) == 1 && did[0].User == "42" && did[0].Except == tablet:
			default:
				t.Errorf("answered %d %s and did %+v", got.Code, got.Body, did)
			}
		})
	}
}

func TestBodiesThatAreRefused(t *testing.T) {
	t.Parallel()
	for file, q := range map[string]request{
		"invalid_json.json": {body: `{"user_id":42`, header: map[string]string{"Content-Type": asJSON}},
		"invalid_form.json": {body: "%zz", header: map[string]string{"Content-Type": asForm}},
		"too_large.json":    {body: strings.Repeat(" ", 64<<10+1), header: map[string]string{"Content-Type": asJSON}},
	} {
		r := setup(t)
		r.shop()
		q.method, q.path, q.bearer = del, v1+"/sessions?user_id=42", "admin"
		status := http.StatusBadRequest
		if file == "too_large.json" {
			status = http.StatusRequestEntityTooLarge
		}
		r.answers(q, status, file)
	}
}

func TestABodyThatBreaksOff(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.shop()
	q := request{method: del, path: v1 + "/sessions?user_id=42", bearer: "admin"}.build(t)
	q.Body = io.NopCloser(iotest.ErrReader(io.ErrUnexpectedEOF))
	w := newTape(nil)
	r.handler.ServeHTTP(w, q)
	if w.status != http.StatusBadRequest || len(r.ender.all) != 0 {
		t.Errorf("answered %d %s and did %+v", w.status, &w.body, r.ender.all)
	}
}

// Whatever a stranger sends, an answer is JSON of the plugin's statuses, and
// nobody is signed out whom the request did not name.
func FuzzDelete(f *testing.F) {
	for _, seed := range [][3]string{
		{"user_id=42", asJSON, `{"except_current":true}`},
		{"user_id=42&except_current=true", "", ""},
		{"user_id[]=42&jti=" + tablet, asForm, "user_id=1&except_current=1"},
		{"user_id=%zz;&_method=GET", "text/plain", "\xff"},
		{"user_id=" + strings.Repeat("9", 200), asJSON, `{"user_id":1e3}`},
	} {
		f.Add(seed[0], seed[1], seed[2])
	}
	statuses := []int{200, 400, 403, 404, 413}
	f.Fuzz(func(t *testing.T, query, kind, body string) {
		r := setup(t)
		r.shop()
		for _, path := range []string{"/sessions", "/sessions/" + tablet} {
			q := request{method: del, path: v1 + path, bearer: "user", body: body}.build(t)
			q.URL.RawQuery = query
			q.Header["Content-Type"] = []string{kind}
			w := newTape(nil)
			r.handler.ServeHTTP(w, q)
			if !slices.Contains(statuses, w.status) || !json.Valid(w.body.Bytes()) {
				t.Errorf("answered %d %s", w.status, &w.body)
			}
		}
		for _, c := range r.ender.all {
			if c.User != "42" || c.Except != "" && c.Except != tablet {
				t.Errorf("did %+v", c)
			}
		}
	})
}

// Every id that a user can have is answered as itself, and no other is taken.
func FuzzUserParameter(f *testing.F) {
	for _, id := range []string{"42", "0", "007", "1e3", "+5", "-5", " 5", "9007199254740991", "9007199254740992", "zoë", "\xff", "\x00", "</script>", ""} {
		f.Add(id)
	}
	r := setup(f)
	r.shop()
	f.Fuzz(func(t *testing.T, id string) {
		r := &rig{TB: t, handler: r.handler}
		got := r.do(request{path: v1 + "/sessions?user_id=" + url.QueryEscape(id), bearer: "admin"})
		if events.ValidateID("user", id) != nil {
			if got.Code != http.StatusBadRequest {
				t.Errorf("%q answered %d %s", id, got.Code, got.Body)
			}
			return
		}
		var answer struct {
			UserID   any   `json:"user_id"`
			Sessions []any `json:"sessions"`
		}
		decoder := json.NewDecoder(got.Body)
		decoder.UseNumber()
		if err := decoder.Decode(&answer); err != nil || got.Code != http.StatusOK || answer.Sessions == nil {
			t.Fatalf("%q answered %d: %v", id, got.Code, err)
		}
		want := id
		if id == "0" {
			want = "1" // nobody, so oneself
		}
		switch said := answer.UserID.(type) {
		case string:
			if said != want {
				t.Errorf("%q became %q", id, said)
			}
		case json.Number:
			if said.String() != want || len(want) > 16 {
				t.Errorf("%q became the number %s", id, said)
			}
		default:
			t.Errorf("%q became %v", id, said)
		}
	})
}
