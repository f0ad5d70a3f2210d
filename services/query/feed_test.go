package query

import (
	"fmt"
	"testing"
)

func TestASlowWatcherIsCutOff(t *testing.T) {
	t.Parallel()
	f := newFeed(mark{})
	slow, fast := newWatcher(f, ""), newWatcher(f, "")
	f.watchers[slow], f.watchers[fast] = struct{}{}, struct{}{}
	for i := range maxBehind + 1 {
		f.add(change{mark: mark{position: uint64(i + 1)}, users: []string{"carl"}})
		<-fast.changes
	}
	select {
	case <-slow.cut:
	default:
		t.Error("the slow watcher is still there")
	}
	if _, ok := f.watchers[fast]; !ok || len(f.watchers) != 1 {
		t.Errorf("%d watchers are left, want the fast one", len(f.watchers))
	}
}

func TestRecentChangesAreBounded(t *testing.T) {
	t.Parallel()
	f := newFeed(mark{})
	users := make([]string, 100)
	for i := range users {
		users[i] = fmt.Sprint("user-", i)
	}
	for i := range 100 {
		f.add(change{mark: mark{position: uint64(i + 1)}, users: users})
	}
	if len(f.recent) != maxRecentUsers/100 || f.users > maxRecentUsers {
		t.Errorf("%d changes with %d users are kept", len(f.recent), f.users)
	}
	if _, complete := f.since(mark{position: 50}); complete {
		t.Error("what was forgotten counts as known")
	}
	if missed, complete := f.since(mark{position: 95}); !complete || len(missed) != 6 {
		t.Errorf("since 95: %d changes, complete is %v", len(missed), complete)
	}
}

func TestMarksOfAFeedNeverGoDown(t *testing.T) {
	t.Parallel()
	f := newFeed(mark{position: 10, touches: 5})
	f.add(change{mark: mark{position: 12, touches: 3}})
	f.add(change{mark: mark{position: 9, touches: 6}})
	if f.recent[0].mark != (mark{12, 5}) || f.recent[1].mark != (mark{12, 6}) {
		t.Errorf("marks are %v and %v", f.recent[0].mark, f.recent[1].mark)
	}
}

func TestFeedsAreBounded(t *testing.T) {
	t.Parallel()
	h := newHub(Config{MaxTenants: 3, MaxWatchers: 10})
	h.running = true
	w, err := h.watch("watched", "", mark{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 10 {
		h.feed(fmt.Sprint("tenant-", i)).add(change{mark: mark{position: uint64(i + 1)}})
	}
	if len(h.feeds) != 3 || h.feeds["watched"] == nil {
		t.Errorf("%d feeds are kept, want 3 with the watched one", len(h.feeds))
	}
	again, err := h.watch("tenant-0", "", mark{position: 10})
	if err != nil {
		t.Fatal(err)
	}
	h.resume(again, mark{position: 1})
	if !again.reset {
		t.Error("who resumes on a forgotten feed is not told to start afresh")
	}
	h.unwatch(w)
	h.unwatch(again)
	if h.count() != 0 {
		t.Errorf("%d watchers are left", h.count())
	}
}

func FuzzParseMark(f *testing.F) {
	f.Add("12-34")
	f.Add("-")
	f.Add("18446744073709551616-0")
	f.Fuzz(func(t *testing.T, s string) {
		m, err := parseMark(s)
		if err != nil {
			return
		}
		if again, err := parseMark(m.String()); err != nil || again != m {
			t.Errorf("%q is %v and then %v, %v", s, m, again, err)
		}
	})
}
