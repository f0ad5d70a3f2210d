package changes

import (
	"fmt"
	"testing"
)

func TestASlowWatcherIsCutOff(t *testing.T) {
	t.Parallel()
	f := newFeed(Mark{})
	slow, fast := newWatcher(f, ""), newWatcher(f, "")
	f.watchers[slow], f.watchers[fast] = struct{}{}, struct{}{}
	for i := range maxBehind + 1 {
		f.add(Change{Mark: Mark{Position: uint64(i + 1)}, Users: []string{"carl"}})
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
	f := newFeed(Mark{})
	users := make([]string, 100)
	for i := range users {
		users[i] = fmt.Sprint("user-", i)
	}
	for i := range 100 {
		f.add(Change{Mark: Mark{Position: uint64(i + 1)}, Users: users})
	}
	if len(f.recent) != maxRecentUsers/100 || f.users > maxRecentUsers {
		t.Errorf("%d changes with %d users are kept", len(f.recent), f.users)
	}
	if _, complete := f.since(Mark{Position: 50}); complete {
		t.Error("what was forgotten counts as known")
	}
	if missed, complete := f.since(Mark{Position: 95}); !complete || len(missed) != 6 {
		t.Errorf("since 95: %d changes, complete is %v", len(missed), complete)
	}
}

func TestMarksOfAFeedNeverGoDown(t *testing.T) {
	t.Parallel()
	f := newFeed(Mark{Position: 10, Touches: 5})
	f.add(Change{Mark: Mark{Position: 12, Touches: 3}})
	f.add(Change{Mark: Mark{Position: 9, Touches: 6}})
	if f.recent[0].Mark != (Mark{12, 5}) || f.recent[1].Mark != (Mark{12, 6}) {
		t.Errorf("marks are %v and %v", f.recent[0].Mark, f.recent[1].Mark)
	}
}

func TestFeedsAreBounded(t *testing.T) {
	t.Parallel()
	h := NewHub(Config{MaxTenants: 3, MaxWatchers: 10})
	h.running = true
	w, err := h.Watch("watched", "", Mark{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 10 {
		h.feed(fmt.Sprint("tenant-", i)).add(Change{Mark: Mark{Position: uint64(i + 1)}})
	}
	if len(h.feeds) != 3 || h.feeds["watched"] == nil {
		t.Errorf("%d feeds are kept, want 3 with the watched one", len(h.feeds))
	}
	again, err := h.Watch("tenant-0", "", Mark{Position: 10})
	if err != nil {
		t.Fatal(err)
	}
	again.Resume(Mark{Position: 1})
	if !again.Reset {
		t.Error("who resumes on a forgotten feed is not told to start afresh")
	}
	w.Stop()
	again.Stop()
	if h.Count() != 0 {
		t.Errorf("%d watchers are left", h.Count())
	}
}

func FuzzParseMark(f *testing.F) {
	f.Add("12-34")
	f.Add("-")
	f.Add("18446744073709551616-0")
	f.Fuzz(func(t *testing.T, s string) {
		m, err := ParseMark(s)
		if err != nil {
			return
		}
		if again, err := ParseMark(m.String()); err != nil || again != m {
			t.Errorf("%q is %v and then %v, %v", s, m, again, err)
		}
	})
}
