package eventlogtest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/eventlog"
)

const (
	raceWriters = 8
	raceRounds  = 60
)

// raceUsers are few, so that writers meet.
var raceUsers = []string{"ann", "bob", "cid"}

func testRace(t *testing.T, s *suite) {
	violations, err := Race(s.ctx, s.Log)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range violations {
		t.Error(v)
	}
}

// Race lets writers race logins and Logout All on the same users, each deciding
// on what it has read, and returns what is wrong with the histories that come of
// it: nothing, for a log that honours expectations.
func Race(ctx context.Context, log eventlog.Log) ([]string, error) {
	failures := make(chan error, raceWriters)
	var writers sync.WaitGroup
	for i := range raceWriters {
		writers.Go(func() {
			random := rand.New(rand.NewPCG(uint64(i), 0))
			failures <- writer{log: log, name: fmt.Sprintf("w%d", i), random: random}.run(ctx)
		})
	}
	writers.Wait()
	close(failures)
	var all []string
	for err := range failures {
		if err != nil {
			return nil, err
		}
	}
	for _, user := range raceUsers {
		facts, err := log.User(ctx, tenant, user, 0)
		if err != nil {
			return nil, fmt.Errorf("read user %s: %w", user, err)
		}
		all = append(all, CheckLogoutAll(facts)...)
	}
	return all, nil
}

type writer struct {
	log    eventlog.Log
	name   string
	random *rand.Rand
}

func (w writer) run(ctx context.Context) error {
	for round := range raceRounds {
		user, id := raceUsers[w.random.IntN(len(raceUsers))], fmt.Sprintf("%s-%d", w.name, round)
		var err error
		if w.random.IntN(3) == 0 {
			err = w.logoutAll(ctx, user, id)
		} else {
			_, err = w.log.Append(ctx, []events.Envelope{login(user, id)}, nil)
		}
		if err != nil {
			return fmt.Errorf("writer %s, round %d: %w", w.name, round, err)
		}
	}
	return nil
}

// logoutAll reads, decides and appends, again and again until nothing came in
// between.
func (w writer) logoutAll(ctx context.Context, user, command string) error {
	for {
		facts, err := w.log.User(ctx, tenant, user, 0)
		if err != nil {
			return err
		}
		alive := activeSessions(facts)
		if len(alive) == 0 {
			return nil
		}
		last := facts[len(facts)-1].Sequence
		_, err = w.log.Append(ctx, logoutAll(user, command, alive), &eventlog.Expectation{LastSequence: last})
		if !errors.Is(err, eventlog.ErrConflict) {
			return err
		}
	}
}

// activeSessions are those that were logged in and not revoked, oldest first.
func activeSessions(facts []eventlog.Recorded) []string {
	revoked := make(map[string]bool)
	for _, f := range facts {
		if e, ok := f.Event.(events.Revoked); ok {
			revoked[e.Session] = true
		}
	}
	var alive []string
	for _, f := range facts {
		if e, ok := f.Event.(events.LoggedIn); ok && !revoked[e.Session] {
			alive = append(alive, e.Session)
		}
	}
	return alive
}

// CheckLogoutAll returns, in words, every session of a user's history that
// signed in before a Logout All and was alive after it, and every session that a
// Logout All ended twice. Facts of one Logout All share a command id.
func CheckLogoutAll(facts []eventlog.Recorded) []string {
	var violations []string
	alive := make(map[string]uint64) // session to the sequence of its login
	for i, f := range facts {
		switch e := f.Event.(type) {
		case events.LoggedIn:
			alive[e.Session] = f.Sequence
		case events.Revoked:
			if _, was := alive[e.Session]; !was {
				violations = append(violations, fmt.Sprintf("session %s of user %s ended again at %d", e.Session, e.User, f.Sequence))
			}
			delete(alive, e.Session)
			if e.Cause == events.CauseLogoutAll && !sameCommandFollows(facts, i) {
				violations = append(violations, survivors(alive, e, f.Sequence)...)
			}
		}
	}
	return violations
}

func sameCommandFollows(facts []eventlog.Recorded, i int) bool {
	current, _ := facts[i].Event.(events.Revoked)
	for _, f := range facts[i+1:] {
		if e, ok := f.Event.(events.Revoked); ok && e.CommandID == current.CommandID {
			return true
		}
	}
	return false
}

func survivors(alive map[string]uint64, by events.Revoked, at uint64) []string {
	var violations []string
	for session, login := range alive {
		if login < at {
			violations = append(violations, fmt.Sprintf(
				"session %s of user %s signed in at %d and survived Logout All %s at %d", session, by.User, login, by.CommandID, at))
		}
	}
	return violations
}
