// Package eventlogtest holds every implementation of pkg/eventlog to the port's
// contract. A new one passes when a test of its own calls [Run].
package eventlogtest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/eventlog"
)

// Backend is an empty log and what a test may do to it behind its back. A
// function that is nil says that the backend cannot suffer that fate, and the
// tests about it are not run.
type Backend struct {
	Log eventlog.Log
	// Another opens the same log as another process does.
	Another func() eventlog.Log
	// Trail of the same log; nil if the backend has none.
	Trail eventlog.Trail
	// Inject stores a message as it is, as a stranger with the permission could.
	Inject func(m events.Message)
	// Restart takes the log away for a moment.
	Restart func()
	// Recreate replaces a stream by an empty one of the same name.
	Recreate func(stream string)
	// Trim removes a stream's messages before a sequence.
	Trim func(stream string, first uint64)
	// Quarantined returns the message ids in POS_QUARANTINE, in order.
	Quarantined func() []string
}

// Factory returns a backend of its own to each test.
type Factory func(t *testing.T) Backend

// patience bounds every wait of the suite.
const patience = 60 * time.Second

// Run runs the suite.
func Run(t *testing.T, factory Factory) {
	t.Helper()
	t.Run("calm", func(t *testing.T) {
		for _, c := range calm {
			t.Run(c.name, func(t *testing.T) {
				t.Parallel()
				if s := begin(t, factory); c.needs == nil || c.needs(s.Backend) {
					c.test(t, s)
				}
			})
		}
	})
	// A restart disturbs whoever shares the servers, so it comes alone.
	t.Run("follow/goes on after the log was away", func(t *testing.T) {
		if s := begin(t, factory); s.Restart != nil {
			testFollowAcrossRestart(t, s)
		}
	})
}

type testCase struct {
	name  string
	test  func(t *testing.T, s *suite)
	needs func(Backend) bool
}

var calm = []testCase{
	{name: "append/relies on the last sequence", test: testExpectation},
	{name: "append/without an expectation relies on nothing", test: testNoExpectation},
	{name: "append/expects nothing of other users", test: testExpectationIsPerUser},
	{name: "append/stores all or none", test: testAtomic},
	{name: "append/takes a thousand facts", test: testLargeAppend},
	{name: "append/may be repeated", test: testRepeatedAppend},
	{name: "append/may be repeated after others appended", test: testRepeatedAppendLater},
	{name: "append/is refused when it is repeated strictly", test: testStrictExpectation},
	{name: "append/refuses what does not go together", test: testInvalidAppend},
	{name: "append/without an answer is unavailable", test: testUnavailable},
	{name: "append/logins race Logout All", test: testRace},
	{name: "read/user in pages", test: testUserPaging},
	{name: "read/user after a sequence", test: testUserAfter},
	{name: "read/user with a broken message", test: testUserBroken, needs: canInject},
	{name: "read/last sequence", test: testLastSequence},
	{name: "read/stream in pages", test: testRead},
	{name: "select/by tenant and user, in pages", test: testSelect},
	{name: "select/shows what is not an event", test: testSelectBroken, needs: canInject},
	{name: "select/from a moment", test: testSequenceAt},
	{name: "read/state", test: testState},
	{name: "touch/keeps the last of each session", test: testTouch},
	{name: "follow/hands over everything in order", test: testFollowOrder},
	{name: "follow/continues after a position", test: testFollowAfter},
	{name: "follow/retries the same batch", test: testFollowRetry},
	{name: "follow/survives a panic", test: testFollowPanic},
	{name: "follow/ends when told to halt", test: testFollowHalt},
	{name: "follow/tells of the end", test: testFollowIdle},
	{name: "follow/tells of the end while more comes", test: testFollowIdleBusy},
	{name: "follow/does not mind holes among touches", test: testFollowTouches},
	{name: "follow/passes on what it does not know", test: testFollowUnknown, needs: canInject},
	{name: "follow/quarantines what is broken", test: testFollowQuarantine, needs: canQuarantine},
	{name: "erase/personal data is sealed for all but those who may read it", test: testSealed},
	{name: "erase/a user is forgotten", test: testForgotten},
	{name: "erase/what was sealed too late stays shut", test: testForgottenRace},
	{name: "erase/touches go too", test: testForgottenTouches},
	{name: "erase/keys of quarters that are over", test: testDestroyQuarter},
	{name: "erase/a user's first facts make one key", test: testKeyRace},
	{name: "gap/position past the end", test: testGapPastEnd},
	{name: "gap/position of another log", test: testGapCreated},
	{name: "gap/position at another message", test: testGapID},
	{name: "gap/log made anew before", test: testGapRecreatedBefore, needs: canRecreate},
	{name: "gap/log made anew meanwhile", test: testGapRecreatedMeanwhile, needs: canRecreate},
	{name: "gap/log lost its beginning", test: testGapTrimmed, needs: canTrim},
	{name: "revocations/expired ones are skipped and repeated ones stored once", test: testRevocations},
	{name: "revocations/a tick replaces the last", test: testTick},
	{name: "trail/keeps what was noted, in order", test: testTrail, needs: hasTrail},
	{name: "trail/may be repeated", test: testTrailRepeated, needs: hasTrail},
	{name: "trail/shows what is no fact", test: testTrailBroken, needs: canInjectNotes},
}

func canInject(b Backend) bool      { return b.Inject != nil }
func hasTrail(b Backend) bool       { return b.Trail != nil }
func canInjectNotes(b Backend) bool { return hasTrail(b) && canInject(b) }
func canRecreate(b Backend) bool    { return b.Recreate != nil }
func canTrim(b Backend) bool        { return b.Trim != nil }
func canQuarantine(b Backend) bool  { return b.Inject != nil && b.Quarantined != nil }

// suite is one test's backend, with the words that the tests are written in.
type suite struct {
	Backend

	t   *testing.T
	ctx context.Context
	ids int
}

func begin(t *testing.T, factory Factory) *suite {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return &suite{Backend: factory(t), t: t, ctx: ctx}
}

// fact is a login of a user in a session of its own, with an id not used before.
func (s *suite) fact(user string) events.Envelope {
	s.ids++
	return login(user, fmt.Sprintf("%s-%d", user, s.ids))
}

func (s *suite) facts(user string, n int) []events.Envelope {
	all := make([]events.Envelope, n)
	for i := range all {
		all[i] = s.fact(user)
	}
	return all
}

func (s *suite) append(expect *eventlog.Expectation, facts ...events.Envelope) uint64 {
	s.t.Helper()
	sequence, err := s.Log.Append(s.ctx, facts, expect)
	if err != nil {
		s.t.Fatalf("append %d facts expecting %v: %v", len(facts), expect, err)
	}
	return sequence
}

func (s *suite) conflicts(expect *eventlog.Expectation, facts ...events.Envelope) {
	s.t.Helper()
	sequence, err := s.Log.Append(s.ctx, facts, expect)
	if !errors.Is(err, eventlog.ErrConflict) {
		s.t.Fatalf("append expecting %+v: sequence %d, error %v; want ErrConflict", expect, sequence, err)
	}
}

func (s *suite) user(user string, after uint64) []eventlog.Recorded {
	s.t.Helper()
	facts, err := s.Log.User(s.ctx, tenant, user, after)
	if err != nil {
		s.t.Fatalf("read user %s after %d: %v", user, after, err)
	}
	return facts
}

func (s *suite) state(stream string) eventlog.State {
	s.t.Helper()
	state, err := s.Log.State(s.ctx, stream)
	if err != nil {
		s.t.Fatalf("state of %s: %v", stream, err)
	}
	return state
}

func (s *suite) wantIDs(got []eventlog.Recorded, want ...events.Envelope) {
	s.t.Helper()
	if len(got) != len(want) {
		s.t.Fatalf("got %d facts, want %d", len(got), len(want))
	}
	for i := range got {
		if got[i].ID != want[i].ID {
			s.t.Fatalf("fact %d is %q, want %q", i, got[i].ID, want[i].ID)
		}
		if i > 0 && got[i].Sequence <= got[i-1].Sequence {
			s.t.Fatalf("fact %d has sequence %d after %d", i, got[i].Sequence, got[i-1].Sequence)
		}
	}
}

func expecting(last uint64) *eventlog.Expectation { return &eventlog.Expectation{LastSequence: last} }
