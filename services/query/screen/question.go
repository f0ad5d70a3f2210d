package screen

import (
	"context"
	"crypto/rand"
	"net/http"
	"slices"
	"time"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/commands"
	"github.com/posse-pos/posse/services/query/reads"
)

// question is what is asked before anything ends.
type question struct {
	page
	intent

	Name     string // of the user
	IsYou    bool
	Card     *card  // with Session
	Cards    []card // of the user, the current one first
	Kept     *card  // with Others, if it is clear which goes on: the one that the viewer is on
	Own      bool   // the viewer's own session is among what ends
	Key      string // makes sending the form twice end things once
	InDialog bool
}

// Count is how many sessions end.
func (q *question) Count() int {
	switch {
	case q.Session != "":
		return 1
	case q.Others:
		return len(q.Cards) - 1
	default:
		return len(q.Cards)
	}
}

// maxEnds is how many of the sessions that end are named.
const maxEnds = 5

// Ends are the first of the sessions that end; none where one card or a choice
// says it.
func (q *question) Ends() []card {
	if !q.All && q.Kept == nil {
		return nil
	}
	ends := slices.DeleteFunc(slices.Clone(q.Cards), func(c card) bool { return q.Kept != nil && c.ID() == q.Kept.ID() })
	return ends[:min(len(ends), maxEnds)]
}

// More is how many end besides Ends.
func (q *question) More() int { return q.Count() - len(q.Ends()) }

// MaxReason is how long a reason the form takes. Browsers count units of UTF-16,
// each of which is three bytes of UTF-8 at most, so none is longer than it may be.
func (*question) MaxReason() int { return events.MaxReason / 3 }

// Title asks, and names whom and what.
func (q *question) Title() string {
	return q.Language.Say("end."+q.Kind()+".title", "Name", isolated(q.Name), "Device", q.device())
}

// Explanation says what will happen.
func (q *question) Explanation() string {
	return q.Language.Say("end."+q.Kind()+".text", "Name", isolated(q.Name), "N", q.Count())
}

func (q *question) device() string {
	if q.Card == nil {
		return ""
	}
	device := q.Language.Say(q.Card.Application())
	if q.Card.DeviceLabel != "" {
		device += " " + isolated(q.Card.DeviceLabel)
	}
	return device
}

// askEnd shows the question, in a dialog or as a page.
func (s *Screen) askEnd(w http.ResponseWriter, r *http.Request) error {
	ctx, l, err := s.look(r, time.Time{})
	if err != nil {
		return err
	}
	q, err := s.question(ctx, l, intentOf(r.URL.Query()))
	if err != nil {
		return err
	}
	q.page = s.frame(r)
	q.nameYou(ctx, l)
	q.Place = place{User: q.User}
	for i := range q.Cards {
		q.Cards[i].LastActive = agoOf(q.Language, l, q.Cards[i].Session.LastActive)
	}
	name := "end"
	if q.InDialog = target(r) != ""; q.InDialog {
		name = "end-form"
	}
	return s.render(w, r, http.StatusOK, name, q)
}

// question finds out what an intent would end.
func (s *Screen) question(ctx context.Context, l *reads.Lens, i intent) (*question, error) {
	if err := i.allowed(l); err != nil {
		return nil, err
	}
	rows, _, err := l.Sessions(ctx, i.User, false, 0)
	if err != nil {
		return nil, err
	}
	q := &question{intent: i, IsYou: i.User == l.Viewer.User, Key: rand.Text(), Name: i.User}
	for _, row := range rows {
		q.Cards = append(q.Cards, card{Session: row})
	}
	slices.SortStableFunc(q.Cards, currentFirst)
	for n := range q.Cards {
		c := &q.Cards[n]
		q.Name = nameOf(c.DisplayName, c.Username, i.User)
		if i.Session == c.ID() {
			q.Card = c
		}
	}
	q.preselect()
	// The viewer's own session ends with the others even if the list lacks it.
	q.Own = q.IsYou && (i.Session == l.Viewer.Session || i.All || i.Others && q.Kept == nil)
	if i.Session != "" && q.Card == nil || len(q.Cards) == 0 {
		return nil, commands.NewError(commands.ReasonNotFound, "there is no such session, or it has ended")
	}
	return q, nil
}

// preselect chooses what Logout Other Devices keeps: the device that the viewer
// is on, or, for the viewer to change, the one that was used last.
func (q *question) preselect() {
	if !q.Others || len(q.Cards) == 0 {
		return
	}
	if q.Cards[0].IsCurrent {
		q.Kept, q.Keep = &q.Cards[0], q.Cards[0].ID()
		return
	}
	if !slices.ContainsFunc(q.Cards, func(c card) bool { return c.ID() == q.Keep }) {
		q.Keep = q.Cards[0].ID()
	}
}
