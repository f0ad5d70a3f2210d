package client_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/posse-pos/posse/services/posse/client"
)

// answering starts a server that gives one answer and hands out what it was asked.
func answering(t *testing.T, status int, contentType, body string) (*client.Client, <-chan *http.Request) {
	t.Helper()
	asked := make(chan *http.Request, 8)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sent, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(strings.NewReader(string(sent)))
		asked <- r
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(server.Close)
	c, err := client.New(server.URL+"/", "token")
	if err != nil {
		t.Fatal(err)
	}
	return c, asked
}

func TestProblemSaysWhatPosseSaid(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, contentType, body, want string }{
		{
			"one field", "application/problem+json",
			`{"title":"Unprocessable Entity","status":422,"detail":"user: too long","reason":"invalid","errors":[{"field":"user","message":"too long"}]}`,
			"422 Unprocessable Entity: user: too long",
		},
		{
			"two fields", "application/problem+json",
			`{"title":"Unprocessable Entity","detail":"not acceptable","errors":[{"field":"a","message":"x"},{"field":"b","message":"y"}]}`,
			"422 Unprocessable Entity: not acceptable: a: x: b: y",
		},
		{"not posse", "text/html", "<h1>hello</h1>", "422 Unprocessable Entity: GET /v1/users"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c, _ := answering(t, http.StatusUnprocessableEntity, test.contentType, test.body)
			_, _, err := c.Users(t.Context(), "")
			problem, ok := errors.AsType[*client.Problem](err)
			if !ok || problem.Error() != test.want || problem.Status != http.StatusUnprocessableEntity {
				t.Errorf("error is %v, want %q", err, test.want)
			}
		})
	}
}

func TestProblemSaysWhenToAskAgain(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/problem+json")
		w.Header().Set("Retry-After", "3")
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = io.WriteString(w, `{"title":"Service Unavailable","detail":"too much","reason":"busy"}`)
	}))
	t.Cleanup(server.Close)
	c, err := client.New(server.URL, "")
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Login(t.Context(), client.Login{User: "ann"})
	problem, ok := errors.AsType[*client.Problem](err)
	if want := "503 Service Unavailable: too much; ask again in 3 s"; !ok || problem.Error() != want || problem.RetryAfter != 3 {
		t.Errorf("error is %v, want %q", err, want)
	}
}

func TestEndAsks(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		end        client.End
		path, body string
	}{
		{client.End{Session: "a/b"}, "/v1/sessions/a%2Fb", ""},
		{client.End{Session: "s", IdempotencyKey: "again"}, "/v1/sessions/s", ""},
		{client.End{User: "7", Except: "current"}, "/v1/users/7/sessions?except=current", ""},
		{client.End{Session: "s", ReasonAdmin: "lost", WaitGateways: true}, "/v1/sessions/s?wait=gateways", `{"reason_admin":"lost","reason_user":""}`},
	} {
		c, asked := answering(t, http.StatusOK, "application/json", `{"ended":1,"sessions":["s"],"position":9}`)
		ended, err := c.End(t.Context(), test.end)
		if err != nil || ended.Ended != 1 || ended.Position != 9 {
			t.Errorf("End(%+v) = %+v, %v", test.end, ended, err)
		}
		request := <-asked
		body, _ := io.ReadAll(request.Body)
		if request.Method != http.MethodDelete || request.URL.RequestURI() != test.path || string(body) != test.body {
			t.Errorf("End(%+v) asks %s %s %s", test.end, request.Method, request.URL.RequestURI(), body)
		}
		if request.Header.Get("Authorization") != "Bearer token" {
			t.Error("the token was not sent")
		}
		if key := request.Header.Get("Idempotency-Key"); key != test.end.IdempotencyKey {
			t.Errorf("End(%+v) sends the key %q", test.end, key)
		}
	}
}

func TestUsersReadsAllPages(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("page_token") == "" {
			_, _ = io.WriteString(w, `{"users":[{"id":"1"}],"next_page_token":"more","position":5}`)
			return
		}
		_, _ = io.WriteString(w, `{"users":[{"id":"2"}],"next_page_token":"","position":6}`)
	}))
	t.Cleanup(server.Close)
	c, err := client.New(server.URL, "")
	if err != nil {
		t.Fatal(err)
	}
	users, position, err := c.Users(t.Context(), "x")
	if err != nil || len(users) != 2 || users[1].ID != "2" || position != 5 {
		t.Errorf("Users = %+v, %d, %v", users, position, err)
	}
}

func TestNewRefusesWhatIsNoURL(t *testing.T) {
	t.Parallel()
	for _, base := range []string{"", "pos.example", "ftp://pos.example", "http://"} {
		if _, err := client.New(base, ""); err == nil {
			t.Errorf("New(%q) is taken", base)
		}
	}
}
