package reads_test

import (
	"errors"
	"testing"
	"time"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/commands"
	"github.com/posse-pos/posse/services/query/reads"
)

func TestLook(t *testing.T) {
	t.Parallel()
	r := setup(t)
	l := r.look(anna)
	if !l.Now.Equal(afternoon) || !l.At.Equal(afternoon) || !l.AsOf.IsZero() || l.Viewer.User != "anna" {
		t.Errorf("the lens on now is %+v", l)
	}
	then := afternoon.Add(-time.Hour).In(time.FixedZone("east", 3*3600))
	l = r.look(anna, then)
	if !l.Now.Equal(afternoon) || !l.At.Equal(then) || !l.AsOf.Equal(then) || l.AsOf.Location() != time.UTC {
		t.Errorf("the lens on the past is %+v", l)
	}
	if l = r.look(anna, afternoon); l.AsOf.IsZero() {
		t.Error("the moment that is now is no moment")
	}
	if _, err := r.reads.Look(anna, afternoon.Add(time.Millisecond)); !errors.Is(err, reads.ErrFuture) {
		t.Errorf("the future is answered %v", err)
	}
	if _, err := r.reads.Look(backend, time.Time{}); !errors.Is(err, commands.ErrForbidden) {
		t.Errorf("a backend is answered %v", err)
	}
	if l := r.reads.LookAnyone(backend); !l.Now.Equal(afternoon) || !l.AsOf.IsZero() {
		t.Errorf("the lens of a backend is %+v", l)
	}
}

func TestNowIsInUTCAndWholeMilliseconds(t *testing.T) {
	t.Parallel()
	clock := time.Date(2026, 11, 20, 17, 5, 0, 123456789, time.FixedZone("east", 3*3600))
	l, err := reads.New(setup(t).store, func() time.Time { return clock }, nil).Look(anna, time.Time{})
	if want := afternoon.Add(123 * time.Millisecond); err != nil || l.Now != want {
		t.Errorf("now is %v, want %v: %v", l.Now, want, err)
	}
	l, err = reads.New(setup(t).store, nil, nil).Look(anna, time.Time{})
	if age := time.Since(l.Now); err != nil || age < 0 || age > time.Minute {
		t.Errorf("without a clock it is %v ago, %v", age, err)
	}
}

func TestActiveNowIsForFiveMinutes(t *testing.T) {
	t.Parallel()
	for ago, want := range map[time.Duration]bool{
		-time.Hour: true, // clocks differ
		0:          true, time.Millisecond: true, 5 * time.Minute: true, 5*time.Minute + time.Millisecond: false, time.Hour: false,
	} {
		r := setup(t)
		r.record(login("shop", "carl", "carl-1", ago))
		l := r.look(anna)
		row, _, err := l.Session(t.Context(), "carl-1", "")
		if err != nil || row.ActiveNow != want {
			t.Errorf("%v ago: active is %v, %v", ago, row.ActiveNow, err)
		}
		page, err := l.Users(t.Context(), reads.UsersQuery{})
		if err != nil || page.Users[0].ActiveNow != want {
			t.Errorf("%v ago: the user is active: %v, %v", ago, page.Users, err)
		}
	}
}

func TestActiveThenIsWhatIsKnown(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.record(login("shop", "carl", "carl-1", time.Hour))
	signedIn := afternoon.Add(-time.Hour)
	for after, want := range map[time.Duration]bool{
		0:               false, // of what came before nothing is known
		time.Second:     true,
		5 * time.Minute: true, 5*time.Minute + time.Second: false,
	} {
		row, _, err := r.look(anna, signedIn.Add(after)).Session(t.Context(), "carl-1", "")
		if err != nil || row.ActiveNow != want {
			t.Errorf("%v after: active is %v, %v", after, row.ActiveNow, err)
		}
	}
}

func TestASessionThatIsOverIsNotActive(t *testing.T) {
	t.Parallel()
	r := setup(t)
	short := login("shop", "carl", "carl-2", time.Minute)
	short.Expires = events.TimestampOf(afternoon)
	r.record(login("shop", "carl", "carl-1", time.Minute), revoked("carl", "carl-1", 0), short)
	for _, id := range []string{"carl-1", "carl-2"} {
		if row, _, err := r.look(anna).Session(t.Context(), id, ""); err != nil || row.ActiveNow || row.State == reads.StateActive {
			t.Errorf("%s is %s, active is %v: %v", id, row.State, row.ActiveNow, err)
		}
	}
}

func TestStates(t *testing.T) {
	t.Parallel()
	lasting := func(expires, end time.Duration) (reads.Session, error) {
		r := setup(t)
		l := login("shop", "carl", "carl-1", 10*time.Hour)
		l.Expires = events.TimestampOf(afternoon.Add(expires))
		facts := []events.Event{l}
		if end != 0 {
			facts = append(facts, revoked("carl", "carl-1", -end))
		}
		r.record(facts...)
		row, _, err := r.look(anna).Session(t.Context(), "carl-1", "")
		return row, err
	}
	for _, test := range []struct {
		expires, end time.Duration // from now; no end if 0
		want         reads.State
	}{
		{time.Hour, 0, reads.StateActive},
		{time.Millisecond, 0, reads.StateActive},
		{0, 0, reads.StateExpired},
		{-time.Hour, 0, reads.StateExpired},
		{time.Hour, -time.Hour, reads.StateEnded},
		{-time.Hour, -2 * time.Hour, reads.StateEnded},
		{-time.Hour, -time.Hour, reads.StateExpired}, // too late
		{-2 * time.Hour, -time.Hour, reads.StateExpired},
	} {
		row, err := lasting(test.expires, test.end)
		if err != nil || row.State != test.want || (row.End != nil) != (test.want == reads.StateEnded) {
			t.Errorf("expires %v, ended %v: %s with end %v, %v", test.expires, test.end, row.State, row.End, err)
		}
	}
}

func TestThePastDoesNotKnowWhatCameAfter(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.shop() // carl-0 was there from five hours ago, until four hours ago
	ended := afternoon.Add(-4 * time.Hour)
	for _, test := range []struct {
		at    time.Time
		state reads.State
	}{
		{ended.Add(-time.Minute), reads.StateActive},
		{ended.Add(-time.Millisecond), reads.StateActive},
		{ended, reads.StateEnded},
		{afternoon, reads.StateEnded},
	} {
		row, _, err := r.look(anna, test.at).Session(t.Context(), "carl-0", "")
		if err != nil || row.State != test.state || row.LastActive.After(test.at) || (row.End != nil) != (test.state == reads.StateEnded) {
			t.Errorf("at %v it is %s with end %v: %v", test.at, row.State, row.End, err)
		}
	}
	if _, _, err := r.look(anna, afternoon.Add(-5*time.Hour-time.Second)).Session(t.Context(), "carl-0", ""); !errors.Is(err, commands.ErrNotFound) {
		t.Errorf("before it began it is answered %v", err)
	}
	if row, _, err := r.look(anna, afternoon.Add(-5*time.Hour)).Session(t.Context(), "carl-0", ""); err != nil || row.State != reads.StateActive {
		t.Errorf("when it began it is %s, %v", row.State, err)
	}
}

func TestListsOfThePast(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.shop()
	l := r.look(anna, afternoon.Add(-90*time.Minute))
	rows, _, err := l.Sessions(t.Context(), "carl", false, 0)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "active", ids(rows), "carl-1")
	if rows, _, err = l.Sessions(t.Context(), "carl", true, 0); err != nil {
		t.Fatal(err)
	}
	equal(t, "ended", ids(rows), "carl-0")
	if rows, _, err = l.Sessions(t.Context(), "otto", false, 0); err != nil || len(rows) != 0 {
		t.Errorf("who signed in later is answered %v, %v", ids(rows), err)
	}
	found, _, err := l.SessionsOf(t.Context(), []string{"carl", "anna", "otto"})
	if err != nil || len(found) != 2 {
		t.Errorf("of several: %v, %v", found, err)
	}
	page, err := l.Users(t.Context(), reads.UsersQuery{})
	if err != nil || page.Total != 2 || page.Sessions != 2 {
		t.Errorf("users are %+v, %v", page, err)
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.shop()
	rows, fresh, err := r.look(anna).Sessions(t.Context(), "carl", false, 1)
	if err != nil || fresh.Position != r.at {
		t.Fatal(fresh, err)
	}
	equal(t, "the newest", ids(rows), "carl-2")
}

func TestWhatIsForAdministratorsIsKeptFromOthers(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.shop()
	for viewer, all := range map[*reads.Lens]bool{r.look(anna): true, r.look(otto): true, r.look(carl): false} {
		one, _, err := viewer.Session(t.Context(), "carl-0", "")
		if err != nil {
			t.Fatal(err)
		}
		list, _, err := viewer.Sessions(t.Context(), "carl", true, 0)
		if err != nil || len(list) != 1 {
			t.Fatal(list, err)
		}
		for _, row := range []reads.Session{one, list[0]} {
			end := row.End
			if end == nil || end.ReasonUser != "call us" || end.Actor.User != "anna" || end.Cause != events.CauseTerminate ||
				(end.ReasonAdmin == "stolen") != all || (end.ActorIP == "192.0.2.9") != all || !all && end.ReasonAdmin+end.ActorIP != "" {
				t.Errorf("%s reads %+v", viewer.Viewer.User, end)
			}
		}
	}
}
