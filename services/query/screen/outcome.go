package screen

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/posse-pos/posse/pkg/fleet"
	"github.com/posse-pos/posse/pkg/principal"
	"github.com/posse-pos/posse/services/query/screen/words"
)

const (
	// confirmWithin is how long the answer to an end waits for the gateways.
	confirmWithin = time.Second
	// confirmMore is how long a later look at them waits.
	confirmMore = 5 * time.Second
	// confirmAtMost is how long one keeps looking.
	confirmAtMost = time.Minute
)

// outcome says how far the end of sessions has come: how many gateways refuse
// them, and which do not yet.
type outcome struct {
	page

	Ended    int
	Position uint64    // of the log, after which they are ended
	Began    time.Time // when the command was given

	Total     int
	Confirmed int
	Slowest   time.Duration
	Missing   []missing // for who may see the gateways, others see how many
	Over      bool      // nobody looks any more
	Behind    bool      // the list does not show it yet
}

// missing is a gateway that has not confirmed.
type missing struct {
	Name   string
	Seen   instant // its last report; zero if there was none
	Silent bool
	Stale  bool
}

// Complete reports whether every gateway has confirmed.
func (o *outcome) Complete() bool { return o.Confirmed == o.Total }

// Waiting reports whether to look again.
func (o *outcome) Waiting() bool { return !o.Complete() && !o.Over }

// URL is where to look again.
func (o *outcome) URL() string {
	q := o.query(url.Values{})
	q.Set("refresh", "")
	return address("/outcome", q)
}

// pageURL is where the outcome is shown beside the sessions, to whoever loads no
// script.
func (o *outcome) pageURL(at place) string { return address("/", o.query(at.query())) }

func (o *outcome) query(q url.Values) url.Values {
	q.Set("ended", strconv.Itoa(o.Ended))
	q.Set("position", strconv.FormatUint(o.Position, 10))
	q.Set("began", strconv.FormatInt(o.Began.UnixMilli(), 10))
	q.Set("slowest", strconv.FormatInt(o.Slowest.Microseconds(), 10))
	return q
}

// Sentence is the whole in one line.
func (o *outcome) Sentence() string {
	l := o.Language
	ended := l.Say("outcome.ended", "N", o.Ended)
	if o.Ended == 0 {
		ended = l.Say("outcome.none")
	}
	if o.Behind {
		ended += " " + l.Say("outcome.behind")
	}
	return ended + " " + o.gateways(l)
}

func (o *outcome) gateways(l *words.Language) string {
	variables := []any{"Confirmed", o.Confirmed, "N", o.Total, "Slowest", l.Milliseconds(o.Slowest)}
	switch {
	case o.Total == 0:
		return l.Say("outcome.no_gateways")
	case o.Complete() && o.Slowest > 0:
		return l.Say("outcome.complete", variables...)
	case o.Complete():
		return l.Say("outcome.complete.unmeasured", variables...)
	default:
		return l.Say("outcome.partial", variables...)
	}
}

// ask waits for the gateways for a while. Their names and states are for those who
// may list them (GET /v1/gateways); everybody else hears how many have confirmed.
func (s *Screen) ask(ctx context.Context, viewer principal.Principal, o *outcome, within time.Duration) {
	waited := s.config.Now().Sub(o.Began)
	o.Over = waited >= confirmAtMost
	if o.Over {
		within = 0
	}
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	report := s.config.Fleet.Wait(ctx, viewer.Tenant, o.Position)
	gateways := map[string]fleet.Gateway{}
	for _, g := range s.config.Fleet.Gateways(viewer.Tenant) {
		gateways[g.Gateway] = g
	}
	o.Total, o.Confirmed = report.Total, len(report.Confirmed)
	o.measure(&report, max(0, waited), gateways)
	if !viewer.MayReadAll() {
		return
	}
	for _, m := range report.Missing {
		g := gateways[m.Gateway]
		o.Missing = append(o.Missing, missing{
			Name: nameOf(m.Name, "", m.Gateway), Seen: momentOf(g.Seen), Silent: g.Silent, Stale: g.Stale,
		})
	}
}

// measure finds out how long after the command the last confirmation came. One
// that came before anybody waited is the gateway's newest report, unless that was
// long ago.
func (o *outcome) measure(report *fleet.Report, waited time.Duration, gateways map[string]fleet.Gateway) {
	if report.Slowest > 0 {
		o.Slowest = max(o.Slowest, waited+report.Slowest)
	}
	if waited >= confirmWithin {
		return
	}
	for _, c := range report.Confirmed {
		if c.After == 0 {
			o.Slowest = max(o.Slowest, gateways[c.Gateway].Seen.Sub(o.Began))
		}
	}
}

// outcomeOf reads an outcome's address; nil if there is none in it.
func (s *Screen) outcomeOf(r *http.Request) *outcome {
	q := r.URL.Query()
	position, err := strconv.ParseUint(q.Get("position"), 10, 64)
	if err != nil || position == 0 {
		return nil
	}
	ended, _ := strconv.Atoi(q.Get("ended"))
	began, _ := strconv.ParseInt(q.Get("began"), 10, 64)
	slowest, _ := strconv.ParseInt(q.Get("slowest"), 10, 64)
	o := &outcome{page: s.frame(r), Ended: max(0, ended), Position: position, Began: time.UnixMilli(began)}
	o.Slowest = min(max(0, time.Duration(slowest)*time.Microsecond), confirmAtMost)
	if now := s.config.Now(); o.Began.After(now) {
		o.Began = now
	}
	return o
}

// showOutcome looks at the gateways again.
func (s *Screen) showOutcome(w http.ResponseWriter, r *http.Request) error {
	_, l, err := s.look(r, time.Time{})
	if err != nil {
		return err
	}
	o := s.outcomeOf(r)
	if o == nil || target(r) == "" {
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return nil
	}
	s.ask(r.Context(), l.Viewer, o, confirmMore)
	return s.render(w, r, http.StatusOK, "outcome", o)
}
