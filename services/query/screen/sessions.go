package screen

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/posse-pos/posse/pkg/commands"
	"github.com/posse-pos/posse/services/query/changes"
	"github.com/posse-pos/posse/services/query/reads"
)

// historyShown is how many ended sessions are shown.
const historyShown = 100

// sessionsPane is the right side: one user's sessions.
type sessionsPane struct {
	page

	User    string
	Missing bool // nobody of that id, or nobody whom the viewer may see
	Name    string
	Handle  string // username
	Avatar  string
	IsYou   bool
	MayEnd  bool // the viewer may end sessions of this user
	Cards   []card
	Full    bool // there is more history than is shown
	// Position is that of the log that the pane shows.
	Position uint64
	Late     int // seconds that "last active" may be late
	Outcome  *outcome
}

// mark says in headers what the pane shows, so that a script can tell an answer
// that was overtaken.
func (p *sessionsPane) mark(w http.ResponseWriter) {
	w.Header().Set("Posse-Position", strconv.FormatUint(p.Position, 10))
	w.Header().Set("Posse-User", url.PathEscape(p.User))
}

// Initials stand where there is no picture.
func (p *sessionsPane) Initials() string { return initials(p.Name) }

// Hue is that of the user in the list.
func (p *sessionsPane) Hue() int { return hue(p.User) }

// Key names the user in the page.
func (p *sessionsPane) Key() string { return key(p.User) }

// Actions reports whether there is something to end here.
func (p *sessionsPane) Actions() bool {
	return p.MayEnd && !p.Place.Past() && !p.Place.History && len(p.Cards) > 0
}

// OthersURL is where to sign the user out of every device but one.
func (p *sessionsPane) OthersURL() string {
	return intent{User: p.User, Others: true}.URL()
}

// AllURL is where to sign the user out of every device.
func (p *sessionsPane) AllURL() string {
	return intent{User: p.User, All: true}.URL()
}

// Next is when the first of the sessions expires, in Unix milliseconds; 0 if none
// of those shown will.
func (p *sessionsPane) Next() int64 {
	if len(p.Cards) == 0 || p.Place.Past() || p.Place.History {
		return 0
	}
	first := slices.MinFunc(p.Cards, func(a, b card) int { return a.Expires.Compare(b.Expires.Time) })
	return first.Expires.UnixMilli()
}

// Title is that of the page.
func (p *sessionsPane) Title() string {
	title := p.Language.Say("title") + " – posse"
	if p.Name != "" {
		title = isolated(p.Name) + " – " + title
	}
	return title
}

// Summary is what is said aloud when the sessions have changed.
func (p *sessionsPane) Summary() string {
	if p.User == "" || p.Missing || p.Place.History {
		return ""
	}
	return p.Language.Say("sessions.summary", "Name", isolated(p.Name), "N", len(p.Cards))
}

// sessionsPane reads the sessions of the user who is selected, if one is.
func (s *Screen) sessionsPane(ctx context.Context, l *reads.Lens, p page) (*sessionsPane, error) {
	pane := &sessionsPane{page: p, User: p.Place.User, Late: int(s.config.TouchInterval.Seconds())}
	if pane.User == "" {
		fresh, err := l.Freshness(ctx)
		pane.Position, pane.Live = fresh.Position, p.Place.stream(changes.MarkOf(fresh))
		return pane, err
	}
	limit := 0
	if p.Place.History {
		limit = historyShown + 1
	}
	rows, fresh, err := l.Sessions(ctx, pane.User, p.Place.History, limit)
	if err != nil && commands.AsError(err).Reason == commands.ReasonNotFound {
		pane.Missing = true
		return pane, nil
	}
	if err != nil {
		return nil, err
	}
	pane.Position, pane.Live = fresh.Position, p.Place.stream(changes.MarkOf(fresh))
	pane.IsYou = pane.User == l.Viewer.User
	pane.MayEnd = l.Viewer.MayEnd(pane.User)
	pane.Full = p.Place.History && len(rows) > historyShown
	if pane.Full {
		rows = rows[:historyShown]
	}
	s.fillCards(ctx, l, pane, rows)
	return pane, s.nameUser(ctx, l, pane, rows)
}

func (s *Screen) fillCards(ctx context.Context, l *reads.Lens, pane *sessionsPane, rows []reads.Session) {
	names := names{lens: l, known: map[string]string{pane.User: ""}}
	for i := range rows {
		c := card{
			Session:    rows[i],
			LastActive: agoOf(pane.Language, l, rows[i].LastActive),
			Created:    momentOf(rows[i].Created),
			Expires:    momentOf(rows[i].Expires),
		}
		if pane.MayEnd && !pane.Place.Past() && rows[i].State == reads.StateActive {
			c.EndURL = intent{User: pane.User, Session: rows[i].Session.Session}.URL()
		}
		if rows[i].State != reads.StateActive {
			c.Ending = endingOf(ctx, pane, &rows[i], &names)
		}
		pane.Cards = append(pane.Cards, c)
	}
	// The current one first, the others as they come: newest activity first.
	slices.SortStableFunc(pane.Cards, currentFirst)
}

func currentFirst(a, b card) int {
	switch {
	case a.IsCurrent == b.IsCurrent:
		return 0
	case a.IsCurrent:
		return -1
	default:
		return 1
	}
}

// nameUser finds out what the user is called: from the newest of the rows, or
// from what else they have.
func (s *Screen) nameUser(ctx context.Context, l *reads.Lens, pane *sessionsPane, rows []reads.Session) error {
	if len(rows) == 0 {
		other, _, err := l.Sessions(ctx, pane.User, !pane.Place.History, 1)
		if err != nil {
			return err
		}
		rows = other
	}
	pane.Name = pane.User
	if len(rows) > 0 {
		newest := slices.MaxFunc(rows, func(a, b reads.Session) int { return a.Created.Compare(b.Created) })
		pane.Name, pane.Handle = nameOf(newest.DisplayName, newest.Username, pane.User), newest.Username
		pane.Avatar = s.avatars.address(pane.User, newest.AvatarURL)
	}
	return nil
}
