package recorder

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"sync/atomic"
	"time"

	"github.com/posse-pos/posse/pkg/commands"
	"github.com/posse-pos/posse/pkg/eventlog"
	"github.com/posse-pos/posse/pkg/principal"
)

const (
	// roomTimeout is how long one look may take.
	roomTimeout = 5 * time.Second
	// fullAfter is when a caller is asked to try again whom there is no room for.
	fullAfter = 30 * time.Second
)

// room keeps what is left of the log's storage for ending sessions:
//
//	left ≥ reserve            everything is taken
//	reserve > left ≥ half     no logins; whoever is signed in goes on
//	half > left               no refreshes, touches and sign-ins to the screen either
//
// Ends are taken as long as the log takes them. Commands look at a number in memory,
// which watch renews. When the log cannot be asked, what it said last stands. As long
// as it has never said, everything is taken: a shop whose NATS does not tell is to open
// all the same, and is then told by the log itself when it is full.
type room struct {
	gauge   eventlog.Gauge // nil means that nobody looks
	every   time.Duration
	reserve int64 // bytes
	logger  *slog.Logger

	left  atomic.Int64 // bytes; notKnown at first
	short bool         // what was logged last; only watch touches it
	blind bool         // likewise, that it cannot be told
}

const notKnown = math.MaxInt64

func newRoom(config Config) *room {
	r := &room{gauge: config.Room, every: config.RoomEvery, reserve: config.Reserve, logger: config.Logger}
	r.left.Store(notKnown)
	return r
}

// forLogin and forActivity are an error when there is no room for one more.
func (r *room) forLogin(p principal.Principal) error {
	if p.KeyID == principal.ScreenKeyID {
		return r.forActivity() // who signs in there may have come to end sessions
	}
	return r.over(r.reserve, "no further logins are recorded")
}

func (r *room) forActivity() error {
	return r.over(r.reserve/2, "neither logins nor activity are recorded any more")
}

func (r *room) over(least int64, what string) error {
	if r.left.Load() >= least {
		return nil
	}
	return commands.Retry(commands.ReasonStorageFull, fullAfter, "%s: the log's storage is nearly full, and what is left of it "+
		"is kept for ending sessions; once it has more room this goes on by itself", what)
}

// watch looks at once and then every now and then, until the context ends.
func (r *room) watch(ctx context.Context) {
	if r.gauge == nil {
		return
	}
	ticker := time.NewTicker(r.every)
	defer ticker.Stop()
	for {
		r.look(ctx)
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

func (r *room) look(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, roomTimeout)
	defer cancel()
	found, err := r.gauge.Room(ctx)
	switch {
	case errors.Is(err, eventlog.ErrRoomUnknown) && !r.blind:
		r.blind = true
		r.logger.WarnContext(ctx, "nothing is kept for ending sessions when the storage is full: how full it is cannot be told",
			slog.Any("error", err))
	case err == nil:
		r.blind = false
		r.left.Store(found.Left)
		r.say(ctx, found)
	}
}

// say logs when logins begin to be refused, and when they are taken again.
func (r *room) say(ctx context.Context, found eventlog.Room) {
	short := found.Left < r.reserve
	if short == r.short {
		return
	}
	r.short = short
	attributes := []any{slog.Int64("left_bytes", found.Left), slog.Int64("reserve_bytes", r.reserve), slog.String("where", found.Where)}
	if short {
		r.logger.ErrorContext(ctx, "logins are refused: what is left of the log's storage is kept for ending sessions", attributes...)
		return
	}
	r.logger.InfoContext(ctx, "logins are taken again: the log has room", attributes...)
}

// leftBytes is the metric; NaN says that nobody knows.
func (r *room) leftBytes() float64 {
	left := r.left.Load()
	if left == notKnown {
		return math.NaN()
	}
	return float64(left)
}
