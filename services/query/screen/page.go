package screen

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/posse-pos/posse/pkg/principal"
	"github.com/posse-pos/posse/services/query/changes"
	"github.com/posse-pos/posse/services/query/reads"
	"github.com/posse-pos/posse/services/query/screen/words"
)

// page is what every page shows.
type page struct {
	Language  *words.Language
	Languages []*words.Language
	Place     place
	You       *you   // nil before somebody has signed in
	Pane      string // id of the pane that an answer is for
	Live      string // address of the stream; "" if the page is not live

	here url.URL   // the page's own address
	made time.Time // when it was made
}

// Now is when the page was made, in Unix milliseconds: browsers' clocks are wrong
// at times.
func (p *page) Now() int64 { return p.made.UnixMilli() }

// you is who has signed in.
type you struct {
	principal.Principal

	Name string
}

// screenPage is the screen.
type screenPage struct {
	page

	Alone    bool // the viewer sees only themselves
	Users    *usersPane
	Sessions *sessionsPane
}

// frame is what every page has around it.
func (s *Screen) frame(r *http.Request) page {
	at, _ := placeOf(r)
	p := page{Language: languageOf(r), Languages: s.languages.All(), Place: at, here: *r.URL, made: s.config.Now()}
	switch {
	case r.URL.Path == "/":
		p.here.RawQuery = at.query().Encode()
	case r.Method == http.MethodPost, len(r.URL.RawQuery) > maxQuery:
		p.here.RawQuery = ""
	}
	if viewer, ok := principal.From(r.Context()); ok {
		p.You = &you{Principal: viewer, Name: viewer.User}
	}
	return p
}

// showScreen answers with the whole screen, or with the pane of sessions alone
// when somebody was selected.
func (s *Screen) showScreen(w http.ResponseWriter, r *http.Request) error {
	at, fault := placeOf(r)
	if fault != "" {
		return s.showBadMoment(w, r, fault)
	}
	ctx, l, err := s.look(r, at.At)
	if errors.Is(err, reads.ErrFuture) {
		return s.showBadMoment(w, r, at.Moment())
	}
	if err != nil {
		return err
	}
	p := screenPage{page: s.frame(r), Alone: !l.Viewer.MayReadAll()}
	if p.Alone {
		p.Place.User = l.Viewer.User
	}
	if p.Sessions, err = s.sessionsPane(ctx, l, p.page); err != nil {
		return err
	}
	if o := s.outcomeOf(r); o != nil && !refreshing(r) {
		s.ask(ctx, l.Viewer, o, confirmWithin)
		p.Sessions.Outcome = o
	}
	if target(r) == "sessions" {
		p.Sessions.mark(w)
		return s.render(w, r, http.StatusOK, "sessions", &p)
	}
	if p.Users, err = s.usersPane(ctx, l, p.page, 0); err != nil {
		return err
	}
	if own := p.Users.Yourself; own != nil {
		p.You.Name = own.Name()
	} else {
		p.nameYou(ctx, l)
	}
	status := http.StatusOK
	if p.Sessions.Missing {
		status = http.StatusNotFound
	}
	return s.render(w, r, status, "page", &p)
}

// showBadMoment says that a moment is none, or has not come yet.
func (s *Screen) showBadMoment(w http.ResponseWriter, r *http.Request, moment string) error {
	f := failure{page: s.frame(r)}
	if ctx, l, err := s.look(r, time.Time{}); err == nil {
		f.nameYou(ctx, l)
	}
	f.Retry = f.Place.OfNow().URL()
	f.Title = f.Language.Say("moment.bad.title")
	f.Text = f.Language.Say("moment.bad.text", "Moment", isolated(moment))
	name := "failure"
	if pane := target(r); pane != "" {
		f.Pane, name = pane, "failure-in-pane"
	}
	return s.render(w, r, http.StatusUnprocessableEntity, name, &f)
}

// Watches reports whether the page shows what changes.
func (*page) Watches() bool { return false }

// Watches implements that of page.
func (*screenPage) Watches() bool { return true }

// nameYou puts the viewer's name to their id, if it is known.
func (p *page) nameYou(ctx context.Context, l *reads.Lens) {
	if own, ok, err := l.Own(ctx); err == nil && ok {
		p.You.Name = nameOf(own.DisplayName, own.Username, own.User)
	}
}

// stream is the address under which a page hears what changes after a mark.
func (p place) stream(after changes.Mark) string {
	if p.Past() {
		return ""
	}
	q := url.Values{"since": {after.String()}}
	if p.User != "" {
		q.Set("user", p.User)
	}
	return address("/live", q)
}

// nameOf is what a person is called: their name, or what else is known.
func nameOf(displayName, username, id string) string {
	switch {
	case displayName != "":
		return displayName
	case username != "":
		return username
	default:
		return id
	}
}

// In is the address of the page in another language.
func (p *page) In(tag string) string {
	q := p.here.Query()
	q.Set("lang", tag)
	return address(p.here.Path, q)
}

// PastMoment is the moment that the page is about.
func (p *page) PastMoment() instant { return momentOf(p.Place.At) }
