// Package httpapitest holds an HTTP API to the rules about callers: a table of
// every operation × every kind of caller, and the rule that what belongs to
// others answers exactly as what does not exist.
package httpapitest

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"
)

// Who is a kind of caller.
type Who string

// The kinds of callers that a table has to say something about.
const (
	Nobody   Who = "nobody"   // sends no credential
	Stranger Who = "stranger" // sends one that is not known
	Revoked  Who = "revoked"  // sends the token of a session that has ended
	Backend  Who = "backend"
	User     Who = "user"
	Admin    Who = "admin"
	Auditor  Who = "auditor"
)

var everyone = []Who{Nobody, Stranger, Revoked, Backend, User, Admin, Auditor}

// Fixture is an API with somebody of every kind, freshly made.
type Fixture struct {
	Handler http.Handler
	API     huma.API
	// Bearers are what the callers send; Nobody has none.
	Bearers map[Who]string
}

// Row is a request and the status that it is answered with, by caller. Callers
// who are not listed get 401 if they are Nobody, Stranger or Revoked.
type Row struct {
	Operation   string // its id in the OpenAPI document
	About       string
	Method      string
	Path        string
	ContentType string // "" means application/json
	Body        string
	Want        map[Who]int
}

// Run sends each row as each caller to a fixture of its own, and fails if an
// operation of the API with security has no row.
func Run(t *testing.T, setup func(t *testing.T) Fixture, rows []Row) {
	t.Helper()
	covered := map[string]bool{}
	for _, row := range rows {
		covered[row.Operation] = true
		for _, who := range everyone {
			t.Run(fmt.Sprintf("%s %s as %s", row.Operation, row.About, who), func(t *testing.T) {
				t.Parallel()
				row.check(t, setup(t), who)
			})
		}
	}
	for _, id := range secured(setup(t).API) {
		if !covered[id] {
			t.Errorf("operation %s is not in the table", id)
		}
	}
}

func (row Row) check(t *testing.T, f Fixture, who Who) {
	t.Helper()
	want, listed := row.Want[who]
	if !listed {
		switch who {
		case Nobody, Stranger, Revoked:
			want = http.StatusUnauthorized
		default:
			t.Fatal("the table does not say what is answered")
		}
	}
	answer := Send(f, who, row)
	if answer.Code != want {
		t.Fatalf("answer is %d %s, want %d", answer.Code, answer.Body, want)
	}
	if want >= http.StatusBadRequest {
		checkProblem(t, answer)
	}
}

// checkProblem wants a problem document, and a challenge with a 401.
func checkProblem(t *testing.T, answer *httptest.ResponseRecorder) {
	t.Helper()
	var problem struct {
		Status int    `json:"status"`
		Reason string `json:"reason"`
	}
	if err := json.Unmarshal(answer.Body.Bytes(), &problem); err != nil || problem.Status != answer.Code || problem.Reason == "" {
		t.Errorf("%d is answered without a problem document: %s", answer.Code, answer.Body)
	}
	challenge := answer.Header().Get("WWW-Authenticate")
	if (answer.Code == http.StatusUnauthorized) != strings.HasPrefix(challenge, "Bearer ") {
		t.Errorf("%d has the challenge %q", answer.Code, challenge)
	}
}

// Send sends a row's request as a caller.
func Send(f Fixture, who Who, row Row) *httptest.ResponseRecorder {
	r := httptest.NewRequestWithContext(context.Background(), row.Method, row.Path, strings.NewReader(row.Body))
	if row.Body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if row.ContentType != "" {
		r.Header.Set("Content-Type", row.ContentType)
	}
	if bearer := f.Bearers[who]; bearer != "" {
		r.Header.Set("Authorization", "Bearer "+bearer)
	}
	w := httptest.NewRecorder()
	f.Handler.ServeHTTP(w, r)
	return w
}

// SameAsMissing fails if a request for an id of somebody else is told from one
// for an id that nobody has. The path and the body of the row contain foreign,
// which is replaced by missing in the other request.
func SameAsMissing(t *testing.T, setup func(t *testing.T) Fixture, who Who, row Row, foreign, missing string) {
	t.Helper()
	other := row
	other.Path = strings.ReplaceAll(row.Path, foreign, missing)
	other.Body = strings.ReplaceAll(row.Body, foreign, missing)
	theirs, nobodys := Send(setup(t), who, row), Send(setup(t), who, other)
	if a, b := shape(theirs, foreign), shape(nobodys, missing); a != b {
		t.Errorf("%s %s as %s tells a foreign id from a missing one:\n%s\n%s", row.Method, row.Path, who, a, b)
	}
}

// shape is an answer without what differs between any two requests.
func shape(answer *httptest.ResponseRecorder, id string) string {
	header := answer.Header().Clone()
	request := header.Get("X-Request-ID")
	header.Del("X-Request-ID")
	var b strings.Builder
	fmt.Fprintln(&b, answer.Code)
	for _, name := range slices.Sorted(maps.Keys(header)) {
		fmt.Fprintln(&b, name, header[name])
	}
	b.WriteString(answer.Body.String())
	return strings.NewReplacer(id, "(id)", request, "(request)").Replace(b.String())
}

// secured returns the ids of the operations that need a caller.
func secured(api huma.API) []string {
	var ids []string
	for _, item := range api.OpenAPI().Paths {
		for _, operation := range []*huma.Operation{item.Get, item.Post, item.Put, item.Patch, item.Delete} {
			if operation != nil && len(operation.Security) > 0 {
				ids = append(ids, operation.OperationID)
			}
		}
	}
	return ids
}
