package recorder_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/commands"
)

// Eight recorders' worth of logins and Logout Alls race on a few users: nobody
// who was signed in before a Logout All lives after it.
func TestLogoutAllRacesLogin(t *testing.T) {
	t.Parallel()
	s := open(t)
	var all sync.WaitGroup
	for writer := range 8 {
		r := s.another()
		all.Go(func() {
			for i := range 40 {
				name := fmt.Sprintf("user-%d", i%3)
				if writer%2 == 0 {
					_, err := r.Login(t.Context(), commands.Login{Caller: backend(), User: name, Session: fmt.Sprintf("s-%d-%d", writer, i)})
					if err != nil && !errors.Is(err, commands.ErrBusy) {
						t.Error(err)
					}
					continue
				}
				_, err := r.EndUser(t.Context(), commands.EndUser{Caller: admin(), User: name})
				if reason := commands.AsError(err).Reason; err != nil && reason != commands.ReasonNotFound && reason != commands.ReasonBusy {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	for i := range 3 {
		check(t, s.log.events("shop", fmt.Sprintf("user-%d", i)))
	}
}

// check replays a history: when the first end of a Logout All comes, everybody
// who is signed in must be among those that it ends.
func check(t *testing.T, history []events.Event) {
	t.Helper()
	ends := map[string]map[string]bool{}
	for _, e := range history {
		if r, ok := e.(events.Revoked); ok {
			if ends[r.CommandID] == nil {
				ends[r.CommandID] = map[string]bool{}
			}
			ends[r.CommandID][r.Session] = true
		}
	}
	active, begun := map[string]bool{}, map[string]bool{}
	for _, e := range history {
		switch e := e.(type) {
		case events.LoggedIn:
			active[e.Session] = true
		case events.Revoked:
			for id := range active {
				if !begun[e.CommandID] && !ends[e.CommandID][id] {
					t.Errorf("session %s outlives the Logout All %s", id, e.CommandID)
				}
			}
			begun[e.CommandID] = true
			if !active[e.Session] {
				t.Errorf("session %s ends twice", e.Session)
			}
			delete(active, e.Session)
		}
	}
}
