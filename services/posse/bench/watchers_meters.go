package bench

import (
	"context"
	"time"

	"github.com/posse-pos/posse/events"
)

// counts are of what happened since the shop opened, or of what happens in a
// second.
type counts struct {
	cpu          float64 // seconds of the query service
	touches      float64 // stored
	announced    float64 // times that changes were
	transactions float64 // in PostgreSQL
	refreshes    float64 // of panes
}

// reading is what was counted by a moment.
type reading struct {
	at time.Time
	counts
}

// read reads all meters but that of the refreshes, which the screens are.
func (s *shop) read(ctx context.Context) (r reading, err error) {
	state, err := s.rig.log.State(ctx, events.StreamTouches)
	if err != nil {
		return r, err
	}
	if r.transactions, err = s.transactions(ctx); err != nil {
		return r, err
	}
	r.touches, r.announced, r.at = float64(state.Last), float64(s.announced.Load()), time.Now()
	r.cpu, err = s.query.cpu(ctx)
	return r, err
}

// transactions is how many PostgreSQL has seen. It learns of them with the delay
// of a second.
func (s *shop) transactions(ctx context.Context) (n float64, err error) {
	const sql = "SELECT (xact_commit + xact_rollback)::float8 FROM pg_stat_database WHERE datname = current_database()"
	err = s.database.QueryRow(ctx, sql).Scan(&n)
	return n, err
}

// watched is what happened between two readings of the meters while so many
// screens were open.
type watched struct {
	screens  int
	from, to reading
	samples  []time.Duration // from a touch until its screen showed it
	longest  time.Duration   // that a screen's sessions were not refreshed
}

// add adds what a screen saw.
func (w *watched) add(s *openScreen) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, sample := range s.samples {
		if w.during(sample.touched) {
			w.samples = append(w.samples, sample.shown.Sub(sample.touched))
		}
	}
	for _, p := range s.panes {
		n, longest := w.refreshed(p.answered)
		w.to.refreshes += float64(n)
		if p == s.panes[0] {
			w.longest = max(w.longest, longest)
		}
	}
}

func (w *watched) during(at time.Time) bool { return !at.Before(w.from.at) && at.Before(w.to.at) }

// refreshed counts the moments that were between the readings, and finds the
// longest time without one.
func (w *watched) refreshed(moments []time.Time) (n int, longest time.Duration) {
	last := w.from.at
	for _, at := range moments {
		if w.during(at) {
			longest = max(longest, at.Sub(last))
			last = at
			n++
		}
	}
	return n, max(longest, w.to.at.Sub(last))
}

// perSecond is what happened in a second.
func (w *watched) perSecond() counts {
	seconds := w.to.at.Sub(w.from.at).Seconds()
	return counts{
		cpu:          (w.to.cpu - w.from.cpu) / seconds,
		touches:      (w.to.touches - w.from.touches) / seconds,
		announced:    (w.to.announced - w.from.announced) / seconds,
		transactions: (w.to.transactions - w.from.transactions) / seconds,
		refreshes:    (w.to.refreshes - w.from.refreshes) / seconds,
	}
}
