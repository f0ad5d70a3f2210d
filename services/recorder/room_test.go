package recorder_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/commands"
	"github.com/posse-pos/posse/pkg/eventlog"
	"github.com/posse-pos/posse/pkg/principal"
	"github.com/posse-pos/posse/services/recorder"
)

// gauge says how much room there is, as it is told.
type gauge struct {
	mu    sync.Mutex
	left  int64
	err   error
	asked chan struct{} // closed when it was asked after the last set
}

func (g *gauge) Room(context.Context) (eventlog.Room, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.asked != nil {
		close(g.asked)
		g.asked = nil
	}
	return eventlog.Room{Left: g.left, Where: "the disk"}, g.err
}

// set returns when the recorder knows it: it asks again after it has taken note.
func (g *gauge) set(left int64, err error) {
	for range 2 {
		asked := make(chan struct{})
		g.mu.Lock()
		g.left, g.err, g.asked = left, err, asked
		g.mu.Unlock()
		<-asked
	}
}

const reserve = 1000 // bytes

// filling is a shop whose log says how much room it has: a lot, or the error.
func filling(t *testing.T, err error, change ...func(*recorder.Config)) (*shop, *gauge) {
	t.Helper()
	room := &gauge{left: 10 * reserve, err: err}
	s := openMinting(t, append(change, func(c *recorder.Config) {
		c.Room, c.Reserve, c.RoomEvery = room, reserve, time.Millisecond
	})...)
	ctx, stop := context.WithCancel(t.Context())
	ran := make(chan error, 1)
	go func() { ran <- s.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ran; err != nil {
			t.Error(err)
		}
	})
	return s, room
}

func loginOf(name, session string) commands.Login {
	return commands.Login{Caller: backend(), User: name, Session: session}
}

func TestLoginsAreRefusedFirst(t *testing.T) {
	t.Parallel()
	s, room := filling(t, nil)
	ctx := t.Context()
	ann, err := s.Login(ctx, loginOf("ann", "a-1"))
	if err != nil {
		t.Fatal(err)
	}
	s.signIn("ann", "a-2", "a-3", "a-4")
	screen := loginOf("root", "")
	screen.Caller.Principal.KeyID = principal.ScreenKeyID

	room.set(reserve-1, nil)
	_, err = s.Login(ctx, loginOf("ben", "b-1"))
	wantError(t, err, commands.ErrStorageFull)
	if e := commands.AsError(err); e.RetryAfter == 0 || !strings.Contains(e.Detail, "kept for ending sessions") {
		t.Errorf("the refusal is %+v", e)
	}
	_, err = s.Login(ctx, commands.Login{Caller: backend(), User: "ben"})
	wantError(t, err, commands.ErrStorageFull)
	if again, err := s.Login(ctx, loginOf("ann", "a-1")); err != nil || again.Position != ann.Position {
		t.Errorf("a login that is recorded already is answered %+v, %v", again, err)
	}
	refreshed, err := s.Refresh(ctx, commands.Refresh{Token: ann.Tokens.Refresh})
	if err != nil {
		t.Errorf("a refresh: %v", err)
	}
	if err := s.Touch(ctx, touchOf("ann", "a-1")); err != nil {
		t.Errorf("a touch: %v", err)
	}
	if _, err := s.Login(ctx, screen); err != nil {
		t.Errorf("a sign-in to the screen: %v", err)
	}
	s.mustEnd(commands.EndSession{Caller: admin(), Session: "a-2"})

	room.set(reserve/2-1, nil)
	_, err = s.Refresh(ctx, commands.Refresh{Token: refreshed.Tokens.Refresh})
	wantError(t, err, commands.ErrStorageFull)
	_, err = s.RecordRefresh(ctx, commands.RecordRefresh{Caller: backend(), User: "ann", Session: "a-3"})
	wantError(t, err, commands.ErrStorageFull)
	wantError(t, s.Touch(ctx, touchOf("ann", "a-1")), commands.ErrStorageFull)
	_, err = s.Login(ctx, screen)
	wantError(t, err, commands.ErrStorageFull)
	s.mustEnd(commands.EndSession{Caller: admin(), Session: "a-3"})

	room.set(0, nil)
	// A refresh token that comes back ends its session, whatever room there is.
	_, err = s.Refresh(ctx, commands.Refresh{Token: ann.Tokens.Refresh})
	wantError(t, err, commands.ErrRefreshReused)
	if ended := s.mustEndUser(commands.EndUser{Caller: admin(), User: "ann"}); ended.Ended != 1 {
		t.Errorf("%d sessions ended, want the last one", ended.Ended)
	}
	if causes := s.revoked("ann"); len(causes) != 4 || causes[2].Cause != events.CauseRefreshReuse {
		t.Errorf("the history of ends is %+v", causes)
	}

	room.set(reserve, nil)
	if _, err := s.Login(ctx, loginOf("ben", "b-1")); err != nil {
		t.Errorf("with room again: %v", err)
	}
}

func touchOf(name, session string) commands.Touches {
	return commands.Touches{Caller: backend(), Touches: []commands.Touch{{User: name, Session: session}}}
}

func TestWhatTheLogSaidLastStands(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	s, room := filling(t, nil, func(c *recorder.Config) { c.Metrics = registry })
	room.set(1, nil)
	room.set(10*reserve, errors.New("it does not answer"))
	_, err := s.Login(t.Context(), loginOf("ann", "a-1"))
	wantError(t, err, commands.ErrStorageFull)
	want := "# HELP posse_recorder_storage_left_bytes How much the log can still store; NaN if nobody tells.\n" +
		"# TYPE posse_recorder_storage_left_bytes gauge\nposse_recorder_storage_left_bytes 1\n"
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want), "posse_recorder_storage_left_bytes"); err != nil {
		t.Error(err)
	}
}

func TestALogThatNeverSaysIsTrusted(t *testing.T) {
	t.Parallel()
	said := &lines{}
	s, room := filling(t, eventlog.ErrRoomUnknown, func(c *recorder.Config) { c.Logger = slog.New(slog.NewTextHandler(said, nil)) })
	room.set(0, eventlog.ErrRoomUnknown)
	if _, err := s.Login(t.Context(), loginOf("ann", "a-1")); err != nil {
		t.Error(err)
	}
	if n := strings.Count(said.String(), "how full it is cannot be told"); n != 1 {
		t.Errorf("the log says %d times that nobody knows:\n%s", n, said)
	}
}

// TestAFullLogIsSaidSo has the log itself refuse, where nobody knew how full it is.
func TestAFullLogIsSaidSo(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.signIn("ann", "a-1")
	s.log.before = func(int) error { return eventlog.ErrFull }
	_, err := s.Login(t.Context(), loginOf("ben", "b-1"))
	wantError(t, err, commands.ErrStorageFull)
	_, err = s.EndSession(t.Context(), commands.EndSession{Caller: admin(), Session: "a-1"})
	wantError(t, err, commands.ErrStorageFull)
	if strings.Contains(commands.AsError(err).Detail, "kept for ending") {
		t.Errorf("an end is refused with %q", commands.AsError(err).Detail)
	}
}

// lines is a log that may be read while it is written.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
