// Package reads answers questions about people and their sessions for a
// principal: who may see what, as of which moment, and what a row says at it.
// The API, the Sessions screen and the incumbent's API all ask here, so they
// cannot differ.
//
// Every answer is for the tenant of the viewer. Ids of another tenant, and of
// people whom the viewer may not see, are answered exactly as ids that nobody
// has. Errors are those of package commands.
package reads

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/posse-pos/posse/pkg/activesessions"
	"github.com/posse-pos/posse/pkg/commands"
	"github.com/posse-pos/posse/pkg/principal"
)

// ActiveWithin is how recent the last request of somebody is who is "active now".
const ActiveWithin = 5 * time.Minute

// ErrFuture says that a moment to look at has not come yet.
var ErrFuture = errors.New("reads: the moment lies in the future")

// Reads answers questions. It is safe for concurrent use.
type Reads struct {
	store  activesessions.Reader
	now    func() time.Time
	logger *slog.Logger
}

// New returns answers from a store. A nil clock is time.Now, a nil logger
// slog.Default().
func New(store activesessions.Reader, now func() time.Time, logger *slog.Logger) *Reads {
	if now == nil {
		now = time.Now
	}
	if logger == nil {
		logger = slog.Default()
	}
	return &Reads{store: store, now: now, logger: logger}
}

// Lens is who looks, and at which moment.
type Lens struct {
	*Reads

	Viewer principal.Principal
	Now    time.Time
	At     time.Time // Now, or the past moment that was asked for
	AsOf   time.Time // the past moment that was asked for, zero for none
}

// Look is for reads about people, which backends may not make. A zero moment is
// now. The error is ErrFuture or that backends are forbidden to look.
func (r *Reads) Look(viewer principal.Principal, moment time.Time) (*Lens, error) {
	l := r.LookAnyone(viewer)
	switch {
	case viewer.Kind == principal.Backend:
		return nil, commands.NewError(commands.ReasonForbidden, "a backend key records sessions and does not read them")
	case moment.After(l.Now):
		return nil, ErrFuture
	case !moment.IsZero():
		l.AsOf = moment.UTC()
		l.At = l.AsOf
	}
	return l, nil
}

// LookAnyone is for reads that every principal may make.
func (r *Reads) LookAnyone(viewer principal.Principal) *Lens {
	now := r.now().UTC().Truncate(time.Millisecond)
	return &Lens{Reads: r, Viewer: viewer, Now: now, At: now}
}

// WaitFor returns when the read model shows a position of POS_SESSIONS.
func (r *Reads) WaitFor(ctx context.Context, position uint64) error {
	if position == 0 {
		return nil
	}
	if err := r.store.WaitFor(ctx, position); err != nil {
		return r.Failure(ctx, err)
	}
	return nil
}

// Freshness says what a read would show.
func (r *Reads) Freshness(ctx context.Context) (activesessions.Freshness, error) {
	fresh, err := r.store.Freshness(ctx)
	if err != nil {
		return fresh, r.Failure(ctx, err)
	}
	return fresh, nil
}

// Failure says an error of the read model to a caller.
func (r *Reads) Failure(ctx context.Context, err error) error {
	switch {
	case errors.Is(err, activesessions.ErrNotFound):
		return noSession()
	case errors.Is(err, activesessions.ErrBehind):
		return commands.Retry(commands.ReasonBehind, time.Second, "the read model did not reach that position in time")
	case errors.Is(err, activesessions.ErrPageToken):
		return commands.Invalid(commands.Field{Name: "query.page_token", Message: "is of no earlier answer; start at the first page"})
	case ctx.Err() != nil:
		return ctx.Err()
	default:
		r.logger.Error("the read model did not answer", "error", err)
		return commands.Retry(commands.ReasonUnavailable, time.Second, "the read model does not answer")
	}
}

// noUser and noSession say the same of ids that nobody has, that belong to
// another tenant, and that the viewer may not see.
func noUser() error { return commands.NewError(commands.ReasonNotFound, "there is no such user") }

func noSession() error { return commands.NewError(commands.ReasonNotFound, "there is no such session") }
