package recorder

import (
	"container/list"
	"context"
	"math"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/posse-pos/posse/pkg/commands"
)

// rank says which commands go first when there are more than can be carried out.
type rank int

// The ranks, the first to be refused first.
const (
	arrivals rank = iota // logins and touches
	renewals             // refreshes
	endings              // whatever ends sessions
	ranks    = iota
)

// Why a command was refused, as the metrics say it.
const (
	shedFull  = "full"  // as many were waiting as may
	shedLate  = "late"  // it waited as long as it may
	shedShare = "share" // its tenant had its share
)

// longestRetry is when whoever is refused is asked to come back at the latest, in
// seconds.
const longestRetry = 30

// places bounds how many commands are under way. A command takes a place, or waits
// for one in the queue of its rank, or is refused.
//
// The last places are for endings alone, and those before them for endings and
// renewals: a rank takes a place only while fewer are taken than its limit. So a
// login is never carried out at a moment at which an ending is refused, nor one at
// which an ending waits; and the same holds for a login and a renewal.
type places struct {
	limit [ranks]int           // how many are taken at most after one of the rank took one
	room  int                  // how many of each rank may wait
	wait  [ranks]time.Duration // how long
	share int                  // how many arrivals and renewals of a tenant are here at most

	mu      sync.Mutex
	taken   int
	queues  [ranks]list.List // of *waiting
	tenants map[string]int   // arrivals and renewals that are here, waiting ones too
	held    time.Duration    // how long a place was taken lately, a moving average
}

// waiting is a command in a queue.
type waiting struct{ admitted chan struct{} } // closed when it has a place

// newPlaces makes a number of places, three at least. Logins and refreshes wait
// for one for as long as given, and endings longer: whoever gives one up would only
// have to ask again.
func newPlaces(most int, wait, endingsWait time.Duration) *places {
	own := max(1, most/8)
	p := &places{
		limit:   [ranks]int{arrivals: most - 2*own, renewals: most - own, endings: most},
		room:    2 * most,
		wait:    [ranks]time.Duration{arrivals: wait, renewals: wait, endings: endingsWait},
		tenants: map[string]int{},
	}
	p.share = (p.limit[arrivals] + p.room) / 2
	return p
}

// inAll is how many commands are here at most.
func (p *places) inAll() int { return p.limit[endings] + ranks*p.room }

// count returns how many have a place, and how many wait for one.
func (p *places) count() (taken, waiting int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.taken, p.waiting()
}

// waiting is how many wait. The caller holds the lock.
func (p *places) waiting() (n int) {
	for r := range p.queues {
		n += p.queues[r].Len()
	}
	return n
}

// shedError says of a command that was refused why, for the metrics, and wraps what
// its caller is told.
type shedError struct {
	why  string
	told *commands.Error
}

// Error returns what the caller is told.
func (s *shedError) Error() string { return s.told.Error() }

// Unwrap returns it as an error of its own.
func (s *shedError) Unwrap() error { return s.told }

// take gets a place for a command of a tenant, which it leaves by calling leave.
// The error is a *shedError.
func (p *places) take(ctx context.Context, r rank, tenant string) (leave func(), err error) {
	w, err := p.enter(r, tenant)
	if err != nil {
		return nil, err
	}
	if w != nil {
		if err := p.await(ctx, r, w); err != nil {
			p.forget(r, tenant)
			return nil, err
		}
	}
	since := time.Now()
	return func() { p.leave(r, tenant, time.Since(since)) }, nil
}

// enter gets a place at once, in which case there is nothing to wait for.
func (p *places) enter(r rank, tenant string) (*list.Element, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.tooMany(r, tenant); err != nil {
		return nil, err
	}
	if r < endings {
		p.tenants[tenant]++
	}
	if p.taken < p.limit[r] { // then nobody of this rank or above waits
		p.taken++
		return nil, nil //nolint:nilnil // there is a place
	}
	return p.queues[r].PushBack(&waiting{admitted: make(chan struct{})}), nil
}

// look says whether a command that came now would be refused at once.
func (p *places) look(r rank, tenant string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.tooMany(r, tenant)
}

// tooMany refuses what there is no room for. The caller holds the lock.
func (p *places) tooMany(r rank, tenant string) error {
	switch {
	case r < endings && p.tenants[tenant] >= p.share:
		return p.refuse(shedShare, commands.ReasonTooMany, "%d commands of your tenant are under way already", p.tenants[tenant])
	case p.taken >= p.limit[r] && p.queues[r].Len() >= p.room:
		return p.refuse(shedFull, commands.ReasonBusy, "%d commands are under way and %d more wait", p.taken, p.waiting())
	}
	return nil
}

// await waits for a place, and gives up its turn when it took too long.
func (p *places) await(ctx context.Context, r rank, turn *list.Element) error {
	w, _ := turn.Value.(*waiting)
	timer := time.NewTimer(p.wait[r])
	defer timer.Stop()
	select {
	case <-w.admitted:
		return nil
	case <-timer.C:
	case <-ctx.Done():
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-w.admitted: // at the last moment
		return nil
	default:
	}
	p.queues[r].Remove(turn)
	return p.refuse(shedLate, commands.ReasonBusy, "%d commands were under way for as long as this one may wait", p.taken)
}

// refuse says that the command was not carried out, and when to try again: when
// those that are here will have gone, or up to twice as late, so that those who
// were refused together do not come back together. The caller holds the lock.
func (p *places) refuse(why string, reason commands.Reason, format string, args ...any) error {
	gone := p.held.Seconds() * float64(p.taken+p.waiting()) / float64(p.limit[endings])
	seconds := int(math.Ceil(min(max(gone, 1), longestRetry/2)))
	seconds += rand.IntN(seconds + 1) //nolint:gosec // it is no secret
	return &shedError{why, commands.Retry(reason, time.Duration(seconds)*time.Second, format+"; it was not carried out", args...)}
}

// leave hands a place to who waits for it, those of the highest rank first.
func (p *places) leave(r rank, tenant string, held time.Duration) {
	p.forget(r, tenant)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.held += (held - p.held) / 16
	p.taken--
	for r := endings; r >= arrivals; r-- {
		for first := p.queues[r].Front(); first != nil && p.taken < p.limit[r]; first = p.queues[r].Front() {
			if w, ok := p.queues[r].Remove(first).(*waiting); ok {
				p.taken++
				close(w.admitted)
			}
		}
	}
}

// forget has a command count no more for its tenant.
func (p *places) forget(r rank, tenant string) {
	if r == endings {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tenants[tenant]--
	if p.tenants[tenant] <= 0 {
		delete(p.tenants, tenant)
	}
}
