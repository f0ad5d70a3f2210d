package screen

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/commands"
	"github.com/posse-pos/posse/pkg/httpapi"
	"github.com/posse-pos/posse/services/query/reads"
)

const (
	// maxForm is the largest form that is read, in bytes.
	maxForm = 16 << 10
	// maxKey is the longest idempotency key of a form, in bytes.
	maxKey = 64
)

// end carries an intent out, and shows the user's sessions without what ended.
func (s *Screen) end(guard Guard) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		if err := r.ParseForm(); err != nil {
			return commands.Invalid(commands.Field{Name: "body", Message: "is not a form of at most 16 KiB"})
		}
		_, l, err := s.look(r, time.Time{})
		if err != nil {
			return err
		}
		i, began := intentOf(r.PostForm), s.config.Now()
		ended, err := s.carryOut(r, l, i)
		if err != nil {
			return err
		}
		if i.endsOwn(l, ended.Sessions) {
			guard.Forget(w)
			s.goTo(w, r, "/signin?notice=signed_out")
			return nil
		}
		return s.showEnded(w, r, i, began, ended)
	}
}

func (s *Screen) carryOut(r *http.Request, l *reads.Lens, i intent) (commands.Ended, error) {
	key := cut(r.PostForm.Get("key"), maxKey)
	if key != "" {
		key = "screen-" + key
	}
	caller, err := httpapi.Caller(r.Context(), key)
	if err != nil {
		return commands.Ended{}, err
	}
	if err := i.check(l); err != nil {
		return commands.Ended{}, err
	}
	reasons, err := reasonsOf(r.PostForm.Get("reason"), i.User == l.Viewer.User)
	if err != nil {
		return commands.Ended{}, err
	}
	if i.Session != "" {
		// The id alone could name another user's session too.
		if _, _, err := l.Session(r.Context(), i.Session, i.User); err != nil {
			return commands.Ended{}, err
		}
		return s.config.Ender.EndSession(r.Context(), commands.EndSession{Caller: caller, Session: i.Session, Reasons: reasons})
	}
	return s.config.Ender.EndUser(r.Context(), commands.EndUser{Caller: caller, User: i.User, Except: i.Keep, Reasons: reasons})
}

// reasonsOf says whose reason it is. One that is too long is refused rather than
// cut: half of it may say something else.
func reasonsOf(reason string, own bool) (commands.Reasons, error) {
	switch {
	case len(reason) > events.MaxReason:
		return commands.Reasons{}, commands.Invalid(commands.Field{
			Name: "reason", Message: fmt.Sprintf("has %d bytes, at most %d are kept", len(reason), events.MaxReason),
		})
	case own:
		return commands.Reasons{User: reason}, nil
	default:
		return commands.Reasons{Admin: reason}, nil
	}
}

// goTo has the browser open another page.
func (s *Screen) goTo(w http.ResponseWriter, r *http.Request, address string) {
	if target(r) == "" {
		http.Redirect(w, r, address, http.StatusSeeOther)
		return
	}
	w.Header().Set("Hx-Redirect", address)
	w.WriteHeader(http.StatusOK)
}

// showEnded waits until the list is without what ended, and says which gateways
// refuse it by then.
func (s *Screen) showEnded(w http.ResponseWriter, r *http.Request, i intent, began time.Time, ended commands.Ended) error {
	ctx, l, err := s.look(r, time.Time{})
	if err != nil {
		return err
	}
	o := &outcome{page: s.frame(r), Ended: ended.Ended, Position: ended.Position, Began: began}
	asked := make(chan struct{})
	go func() {
		defer close(asked)
		s.ask(ctx, l.Viewer, o, confirmWithin)
	}()
	o.Behind = s.waitToShow(ctx, ended.Position) != nil
	<-asked
	at := place{User: i.User}
	if target(r) == "" {
		http.Redirect(w, r, o.pageURL(at), http.StatusSeeOther)
		return nil
	}
	p := screenPage{page: s.frame(r), Alone: !l.Viewer.MayReadAll()}
	p.Place = at
	if p.Sessions, err = s.sessionsPane(ctx, l, p.page); err != nil {
		return &unseenError{o, err}
	}
	p.Sessions.Outcome = o
	p.Sessions.mark(w)
	h := w.Header()
	h.Set("Hx-Retarget", "#sessions")
	h.Set("Hx-Reswap", "outerMorph")
	h.Set("Hx-Trigger", "posse:ended")
	return s.render(w, r, http.StatusOK, "sessions", &p)
}

// unseenError says that sessions were ended, but that the list cannot be shown.
type unseenError struct {
	outcome *outcome
	reason  error
}

func (e *unseenError) Error() string {
	return "screen: ended, but cannot show it: " + e.reason.Error()
}

func (e *unseenError) Unwrap() error { return e.reason }

func (s *Screen) waitToShow(ctx context.Context, position uint64) error {
	ctx, cancel := context.WithTimeout(ctx, showWithin)
	defer cancel()
	return s.reads.WaitFor(ctx, position)
}

// showWithin is how long an answer waits for the read model.
const showWithin = 8 * time.Second
