package changes

// Watching is somebody's watch over a tenant's changes. End it with Stop.
type Watching struct {
	*watcher

	// From is the mark from which on nothing is missed.
	From Mark
	// Missed is what Resume found, and Reset that more was missed than is known.
	Missed []Change
	Reset  bool

	hub *Hub
}

// Watch follows a tenant's changes from now on, which the read model is known to
// show; those of one user, or of everyone if user is "". The error is ErrBusy or
// ErrClosed.
func (h *Hub) Watch(tenant, user string, now Mark) (*Watching, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case !h.running:
		return nil, ErrClosed
	case h.watchers >= h.config.MaxWatchers:
		return nil, ErrBusy
	}
	f := h.feed(tenant)
	f.now = f.now.Join(now)
	w := newWatcher(f, user)
	f.watchers[w] = struct{}{}
	h.watchers++
	return &Watching{watcher: w, From: f.now, hub: h}, nil
}

// Changes is what comes.
func (w *Watching) Changes() <-chan Change { return w.changes }

// Cut is closed when the watcher was too slow and hears nothing any more.
func (w *Watching) Cut() <-chan struct{} { return w.cut }

// Resume adds what a new watcher missed after a mark. What arrived since Watch
// may be among it and come twice.
func (w *Watching) Resume(after Mark) {
	w.hub.mu.Lock()
	defer w.hub.mu.Unlock()
	missed, complete := w.feed.since(after)
	w.Reset = !complete
	for _, c := range missed {
		if c, ok := w.visible(c); ok {
			w.Missed = append(w.Missed, c)
		}
	}
}

// Missed returns what changed for a tenant after a mark and up to now, a mark
// that the read model is known to show; false when some of it is no longer known.
func (h *Hub) Missed(tenant string, after, now Mark) (missed []Change, complete bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	f := h.feed(tenant)
	f.now = f.now.Join(now)
	return f.since(after)
}

// Stop ends the watch.
func (w *Watching) Stop() {
	w.hub.mu.Lock()
	defer w.hub.mu.Unlock()
	delete(w.feed.watchers, w.watcher)
	w.hub.watchers--
}
