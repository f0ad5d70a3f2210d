package query

import "slices"

// Bounds of what is remembered of a tenant's changes, so that those who were cut
// off for a moment miss nothing.
const (
	maxRecent      = 64
	maxRecentUsers = 1024
	// maxBehind is how many changes a watcher may have waiting.
	maxBehind = 32
)

// change is an announcement in its place. Marks of a feed never go down.
type change struct {
	mark
	users []string
	all   bool
}

// concerns reports whether a user is among the changed.
func (c *change) concerns(user string) bool { return c.all || slices.Contains(c.users, user) }

// feed is the changes of one tenant. The hub's lock guards it.
type feed struct {
	base     mark // recent holds every change after it
	now      mark
	recent   []change
	users    int // named in recent
	watchers map[*watcher]struct{}
}

func newFeed(base mark) *feed {
	return &feed{base: base, now: base, watchers: map[*watcher]struct{}{}}
}

func (f *feed) add(c change) {
	f.now = f.now.join(c.mark)
	c.mark = f.now
	f.recent = append(f.recent, c)
	f.users += len(c.users)
	for len(f.recent) > maxRecent || f.users > maxRecentUsers {
		f.base = f.recent[0].mark
		f.users -= len(f.recent[0].users)
		f.recent = f.recent[1:]
	}
	for w := range f.watchers {
		w.offer(c)
	}
}

// since returns the changes that a watcher may have missed, and false when some
// of them are no longer known. A change at the mark itself is among them: several
// can share one.
func (f *feed) since(after mark) ([]change, bool) {
	if !after.covers(f.base) {
		return nil, false
	}
	var missed []change
	for _, c := range f.recent {
		if c.mark == after || !after.covers(c.mark) {
			missed = append(missed, c)
		}
	}
	return missed, true
}

// watcher is one follower of a feed.
type watcher struct {
	feed    *feed
	user    string // "" for everyone of the tenant
	changes chan change
	cut     chan struct{} // closed when the watcher was too slow
}

func newWatcher(f *feed, user string) *watcher {
	return &watcher{feed: f, user: user, changes: make(chan change, maxBehind), cut: make(chan struct{})}
}

// visible narrows a change to what the watcher may know.
func (w *watcher) visible(c change) (change, bool) {
	if w.user == "" {
		return c, true
	}
	if !c.concerns(w.user) {
		return change{}, false
	}
	return change{mark: c.mark, users: []string{w.user}}, true
}

// offer never waits: who does not keep up is cut off and starts afresh.
func (w *watcher) offer(c change) {
	c, ok := w.visible(c)
	if !ok {
		return
	}
	select {
	case w.changes <- c:
	default:
		delete(w.feed.watchers, w)
		close(w.cut)
	}
}
