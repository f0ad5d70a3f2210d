package screen

import (
	"errors"
	"io"
	"net/http"
	"reflect"
	"time"

	"github.com/posse-pos/posse/pkg/httpapi"
	"github.com/posse-pos/posse/pkg/principal"
	"github.com/posse-pos/posse/services/query/changes"
)

const (
	// writeTimeout is how long a browser may take to read an event.
	writeTimeout = 10 * time.Second
	// usersAtMost is how often the list of users is put in order when nobody signs
	// in or out: a list that never rests is hard to click on.
	usersAtMost = 5 * time.Second
)

// The events of the stream. A script reads the pane again that one names.
const (
	eventUsers    = "users"
	eventSessions = "sessions"
	eventEnd      = "end" // the viewer is signed in no more
)

// stream tells an open screen what to read again, as server-sent events (WHATWG
// HTML §9.2).
func (s *Screen) stream(guard Guard) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_, l, err := s.look(r, time.Time{})
		if err != nil {
			httpapi.ProblemOf(err).Write(w, r)
			return
		}
		since, _ := changes.ParseMark(r.URL.Query().Get("since")) // without one everything is read again
		shown, err := s.reads.Freshness(r.Context())
		if err != nil {
			httpapi.ProblemOf(err).Write(w, r)
			return
		}
		//nolint:contextcheck // a crowd goes on with the other screens when this one is closed
		m, err := s.live.join(l.Viewer.Tenant, l.Viewer.User, since, changes.MarkOf(shown))
		if err != nil {
			w.Header().Set("Retry-After", "5")
			httpapi.NewProblem(http.StatusServiceUnavailable, "busy", "changes cannot be followed at the moment").Write(w, r)
			return
		}
		defer m.leave()
		v := &viewing{
			screen: s, member: m, viewer: l.Viewer, guard: guard, request: r,
			selected: r.URL.Query().Get("user"), out: w, controller: http.NewResponseController(w),
		}
		v.run()
	}
}

// viewing is an open screen's stream.
type viewing struct {
	screen     *Screen
	member     *member
	viewer     principal.Principal
	guard      Guard
	request    *http.Request
	selected   string // whose sessions are shown
	out        http.ResponseWriter
	controller *http.ResponseController

	usersSent time.Time
	later     <-chan time.Time // when the list of users is put in order
}

func (v *viewing) run() {
	h := v.out.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no") // nginx would keep events back
	v.out.WriteHeader(http.StatusOK)
	if v.request.Method == http.MethodHead || !v.write(":\n\n") {
		return
	}
	heartbeat := time.NewTicker(v.screen.config.Heartbeat)
	defer heartbeat.Stop()
	check := time.NewTicker(v.screen.config.CheckEvery)
	defer check.Stop()
	for {
		var on bool
		select {
		case <-v.request.Context().Done():
			return
		case <-v.member.wake:
			on = v.tell()
		case <-v.later:
			on = v.sendUsers()
		case <-check.C:
			on = v.stillSignedIn()
		case <-heartbeat.C:
			on = v.write(":\n\n")
		}
		if !on {
			return
		}
	}
}

// tell sends what came. It is false when the stream is over.
func (v *viewing) tell() bool {
	p, check := v.member.take()
	if (check || p.moved && p.concerns(v.viewer.User)) && !v.stillSignedIn() {
		return false
	}
	if v.selected != "" && p.concerns(v.selected) && v.mayRead(v.selected) && !v.send(eventSessions) {
		return false
	}
	return v.tellUsers(&p) && !p.ended
}

func (v *viewing) mayRead(user string) bool { return v.viewer.MayRead(user) }

func (v *viewing) tellUsers(p *pulse) bool {
	changed := p.all || len(p.users) > 0
	if !v.viewer.MayReadAll() {
		changed = p.concerns(v.viewer.User)
	}
	rest := usersAtMost - time.Since(v.usersSent)
	switch {
	case !changed:
		return true
	case p.moved || rest <= 0:
		return v.sendUsers()
	case v.later == nil:
		v.later = time.After(rest)
	}
	return true
}

func (v *viewing) sendUsers() bool {
	v.usersSent, v.later = time.Now(), nil
	return v.send(eventUsers)
}

// stillSignedIn asks again who the viewer is, and ends their screen if they are
// nobody any more. That nobody can tell at the moment ends nothing.
func (v *viewing) stillSignedIn() bool {
	now, err := v.guard.Authenticate(v.request)
	if errors.Is(err, principal.ErrUnavailable) || err == nil && reflect.DeepEqual(now, v.viewer) || v.request.Context().Err() != nil {
		return true
	}
	v.send(eventEnd)
	return false
}

func (v *viewing) send(event string) bool { return v.write("event: " + event + "\ndata:\n\n") }

func (v *viewing) write(text string) bool {
	if v.controller.SetWriteDeadline(time.Now().Add(writeTimeout)) != nil {
		return false
	}
	if _, err := io.WriteString(v.out, text); err != nil {
		return false
	}
	return v.controller.Flush() == nil
}
