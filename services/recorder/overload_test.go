package recorder_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/commands"
	"github.com/posse-pos/posse/pkg/eventlog"
	"github.com/posse-pos/posse/pkg/eventlog/natslog"
	"github.com/posse-pos/posse/pkg/httpapi"
	"github.com/posse-pos/posse/pkg/principal"
	"github.com/posse-pos/posse/services/recorder"
)

// The limits of the recorder in these tests.
const (
	atOnce  = 8               // commands, 6 of them logins
	oneHas  = 11              // logins of one tenant, half of 6 and of the 16 that may wait
	forEver = 5 * time.Minute // longer than a test

	formType = "application/x-www-form-urlencoded" // and bodies that are not there have any type
)

// slowlog is a real log that takes no logins while it is shut.
type slowlog struct {
	*natslog.Log

	shut atomic.Bool
	open chan struct{}
}

func (l *slowlog) Append(ctx context.Context, facts []events.Envelope, expect *eventlog.Expectation) (uint64, error) {
	if l.shut.Load() && facts[0].Event.EventType() == events.TypeLoggedIn {
		select {
		case <-l.open:
		case <-ctx.Done():
			return 0, fmt.Errorf("%w: %w", eventlog.ErrUnavailable, ctx.Err())
		}
	}
	return l.Log.Append(ctx, facts, expect)
}

// loaded is a recorder with few places, over HTTP and over NATS.
type loaded struct {
	*rig

	log     *slowlog
	nats    *commands.Client
	web     *httptest.Server
	metrics *prometheus.Registry
}

func openLoaded(t *testing.T, change ...func(*recorder.Config)) *loaded {
	t.Helper()
	r := openRig(t)
	l := &loaded{rig: r, log: &slowlog{Log: r.log, open: make(chan struct{})}, metrics: prometheus.NewRegistry()}
	made := r.recorder(append([]func(*recorder.Config){minting(t, &clock{at: time.Now().UTC()}), func(c *recorder.Config) {
		c.Log, c.Metrics, c.MaxConcurrent, c.MaxWait, c.Timeout = l.log, l.metrics, atOnce, forEver, forEver
	}}, change...)...)
	router, api := httpapi.New(httpapi.Config{Title: "posse", Version: "1.0.0", Authenticator: bearers{}})
	made.Register(api)
	httpapi.RegisterEnders(api, made, nil)
	l.web = httptest.NewServer(router)
	t.Cleanup(l.web.Close)
	l.nats = r.client()
	return l
}

// answer is what a command came to, over HTTP or over NATS.
type answer struct {
	status     int
	reason     commands.Reason
	retryAfter int
}

// send asks over HTTP.
func (l *loaded) send(method, path, bearer, contentType, body string) (answer, error) {
	request, err := http.NewRequestWithContext(l.t.Context(), method, l.web.URL+path, strings.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	request.Header.Set("Content-Type", contentType)
	if bearer != "" {
		request.Header.Set("Authorization", "Bearer "+bearer)
	}
	response, err := l.web.Client().Do(request)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	var problem struct {
		Reason commands.Reason `json:"reason"`
	}
	_ = json.NewDecoder(response.Body).Decode(&problem) // an answer without a body has no reason
	retry, _ := strconv.Atoi(response.Header.Get("Retry-After"))
	return answer{response.StatusCode, problem.Reason, retry}, nil
}

// logins offers a number of logins of a tenant at once, half of them over NATS,
// and returns where the answers come.
func (l *loaded) logins(tenant string, n int) <-chan answer {
	answers := make(chan answer, n)
	for i := range n {
		user := fmt.Sprintf("%s-%d", tenant, i)
		go func() {
			got, err := l.login(tenant, user, i%2 == 0)
			if err != nil {
				l.t.Error(err)
			}
			answers <- got
		}()
	}
	return answers
}

func (l *loaded) login(tenant, user string, overNATS bool) (answer, error) {
	if !overNATS {
		return l.send(http.MethodPost, "/v1/sessions", "backend:k1@"+tenant, "application/json", `{"user":"`+user+`"}`)
	}
	caller := commands.Caller{Principal: principal.Principal{Kind: principal.Backend, Tenant: tenant, KeyID: "k1"}}
	ctx, cancel := context.WithTimeout(l.t.Context(), forEver)
	defer cancel()
	_, err := l.nats.Login(ctx, commands.Login{Caller: caller, User: user})
	if err == nil {
		return answer{status: http.StatusCreated}, nil
	}
	e := commands.AsError(err)
	return answer{e.Status(), e.Reason, e.RetryAfter}, nil
}

// fill has twice as many logins come as there is room for, and returns the
// answers of those that were let in.
func (l *loaded) fill() (in []<-chan answer) {
	l.t.Helper()
	l.log.shut.Store(true)
	for _, tenant := range []string{"one", "two"} {
		answers := l.logins(tenant, 2*oneHas)
		for range oneHas {
			if got := <-answers; got.status != http.StatusTooManyRequests || got.reason != commands.ReasonTooMany || got.retryAfter < 1 {
				l.t.Fatalf("a login beyond the share of its tenant is answered %+v", got)
			}
		}
		in = append(in, answers)
	}
	return in
}

// drain lets the log go on, and holds everybody who was let in to be answered well.
func (l *loaded) drain(in []<-chan answer) {
	l.t.Helper()
	l.log.shut.Store(false)
	close(l.log.open)
	for _, answers := range in {
		for range oneHas {
			if got := <-answers; got.status != http.StatusCreated {
				l.t.Errorf("a login that was let in is answered %+v", got)
			}
		}
	}
}

// TestTwiceTooManyLogins offers twice the logins that there is room for while the
// log stands still for them. What is too much is refused, over HTTP and over NATS;
// what ends sessions is carried out.
func TestTwiceTooManyLogins(t *testing.T) {
	t.Parallel()
	l := openLoaded(t)
	made := map[string]commands.LoggedIn{}
	for _, user := range []string{"ada", "ada", "bob", "cyd", "dan", "eve", "fay", "gus"} {
		done, err := l.nats.Login(t.Context(), commands.Login{Caller: backend(), User: user})
		if err != nil {
			t.Fatal(err)
		}
		made[user] = done
	}
	used := made["eve"].Tokens.Refresh
	if _, err := l.nats.Refresh(t.Context(), commands.Refresh{Token: used}); err != nil {
		t.Fatal(err)
	}
	in := l.fill()
	l.refusesOthers()
	// A refresh has a place of its own.
	if _, err := l.nats.Refresh(t.Context(), commands.Refresh{Token: made["fay"].Tokens.Refresh}); err != nil {
		t.Error(err)
	}
	for _, end := range []struct {
		name, method, path, bearer, body string
		want                             answer
	}{
		{"Terminate", http.MethodDelete, "/v1/sessions/" + made["cyd"].Session, "admin:root/r", "", answer{status: 200}},
		{"logout", http.MethodDelete, "/v1/sessions/" + made["dan"].Session, "user:dan/" + made["dan"].Session, "", answer{status: 200}},
		{"Logout Others", http.MethodDelete, "/v1/users/ada/sessions?except=current", "user:ada/" + made["ada"].Session, "", answer{status: 200}},
		{"Logout All", http.MethodDelete, "/v1/users/bob/sessions", "admin:root/r", "", answer{status: 200}},
		{"a refresh token that comes back", http.MethodPost, "/v1/token", "", url.Values{
			"grant_type": {"refresh_token"}, "refresh_token": {used},
		}.Encode(), answer{status: 400}},
	} {
		if got, err := l.send(end.method, end.path, end.bearer, formType, end.body); err != nil || got != end.want {
			t.Errorf("%s is answered %+v, %v, want %+v", end.name, got, err, end.want)
		}
	}
	if ended, err := l.nats.EndSession(t.Context(), commands.EndSession{Caller: admin(), Session: made["gus"].Session}); err != nil || ended.Ended != 1 {
		t.Errorf("Terminate over NATS is answered %+v, %v", ended, err)
	}
	if ended, err := l.nats.EndUser(t.Context(), commands.EndUser{Caller: admin(), User: "fay"}); err != nil || ended.Ended != 1 {
		t.Errorf("Logout All over NATS is answered %+v, %v", ended, err)
	}
	if ended, err := l.nats.EndUser(t.Context(), commands.EndUser{Caller: admin(), User: "eve"}); err != nil || ended.Ended != 0 {
		t.Errorf("after her refresh token came back, eve's sessions are ended %+v, %v", ended, err)
	}
	l.drain(in)
	l.counted(`
		# HELP posse_recorder_shed_total Commands that were refused because there were too many, by kind and by why: full when no more may wait, late when one waited for too long, share when its tenant had its share.
		# TYPE posse_recorder_shed_total counter
		posse_recorder_shed_total{command="login",why="full"} 3
		posse_recorder_shed_total{command="login",why="share"} 22
		posse_recorder_shed_total{command="touch",why="full"} 2
	`)
}

// refusesOthers holds the recorder to refusing another tenant's logins and touches,
// now that it is full.
func (l *loaded) refusesOthers() {
	l.t.Helper()
	for _, overNATS := range []bool{true, false} {
		got, err := l.login("three", "zoe", overNATS)
		if err != nil || got.status != http.StatusServiceUnavailable || got.reason != commands.ReasonBusy || got.retryAfter < 1 {
			l.t.Errorf("one more login, of another tenant, is answered %+v, %v", got, err)
		}
	}
	// What will not be carried out is not read.
	for _, path := range []string{"/v1/sessions", "/v1/touches"} {
		got, err := l.send(http.MethodPost, path, "backend:k1@three", "application/json", "{")
		if err != nil || got.status != http.StatusServiceUnavailable || got.reason != commands.ReasonBusy || got.retryAfter < 1 {
			l.t.Errorf("half a body to %s is answered %+v, %v", path, got, err)
		}
	}
	caller := commands.Caller{Principal: principal.Principal{Kind: principal.Backend, Tenant: "three", KeyID: "k1"}}
	err := l.nats.Touch(l.t.Context(), commands.Touches{Caller: caller, Touches: []commands.Touch{{User: "zoe", Session: "z"}}})
	wantError(l.t, err, commands.ErrBusy)
}

func (l *loaded) counted(want string) {
	l.t.Helper()
	if err := testutil.GatherAndCompare(l.metrics, strings.NewReader(want), "posse_recorder_shed_total"); err != nil {
		l.t.Error(err)
	}
}

// TestNobodyWaitsForLong has a login wait for a place that does not come.
func TestNobodyWaitsForLong(t *testing.T) {
	t.Parallel()
	l := openLoaded(t, func(c *recorder.Config) { c.MaxWait = time.Millisecond })
	l.log.shut.Store(true)
	const places = atOnce - 2
	in := l.logins("one", places+1)
	if got := <-in; got.status != http.StatusServiceUnavailable || got.reason != commands.ReasonBusy || got.retryAfter < 1 {
		t.Errorf("whoever waited in vain is answered %+v", got)
	}
	close(l.log.open)
	for range places {
		if got := <-in; got.status != http.StatusCreated {
			t.Errorf("whoever had a place is answered %+v", got)
		}
	}
}
