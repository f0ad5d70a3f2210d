package httpapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/go-cmp/cmp"

	"github.com/posse-pos/posse/pkg/commands"
	"github.com/posse-pos/posse/pkg/fleet"
	"github.com/posse-pos/posse/pkg/gateway/tokens"
	"github.com/posse-pos/posse/pkg/httpapi"
	"github.com/posse-pos/posse/pkg/principal"
)

// bearers knows a caller by name, and fails in every way an authenticator can.
type bearers map[string]principal.Principal

func (b bearers) Authenticate(_ context.Context, bearer string) (principal.Principal, error) {
	switch bearer {
	case "revoked":
		return principal.Principal{}, fmt.Errorf("%w: %w", principal.ErrUnauthenticated, principal.ErrSessionRevoked)
	case "expired":
		return principal.Principal{}, fmt.Errorf("%w: %w", principal.ErrUnauthenticated, tokens.ErrExpired)
	case "unavailable":
		return principal.Principal{}, principal.ErrUnavailable
	}
	if p, ok := b[bearer]; ok {
		return p, nil
	}
	return principal.Principal{}, principal.ErrUnauthenticated
}

var ada = principal.Principal{Kind: principal.User, Tenant: "shop", User: "ada", Session: "till"}

// recording is an Ender that remembers what it was asked.
type recording struct {
	session commands.EndSession
	user    commands.EndUser
	forget  commands.ForgetUser
	err     error
}

func (r *recording) EndSession(_ context.Context, c commands.EndSession) (commands.Ended, error) {
	r.session = c
	return commands.Ended{Ended: 1, Sessions: []string{c.Session}, Position: 7}, r.err
}

func (r *recording) EndUser(_ context.Context, c commands.EndUser) (commands.Ended, error) {
	r.user = c
	return commands.Ended{Position: 8}, r.err
}

func (r *recording) ForgetUser(_ context.Context, c commands.ForgetUser) (commands.Ended, error) {
	r.forget = c
	return commands.Ended{Ended: 2, Position: 9, Sessions: []string{"a", "b"}}, r.err
}

type gateways struct{ fleet.Report }

func (g gateways) Wait(ctx context.Context, _ string, _ uint64) fleet.Report {
	if _, bounded := ctx.Deadline(); !bounded {
		panic("an unbounded wait")
	}
	return g.Report
}

type api struct {
	t       *testing.T
	handler http.Handler
	ender   *recording
	log     *bytes.Buffer
}

func newAPI(t *testing.T) *api {
	t.Helper()
	a := &api{t: t, ender: &recording{}, log: &bytes.Buffer{}}
	router, h := httpapi.New(httpapi.Config{
		Title: "posse", Version: "1.0.0", Authenticator: bearers{"ada": ada},
		Logger: slog.New(slog.NewTextHandler(a.log, nil)),
	})
	httpapi.RegisterEnders(h, a.ender, gateways{fleet.Report{
		Total:     2,
		Confirmed: []fleet.Confirmation{{Gateway: "g1", Name: "north", After: 1500 * time.Microsecond}},
		Missing:   []fleet.Missing{{Gateway: "g2"}}, Slowest: 1500 * time.Microsecond,
	}})
	huma.Register(h, huma.Operation{OperationID: "fail", Method: http.MethodGet, Path: "/fail/{how}"}, a.fail)
	a.handler = router
	return a
}

func (a *api) fail(_ context.Context, in *struct {
	How string `path:"how"`
},
) (*struct{}, error) {
	switch in.How {
	case "busy":
		return nil, commands.Retry(commands.ReasonBusy, 3*time.Second, "too many")
	case "panic":
		panic("the secret reason")
	case "canceled":
		return nil, fmt.Errorf("ask: %w", context.Canceled)
	case "late":
		return nil, fmt.Errorf("ask: %w", context.DeadlineExceeded)
	default:
		return nil, errors.New("the secret reason")
	}
}

// answer is what came back.
type answer struct {
	StatusCode int
	Header     http.Header
}

func (a *api) do(method, path, bearer, body string) (response answer, text string) {
	a.t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	if bearer != "" {
		r.Header.Set("Authorization", "Bearer "+bearer)
	}
	w := httptest.NewRecorder()
	a.handler.ServeHTTP(w, r)
	return answer{w.Code, w.Header()}, w.Body.String()
}

func (a *api) wantProblem(response answer, body string, status int, reason string) httpapi.Problem {
	a.t.Helper()
	var p httpapi.Problem
	if err := json.Unmarshal([]byte(body), &p); err != nil {
		a.t.Fatalf("%d is no problem document: %v: %s", response.StatusCode, err, body)
	}
	if response.StatusCode != status || p.Status != status || p.Reason != reason {
		a.t.Fatalf("answer is %d: %s; want %d %s", response.StatusCode, body, status, reason)
	}
	if got := response.Header.Get("Content-Type"); got != "application/problem+json" {
		a.t.Errorf("content type is %q", got)
	}
	if p.RequestID == "" || p.RequestID != response.Header.Get("X-Request-ID") {
		a.t.Errorf("request id is %q in the body and %q in the header", p.RequestID, response.Header.Get("X-Request-ID"))
	}
	return p
}

func TestBearerAuthentication(t *testing.T) {
	t.Parallel()
	cases := []struct {
		bearer, reason string
		status         int
		challenge      string
	}{
		{"", "unauthenticated", 401, `Bearer realm="posse"`},
		{"stranger", "unauthenticated", 401, `Bearer realm="posse", error="invalid_token", error_description="the bearer token is not valid here"`},
		{"revoked", "session_revoked", 401, `Bearer realm="posse", error="invalid_token", error_description="the session of this token has ended"`},
		{"expired", "token_expired", 401, `Bearer realm="posse", error="invalid_token", error_description="the token has expired: refresh it"`},
		{strings.Repeat("x", 17<<10), "unauthenticated", 401, `Bearer realm="posse", error="invalid_token", error_description="the bearer token is not valid here"`},
		{"unavailable", "unavailable", 503, ""},
	}
	for _, c := range cases {
		a := newAPI(t)
		response, body := a.do(http.MethodDelete, "/v1/sessions/till", c.bearer, "")
		a.wantProblem(response, body, c.status, c.reason)
		if got := response.Header.Get("WWW-Authenticate"); got != c.challenge {
			t.Errorf("%.20s: challenge is %q, want %q", c.bearer, got, c.challenge)
		}
	}
}

func TestEndSession(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	r := httptest.NewRequest(http.MethodDelete, "/v1/sessions/a%2Fb%20%C3%BC?wait=gateways&timeout=0.5",
		strings.NewReader(`{"reason_admin":"lost","reason_user":"sorry"}`))
	r.Header.Set("Authorization", "bearer ada")
	r.Header.Set("Idempotency-Key", "k1")
	w := httptest.NewRecorder()
	a.handler.ServeHTTP(w, r)
	want := `{"ended":1,"sessions":["a/b ü"],"position":7,"gateways":{"total":2,` +
		`"confirmed":[{"gateway":"g1","name":"north","after_ms":1.5}],"missing":[{"gateway":"g2"}],"slowest_ms":1.5}}`
	if w.Code != http.StatusOK || strings.TrimSpace(w.Body.String()) != want {
		t.Fatalf("answer is %d %s, want %s", w.Code, w.Body, want)
	}
	asked := commands.EndSession{
		Caller:  commands.Caller{Principal: ada, IP: "192.0.2.1", IdempotencyKey: "k1"},
		Session: "a/b ü", Reasons: commands.Reasons{Admin: "lost", User: "sorry"},
	}
	if diff := cmp.Diff(asked, a.ender.session); diff != "" {
		t.Error(diff)
	}
}

func TestEndUserSessions(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	response, body := a.do(http.MethodDelete, "/v1/users/ada/sessions?except=current", "ada", "")
	if want := `{"ended":0,"sessions":[],"position":8}`; response.StatusCode != http.StatusOK || strings.TrimSpace(body) != want {
		t.Fatalf("answer is %d %s, want %s", response.StatusCode, body, want)
	}
	if a.ender.user.Except != "till" || a.ender.user.User != "ada" {
		t.Errorf("asked for %+v", a.ender.user)
	}
}

func TestForgetUser(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	response, body := a.do(http.MethodDelete, "/v1/users/a%2Fb", "ada", "")
	if want := `{"ended":2,"sessions":["a","b"],"position":9}`; response.StatusCode != http.StatusOK || strings.TrimSpace(body) != want {
		t.Fatalf("answer is %d %s, want %s", response.StatusCode, body, want)
	}
	if a.ender.forget.User != "a/b" || a.ender.forget.Caller.Principal.User != "ada" || a.ender.user.User != "" {
		t.Errorf("asked for %+v", a.ender.forget)
	}
}

func TestCarelessRequestsSignNobodyOut(t *testing.T) {
	t.Parallel()
	for path, reason := range map[string]string{
		"/v1/users/ada/sessions?except=":            "invalid",
		"/v1/users/ada/sessions?except=a&except=b":  "invalid",
		"/v1/users/ada/sessions?expect=till":        "invalid",
		"/v1/users/bob/sessions?except=current":     "invalid",
		"/v1/users/ada/sessions?wait=all":           "invalid",
		"/v1/users/ada/sessions?timeout=11":         "invalid",
		"/v1/users/ada/sessions?timeout=NaN":        "invalid",
		"/v1/users/ada/sessions?timeout=x":          "invalid",
		"/v1/users/ada/sessions?except=%00%ff%20--": "",
	} {
		a := newAPI(t)
		response, body := a.do(http.MethodDelete, path, "ada", "")
		if reason == "" {
			continue
		}
		a.wantProblem(response, body, http.StatusUnprocessableEntity, reason)
		if a.ender.user.User != "" {
			t.Errorf("%s ended sessions of %q", path, a.ender.user.User)
		}
	}
}

func TestBodiesThatAreNotAsTheyMustBe(t *testing.T) {
	t.Parallel()
	cases := []struct {
		body   string
		status int
		reason string
		field  string
	}{
		{`{`, 400, "malformed_request", "body"},
		{"\x00\x01", 400, "malformed_request", "body"},
		{"{\"reason_user\":\"\xff\"}", 400, "malformed_request", "body"},
		{`[]`, 422, "invalid", "body"},
		{`{"reason_user":7}`, 422, "invalid", "reason_user"},
		{`{"because":"x"}`, 422, "invalid", "because"},
		{`{"Reason_User":"x"}`, 422, "invalid", "Reason_User"},
		{`{"reason_user":"` + strings.Repeat("x", 1025) + `"}`, 422, "invalid", "reason_user"},
		{`{"reason_user":"` + strings.Repeat("x", 70<<10) + `"}`, 413, "too_large", ""},
	}
	for _, c := range cases {
		a := newAPI(t)
		response, body := a.do(http.MethodDelete, "/v1/sessions/till", "ada", c.body)
		p := a.wantProblem(response, body, c.status, c.reason)
		if c.field != "" && (len(p.Errors) == 0 || p.Errors[0].Name != c.field) {
			t.Errorf("%.20q: fields are %+v, want %s", c.body, p.Errors, c.field)
		}
		if strings.Contains(body, "xxxx") {
			t.Errorf("%.20q: the problem quotes the value", c.body)
		}
	}
}

func TestFaultsAreInTheLogAndNotInTheAnswer(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"error", "panic"} {
		a := newAPI(t)
		response, body := a.do(http.MethodGet, "/fail/"+how, "", "")
		a.wantProblem(response, body, http.StatusInternalServerError, "internal_error")
		if strings.Contains(body, "secret") || !strings.Contains(a.log.String(), "secret") {
			t.Errorf("%s: the answer is %s, the log %s", how, body, a.log)
		}
	}
}

func TestBusyAsksToTryAgain(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	response, body := a.do(http.MethodGet, "/fail/busy", "", "")
	a.wantProblem(response, body, http.StatusServiceUnavailable, "busy")
	if got := response.Header.Get("Retry-After"); got != "3" {
		t.Errorf("Retry-After is %q, want 3", got)
	}
}

func TestATimeoutOfOursIsUnavailable(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"canceled", "late"} {
		a := newAPI(t)
		response, body := a.do(http.MethodGet, "/fail/"+how, "", "")
		a.wantProblem(response, body, http.StatusServiceUnavailable, "unavailable")
		if got := response.Header.Get("Retry-After"); got != "1" {
			t.Errorf("%s: Retry-After is %q, want 1", how, got)
		}
	}
}

func TestPathsAndMethodsThatAreNotThere(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	response, body := a.do(http.MethodGet, "/v2", "", "")
	a.wantProblem(response, body, http.StatusNotFound, "not_found")
	response, body = a.do(http.MethodGet, "/v1/sessions/a%2Fb", "", "")
	a.wantProblem(response, body, http.StatusMethodNotAllowed, "method_not_allowed")
	if got := response.Header.Values("Allow"); len(got) != 1 || got[0] != http.MethodDelete {
		t.Errorf("Allow is %q, want DELETE", got)
	}
}

func TestARequestIDIsKeptIfItIsHarmless(t *testing.T) {
	t.Parallel()
	for sent, kept := range map[string]bool{"abc-1.2_Z": true, "": false, "a b": false, strings.Repeat("a", 65): false, "a\"": false} {
		a := newAPI(t)
		r := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
		r.Header.Set("X-Request-ID", sent)
		w := httptest.NewRecorder()
		a.handler.ServeHTTP(w, r)
		if got := w.Header().Get("X-Request-ID"); got == "" || (got == sent) != kept {
			t.Errorf("sent %q, answered %q", sent, got)
		}
	}
}

// TestAnyAcceptIsAnsweredInJSON sends what is no Accept header: the command is carried
// out and says so, also in an error.
func TestAnyAcceptIsAnsweredInJSON(t *testing.T) {
	t.Parallel()
	for _, accept := range []string{";,x", "0;", ";,0", "application/json;q", "text/html", "", ",;=,\xff"} {
		a := newAPI(t)
		for path, want := range map[string]int{"/v1/sessions/s1": http.StatusOK, "/v1/sessions/s1?confirm=no": http.StatusUnprocessableEntity} {
			r := httptest.NewRequest(http.MethodDelete, path, http.NoBody)
			r.Header.Set("Authorization", "Bearer ada")
			r.Header["Accept"] = []string{accept}
			w := httptest.NewRecorder()
			a.handler.ServeHTTP(w, r)
			if kind := w.Header().Get("Content-Type"); w.Code != want || !strings.HasSuffix(kind, "json") {
				t.Errorf("Accept: %q: %s answered %d in %q: %s", accept, path, w.Code, kind, w.Body)
			}
		}
		if a.ender.session.Session != "s1" {
			t.Errorf("Accept: %q: ended %+v", accept, a.ender.session)
		}
	}
}
