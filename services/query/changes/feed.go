package changes

import "slices"

// Bounds of what is remembered of a tenant's changes, so that those who were cut
// off for a moment miss nothing.
const (
	maxRecent      = 64
	maxRecentUsers = 1024
	// maxBehind is how many changes a watcher may have waiting.
	maxBehind = 32
)

// Change is an announcement in its place: a read shows at least its mark. Marks
// of a feed never go down.
type Change struct {
	Mark

	Users []string // whose sessions are not what they were
	All   bool     // too many to name
}

// Concerns reports whether a user is among the changed.
func (c *Change) Concerns(user string) bool { return c.All || slices.Contains(c.Users, user) }

// feed is the changes of one tenant. The hub's lock guards it.
type feed struct {
	base     Mark // recent holds every change after it
	now      Mark
	recent   []Change
	users    int // named in recent
	watchers map[*watcher]struct{}
}

func newFeed(base Mark) *feed {
	return &feed{base: base, now: base, watchers: map[*watcher]struct{}{}}
}

func (f *feed) add(c Change) {
	f.now = f.now.Join(c.Mark)
	c.Mark = f.now
	f.recent = append(f.recent, c)
	f.users += len(c.Users)
	for len(f.recent) > maxRecent || f.users > maxRecentUsers {
		f.base = f.recent[0].Mark
		f.users -= len(f.recent[0].Users)
		f.recent = f.recent[1:]
	}
	for w := range f.watchers {
		w.offer(c)
	}
}

// since returns the changes that a watcher may have missed, and false when some
// of them are no longer known. A change at the mark itself is among them: several
// can share one.
func (f *feed) since(after Mark) ([]Change, bool) {
	// A mark from beyond now is of a read model that is no more.
	if !after.Covers(f.base) || !f.now.Covers(after) {
		return nil, false
	}
	var missed []Change
	for _, c := range f.recent {
		if c.Mark == after || !after.Covers(c.Mark) {
			missed = append(missed, c)
		}
	}
	return missed, true
}

// watcher is one follower of a feed.
type watcher struct {
	feed    *feed
	user    string // "" for everyone of the tenant
	changes chan Change
	cut     chan struct{} // closed when the watcher was too slow
}

func newWatcher(f *feed, user string) *watcher {
	return &watcher{feed: f, user: user, changes: make(chan Change, maxBehind), cut: make(chan struct{})}
}

// visible narrows a change to what the watcher may know.
func (w *watcher) visible(c Change) (Change, bool) {
	if w.user == "" {
		return c, true
	}
	if !c.Concerns(w.user) {
		return Change{}, false
	}
	return Change{Mark: c.Mark, Users: []string{w.user}}, true
}

// offer never waits: who does not keep up is cut off and starts afresh.
func (w *watcher) offer(c Change) {
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
