package gateway

import (
	"sync/atomic"
	"time"
)

// reasons are all that a decision can be, in the order in which they are counted.
var reasons = []Reason{
	ReasonAllowed, ReasonAllowedStale, ReasonRevoked, ReasonExpired, ReasonInvalid,
	ReasonMissing, ReasonStale, ReasonNotReady, ReasonKeys,
}

// Reasons returns every Reason there is, for those who list them in a metric.
func Reasons() []Reason { return append([]Reason(nil), reasons...) }

type decisions struct {
	counts [16]atomic.Uint64
}

func (d *decisions) count(reason Reason) {
	for i, r := range reasons {
		if r == reason {
			d.counts[i].Add(1)
			return
		}
	}
}

// Stats is what a gateway knows of itself at a moment.
type Stats struct {
	// ID is the gateway's.
	ID string
	// Loaded says that the revocations were loaded once, from NATS or a snapshot.
	Loaded bool
	// Stale says that newer revocations may be missing, for StaleFor now.
	Stale    bool
	StaleFor time.Duration
	// Age is how old the newest word of a relay is. It is zero if Loaded is false.
	Age time.Duration
	// Entries is how many revoked sessions are remembered.
	Entries int
	// Applied is the position in POS_SESSIONS up to which every revocation is
	// known.
	Applied uint64
	// Decisions counts the decisions of Check, CheckSession and Admit.
	Decisions map[Reason]uint64
	// TouchesSent are stored, TouchesCoalesced are requests covered by another's
	// touch, TouchesFailed were tried again, TouchesDropped are requests of sessions
	// beyond Config.TrackedSessions.
	TouchesSent, TouchesCoalesced, TouchesFailed, TouchesDropped uint64
	// TrackedSessions is how many sessions' activity is tracked.
	TrackedSessions int
	// UnreadableTicks counts ticks that could not be read.
	UnreadableTicks uint64
}

// Stats returns what the gateway knows of itself now.
func (g *Gateway) Stats() Stats {
	now := g.cfg.Now()
	s := Stats{
		ID: g.cfg.ID, Loaded: g.state.loaded.Load(),
		Entries: g.state.set.Load().Len(), Applied: g.state.applied.Load(),
		Decisions:   make(map[Reason]uint64, len(reasons)),
		TouchesSent: g.touches.sent.Load(), TouchesCoalesced: g.touches.coalesced.Load(),
		TouchesFailed: g.touches.failed.Load(), TouchesDropped: g.touches.dropped.Load(),
		TrackedSessions: int(g.touches.size.Load()), UnreadableTicks: g.follower.badTicks.Load(),
	}
	for i, reason := range reasons {
		s.Decisions[reason] = g.decided.counts[i].Load()
	}
	staleFor, stale := g.state.staleFor(now)
	s.Stale = stale || !s.Loaded
	if s.Loaded {
		s.StaleFor = max(0, staleFor)
		s.Age = max(0, staleFor+g.cfg.StaleAfter)
	}
	return s
}
