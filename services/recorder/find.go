package recorder

import (
	"context"
	"errors"
	"log/slog"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/activesessions"
	"github.com/posse-pos/posse/pkg/commands"
	"github.com/posse-pos/posse/pkg/principal"
	"github.com/posse-pos/posse/pkg/session"
)

// owner is a user who has a session of some id, and what the read model shows
// of it, if it was asked: a fold may have forgotten a session that expired.
type owner struct {
	user string
	has  []session.Session
}

// ownersOf finds whose session an id is: usually one user's.
func (r *Recorder) ownersOf(ctx context.Context, p principal.Principal, id string) ([]owner, error) {
	switch {
	case p.User != "" && id == p.Session:
		return []owner{{user: p.User}}, nil
	case p.Kind == principal.User, p.Kind == principal.Auditor:
		return r.ownSession(ctx, p, id)
	case r.users.reader == nil:
		return nil, commands.NewError(commands.ReasonUnavailable, "without a read model, name the user and not only the session")
	}
	rows, err := r.findSession(ctx, p.Tenant, id)
	owners := make([]owner, len(rows))
	for i := range rows {
		owners[i] = owner{rows[i].User, []session.Session{fromRow(&rows[i])}}
	}
	return owners, err
}

// ownSession lets users end sessions of their own; what other people have does
// not exist for them.
func (r *Recorder) ownSession(ctx context.Context, p principal.Principal, id string) ([]owner, error) {
	v, err := r.users.get(ctx, ref{Tenant: p.Tenant, User: p.User})
	if err == nil && !v.current {
		if _, own := v.state.Session(id); !own {
			err = r.users.refresh(ctx, &v)
		}
	}
	if err != nil {
		return nil, err
	}
	if _, own := v.state.Session(id); own {
		return []owner{{user: p.User}}, nil
	}
	return r.ownExpired(ctx, p, id)
}

func (r *Recorder) ownExpired(ctx context.Context, p principal.Principal, id string) ([]owner, error) {
	if r.users.reader != nil {
		rows, err := r.rowsOf(ctx, p.Tenant, id)
		for i := range rows {
			if rows[i].User == p.User {
				return []owner{{p.User, []session.Session{fromRow(&rows[i])}}}, nil
			}
		}
		if err != nil && !errors.Is(err, commands.ErrNotFound) {
			return nil, err
		}
	}
	if p.MayReadAll() {
		return nil, commands.NewError(commands.ReasonForbidden, "an auditor ends no sessions but their own")
	}
	return nil, noSession(id)
}

// findSession looks in the read model, and once more when that has seen
// everything that the log holds now.
func (r *Recorder) findSession(ctx context.Context, tenant, id string) ([]activesessions.Session, error) {
	rows, err := r.rowsOf(ctx, tenant, id)
	if !errors.Is(err, commands.ErrNotFound) {
		return rows, err
	}
	if err := r.awaitReadModel(ctx); err != nil {
		return nil, err
	}
	return r.rowsOf(ctx, tenant, id)
}

func (r *Recorder) rowsOf(ctx context.Context, tenant, id string) ([]activesessions.Session, error) {
	rows, _, err := r.users.reader.Session(ctx, tenant, id)
	switch {
	case errors.Is(err, activesessions.ErrNotFound):
		return nil, noSession(id)
	case err != nil:
		return nil, errors.Join(commands.Retry(commands.ReasonUnavailable, busyAfter, "the read model does not answer"), err)
	}
	return rows, nil
}

func (r *Recorder) awaitReadModel(ctx context.Context) error {
	end, err := r.log.State(ctx, events.StreamSessions)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, r.config.ReadModelWait)
	defer cancel()
	err = r.users.reader.WaitFor(ctx, end.Last)
	if errors.Is(err, activesessions.ErrBehind) {
		r.logger.WarnContext(ctx, "read model lags behind the log", slog.Uint64("log_end", end.Last))
		return commands.Retry(commands.ReasonUnavailable, busyAfter,
			"the read model lags: whether there is such a session is not known yet")
	}
	return err
}
