package screen

import (
	"net/url"
	"slices"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/commands"
	"github.com/posse-pos/posse/services/query/reads"
)

// intent is what somebody is about to end: one session, all of a user's, or all
// but one.
type intent struct {
	User    string
	Session string // Terminate
	Others  bool   // Logout Other Devices
	Keep    string // with Others: the session that goes on
	All     bool   // Logout All
}

func intentOf(form url.Values) intent {
	return intent{
		User: form.Get("user"), Session: form.Get("session"), Others: form.Has("others"), Keep: form.Get("keep"), All: form.Has("all"),
	}
}

// URL is where the intent is asked about.
func (i intent) URL() string {
	q := url.Values{"user": {i.User}}
	switch {
	case i.Session != "":
		q.Set("session", i.Session)
	case i.Others:
		q.Set("others", "1")
	case i.All:
		q.Set("all", "1")
	}
	return address("/end", q)
}

// valid refuses an intent that says less than it must, or two things at once:
// nobody who meant to keep a session wants all of them ended.
func (i intent) valid() error {
	said := 0
	for _, is := range []bool{i.Session != "", i.Others, i.All} {
		if is {
			said++
		}
	}
	switch {
	case said != 1:
		return commands.Invalid(commands.Field{Name: "session", Message: "say one of session, others and all"})
	case i.Keep != "" && !i.Others:
		return commands.Invalid(commands.Field{Name: "keep", Message: "belongs to others"})
	}
	return nil
}

// Kind is "terminate", "others" or "all", as texts are named.
func (i intent) Kind() string {
	switch {
	case i.Session != "":
		return "terminate"
	case i.Others:
		return "others"
	default:
		return "all"
	}
}

// check refuses what must not be carried out.
func (i intent) check(l *reads.Lens) error {
	if err := i.allowed(l); err != nil {
		return err
	}
	if i.Others && i.Keep == "" {
		return commands.Invalid(commands.Field{Name: "keep", Message: "name the session that goes on"})
	}
	return nil
}

// allowed refuses what makes no sense, and what the viewer may not do.
func (i intent) allowed(l *reads.Lens) error {
	switch {
	case !l.Viewer.MayEnd(i.User):
		return forbidden(l, i.User)
	case events.ValidateID("user", i.User) != nil:
		return commands.NewError(commands.ReasonNotFound, "there is no such user")
	}
	return i.valid()
}

// endsOwn reports whether the viewer's own session is over now.
func (i intent) endsOwn(l *reads.Lens, ended []string) bool {
	if i.User != l.Viewer.User {
		return false
	}
	return i.Session == l.Viewer.Session || slices.Contains(ended, l.Viewer.Session)
}

// forbidden says that a viewer may not end a user's sessions; of people whom
// they may not even see, that there are none.
func forbidden(l *reads.Lens, user string) error {
	if l.Viewer.MayRead(user) {
		return commands.NewError(commands.ReasonForbidden, "you may look at these sessions, but not end them")
	}
	return commands.NewError(commands.ReasonNotFound, "there is no such user")
}
