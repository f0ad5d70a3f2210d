package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/posse-pos/posse/pkg/bus"
	"github.com/posse-pos/posse/pkg/eventlog/natslog"
	"github.com/posse-pos/posse/pkg/httpapi"
	"github.com/posse-pos/posse/pkg/natstest"
	"github.com/posse-pos/posse/pkg/token"
	"github.com/posse-pos/posse/services/query/signin"
	"github.com/posse-pos/posse/services/recorder"
)

// replica is a query service's way to sign in, with a recorder of its own on the
// log that all replicas share. Its clock stands still, so that all that two
// sign-ins say is the same.
func replica(t *testing.T, log *natslog.Log, issuer *token.Issuer, at time.Time) http.Handler {
	t.Helper()
	record, err := recorder.New(recorder.Config{Log: log, Logger: quietly()})
	if err != nil {
		t.Fatal(err)
	}
	signIn, err := signin.New(signin.Config{
		Recorder: record, Tokens: issuer, Logger: quietly(), Now: func() time.Time { return at },
		Ended: func(context.Context, string, string) (bool, error) { return false, nil },
		Pages: signin.PagesFunc(func(w http.ResponseWriter, _ *http.Request, view signin.View) {
			w.WriteHeader(view.Status)
			fmt.Fprint(w, view.Notice)
		}),
	})
	if err != nil {
		t.Fatal(err)
	}
	router, _ := httpapi.New(httpapi.Config{Title: "test", Version: "1", Logger: quietly()})
	signIn.Register(router)
	return router
}

// TestALinkSignsInOneOfMany redeems links at the same moment at two replicas, from
// browsers that look the same: the log lets one of them in.
func TestALinkSignsInOneOfMany(t *testing.T) {
	t.Parallel()
	conn, err := bus.Connect(t.Context(), bus.Config{URL: natstest.Start(t).URL(), Logger: quietly()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	log, err := natslog.New(t.Context(), conn, natslog.Config{Logger: quietly()})
	if err != nil {
		t.Fatal(err)
	}
	keyring, err := token.OpenKeyring(token.KeyringConfig{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	issuer, now := &token.Issuer{Keyring: keyring, Issuer: "posse"}, time.Now()
	replicas := []http.Handler{replica(t, log, issuer, now), replica(t, log, issuer, now)}
	for range 25 {
		link, err := issuer.MintLink(administrator("shop", "admin", ""))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(map[string]int{"303 cookie": 1, "410 used_link": 7}, redeemTogether(replicas, link, 8)); diff != "" {
			t.Fatal(diff)
		}
	}
}

// redeemTogether posts a link so many times at once and counts the answers.
func redeemTogether(replicas []http.Handler, link string, times int) map[string]int {
	var mu sync.Mutex
	answers := map[string]int{}
	var all sync.WaitGroup
	start := make(chan struct{})
	for i := range times {
		all.Go(func() {
			<-start
			answer := post(replicas[i%len(replicas)], link)
			mu.Lock()
			defer mu.Unlock()
			answers[answer]++
		})
	}
	close(start)
	all.Wait()
	return answers
}

func post(to http.Handler, link string) string {
	r := httptest.NewRequest(http.MethodPost, "/signin", strings.NewReader(url.Values{"link": {link}}.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	to.ServeHTTP(w, r)
	if w.Header().Get("Set-Cookie") != "" {
		return fmt.Sprint(w.Code, " cookie")
	}
	return fmt.Sprint(w.Code, " ", w.Body)
}
