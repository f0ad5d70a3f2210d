package bench

import (
	"bytes"
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// pane is a part of the screen that is read again. One goroutine does, so there
// is one request at a time; what is told meanwhile is one more.
type pane struct {
	event    string // that tells to
	target   string // element, as htmx names it
	path     string
	told     chan struct{}
	position uint64 // that it shows

	answered []time.Time // guarded by the screen's lock
}

func newPane(event, target, path string) *pane {
	return &pane{event: event, target: target, path: path, told: make(chan struct{}, 1)}
}

func (p *pane) tell() {
	select {
	case p.told <- struct{}{}:
	default:
	}
}

var positionIn = regexp.MustCompile(` data-position="(\d+)"`)

// show takes the position from HTML in which the pane is.
func (p *pane) show(page []byte) error {
	_, id, _ := strings.Cut(p.target, "#")
	_, element, _ := bytes.Cut(page, []byte(` id="`+id+`"`))
	found := positionIn.FindSubmatch(element)
	if found == nil {
		return fmt.Errorf("%s does not say which position it shows", p.target)
	}
	position, err := strconv.ParseUint(string(found[1]), 10, 64)
	p.position = max(p.position, position)
	return err
}

// sample is a touch that a screen showed.
type sample struct{ touched, shown time.Time }

func (s *openScreen) refresh(ctx context.Context, p *pane) error {
	path := p.path + "&refresh=" + strconv.FormatUint(p.position, 10)
	body, err := s.browser.get(ctx, path, "Hx-Request", "true", "Hx-Target", p.target)
	if err != nil {
		return err
	}
	if err := p.show(body); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	p.answered = append(p.answered, now)
	if p != s.panes[0] {
		return nil
	}
	return s.notice(body, now)
}

// activeIn finds when a session was last active: of its times, the one that is
// written as so long ago.
var activeIn = regexp.MustCompile(`<time datetime="([^"]+)"[^>]* data-form="ago"`)

// notice finds the touches that the sessions show for the first time, up to the
// newest. The caller holds the lock.
func (s *openScreen) notice(sessions []byte, now time.Time) error {
	_, card, found := bytes.Cut(sessions, []byte(` data-session="`+s.looked.key.Session+`"`))
	active := activeIn.FindSubmatch(card)
	if !found || active == nil {
		return fmt.Errorf("%s's session %s does not say when it was active", s.looked.key.User, s.looked.key.Session)
	}
	last, err := time.Parse(time.RFC3339, string(active[1]))
	if err != nil {
		return err
	}
	for _, touched := range s.looked.since(s.seen) {
		if touched.After(last) {
			break
		}
		s.samples = append(s.samples, sample{touched, now})
		s.seen++
	}
	return nil
}

// behind is since when the screen has not shown what happened, or zero if it
// shows everything.
func (s *openScreen) behind() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	if missing := s.looked.since(s.seen); len(missing) > 0 {
		return missing[0]
	}
	return time.Time{}
}

// shows reports whether the screen shows something that came after a moment.
func (s *openScreen) shows(moment time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.samples) > 0 && s.samples[len(s.samples)-1].touched.After(moment)
}
