package faults_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/posse-pos/posse/pkg/gateway"
)

// pace is how often a till asks.
const pace = 20 * time.Millisecond

// till asks its gateway for everybody, and keeps what it was answered.
type till struct {
	world    *world
	policy   gateway.StalePolicy
	snapshot string
	current  atomic.Pointer[gateway.Gateway]

	starts, started time.Time // the current gateway does, and has
	news            time.Time // of a relay, the newest that the gateway had when the fault began

	mu      sync.Mutex
	seen    []answer      // to the one who is signed in
	ended   []lateRequest // admitted after their end was acknowledged
	refused int           // sessions that are, once they are ended
}

// answer is one to a request that began at a moment.
type answer struct {
	began, ended time.Time
	status       int
	reason       string // of the problem, "" if there is none
}

// lateRequest was admitted although its session had ended so long before.
type lateRequest struct {
	answer

	after time.Duration
}

func (s *till) gateway() *gateway.Gateway { return s.current.Load() }

func (s *till) begin() {
	s.starts = time.Now()
	s.current.Store(s.world.newGateway(s.policy, s.snapshot))
	s.started = time.Now()
}

// takeNews takes note of how fresh the gateway is.
func (s *till) takeNews() {
	now := time.Now()
	s.news = now.Add(-s.gateway().Stats().Age)
}

// work asks until ctx ends: for one who is signed in all the time, and for each who
// was signed out until that one is refused, and then now and again.
func (s *till) work(ctx context.Context) {
	valid := s.world.token("valid")
	var waiting, done []*ended
	ticker := time.NewTicker(pace)
	defer ticker.Stop()
	for round := 0; ; round++ {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		s.note(s.ask(valid))
		waiting = append(waiting, s.world.endedSince(len(waiting)+len(done))...)
		still := waiting[:0]
		for _, each := range waiting {
			if s.askEnded(each) {
				done = append(done, each)
			} else {
				still = append(still, each)
			}
		}
		waiting = still
		if len(done) > 0 {
			s.askEnded(done[round%len(done)])
		}
		s.mu.Lock()
		s.refused = len(done)
		s.mu.Unlock()
	}
}

func (s *till) ask(token string) answer {
	began := time.Now()
	request := httptest.NewRequest(http.MethodGet, "/orders", http.NoBody)
	request.Header.Set("Authorization", "Bearer "+token)
	recorder := httptest.NewRecorder()
	s.gateway().Middleware(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})).ServeHTTP(recorder, request)
	ended := time.Now()
	var problem struct {
		Reason string `json:"reason"`
	}
	_ = json.Unmarshal(recorder.Body.Bytes(), &problem) // the answer of who is admitted is empty
	return answer{began, ended, recorder.Code, problem.Reason}
}

func (s *till) note(a answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen = append(s.seen, a)
}

// askEnded reports whether one who was signed out is refused as that.
func (s *till) askEnded(who *ended) bool {
	a := s.ask(who.token)
	if after := a.began.Sub(who.acked); a.status == http.StatusOK && after > 0 {
		s.mu.Lock()
		s.ended = append(s.ended, lateRequest{a, after})
		s.mu.Unlock()
	}
	return a.status == http.StatusUnauthorized
}

// course is what the one who is signed in saw from a moment on: the answers that
// differ from the one before, joined by spaces.
func (s *till) course(from time.Time) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var course []string
	for _, a := range s.seen {
		if a.began.Before(from) {
			continue
		}
		word := "passes"
		if a.status != http.StatusOK {
			word = http.StatusText(a.status) + "/" + a.reason
		}
		if len(course) == 0 || course[len(course)-1] != word {
			course = append(course, word)
		}
	}
	return strings.Join(course, ", ")
}

// turn is the first answer with a status that the one who is signed in saw from a moment
// on, and the one before that.
func (s *till) turn(from time.Time, to int) (before, after answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.seen {
		switch {
		case a.began.Before(from):
		case a.status == to:
			return before, a
		default:
			before = a
		}
	}
	return before, answer{}
}

// latest is how long after their end somebody was admitted at most, among requests
// that began in a span of time.
func (s *till) latest(from, until time.Time) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	var latest time.Duration
	for _, late := range s.ended {
		if late.began.After(from) && late.began.Before(until) {
			latest = max(latest, late.after)
		}
	}
	return latest
}
