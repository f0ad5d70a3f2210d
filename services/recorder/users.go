package recorder

import (
	"context"
	"fmt"
	"log/slog"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/posse-pos/posse/pkg/activesessions"
	"github.com/posse-pos/posse/pkg/eventlog"
	"github.com/posse-pos/posse/pkg/session"
)

type ref = activesessions.UserRef

// users folds users and keeps the folds.
type users struct {
	config  Config
	log     Log
	reader  activesessions.Reader
	cache   *lru.Cache[ref, session.State]
	metrics *metrics
}

func newUsers(config Config, m *metrics) *users {
	cache, err := lru.New[ref, session.State](config.CachedUsers)
	if err != nil {
		panic(err) // only for a size below one, which withDefaults and New refuse
	}
	return &users{config: config, log: config.Log, reader: config.Reader, cache: cache, metrics: m}
}

// view is a user as a command sees it.
type view struct {
	ref
	state session.State
	// current says that the state was read for this command; a kept one may
	// have been overtaken.
	current bool
}

// get returns a kept fold, or makes one.
func (u *users) get(ctx context.Context, who ref) (view, error) {
	if state, ok := u.cache.Get(who); ok {
		u.metrics.folds.WithLabelValues("cache").Inc()
		return view{ref: who, state: state}, nil
	}
	state, err := u.fold(ctx, who)
	return view{ref: who, state: state, current: true}, err
}

// keep remembers a fold. A state without anything is not worth a place.
func (u *users) keep(v view) {
	if v.state.LastSequence == 0 {
		return
	}
	if u.reader != nil {
		v.state = v.state.Without(u.config.now())
	}
	u.cache.Add(v.ref, v.state)
}

// fold starts from the read model's rows if it can.
func (u *users) fold(ctx context.Context, who ref) (session.State, error) {
	if u.reader != nil {
		state, err := u.fromRows(ctx, who)
		if err == nil || ctx.Err() != nil {
			u.metrics.folds.WithLabelValues("rows").Inc()
			return state, err
		}
		u.config.Logger.WarnContext(ctx, "read model does not answer, folding from the log", slog.Any("error", err))
	}
	u.metrics.folds.WithLabelValues("log").Inc()
	return u.catchUp(ctx, who, session.State{})
}

// fromRows takes the rows as of the read model's position for a snapshot. The
// rows are read first: whatever was appended since is in the log after it.
func (u *users) fromRows(ctx context.Context, who ref) (session.State, error) {
	rows, fresh, err := u.reader.History(ctx, who.Tenant, who.User, u.config.now())
	if err != nil {
		return session.State{}, err
	}
	last, err := u.log.LastSequence(ctx, who.Tenant, who.User)
	if err != nil {
		return session.State{}, err
	}
	state := FromRows(rows, min(last, fresh.Position))
	if last <= fresh.Position {
		return state, nil
	}
	return u.catchUp(ctx, who, state)
}

// catchUp folds what was appended since. Where that goes on with a session which
// the state left out because it had expired, by a clock that runs ahead or by
// rows that were behind, the whole history is read instead.
func (u *users) catchUp(ctx context.Context, who ref, state session.State) (session.State, error) {
	after, err := u.evolve(ctx, who, state)
	if err != nil || after.Complete() {
		return after, err
	}
	u.metrics.folds.WithLabelValues("log").Inc()
	return u.evolve(ctx, who, session.State{})
}

func (u *users) evolve(ctx context.Context, who ref, state session.State) (session.State, error) {
	recorded, err := u.log.User(ctx, who.Tenant, who.User, state.LastSequence)
	if err != nil {
		return state, fmt.Errorf("recorder: read history of user: %w", err)
	}
	return session.Evolve(state, facts(recorded)...), nil
}

// overtaken catches up after a conflict. When there is nothing to fold, what
// overtook is a message that cannot be decoded: it is passed over, as every
// other reader does.
func (u *users) overtaken(ctx context.Context, v *view) error {
	before := v.state.LastSequence
	if err := u.refresh(ctx, v); err != nil || v.state.LastSequence != before {
		return err
	}
	last, err := u.log.LastSequence(ctx, v.Tenant, v.User)
	v.state.LastSequence = max(last, before)
	return err
}

func (u *users) refresh(ctx context.Context, v *view) error {
	state, err := u.catchUp(ctx, v.ref, v.state)
	if err != nil {
		return err
	}
	v.state, v.current = state, true
	u.keep(*v)
	return nil
}

func facts(recorded []eventlog.Recorded) []session.Fact {
	out := make([]session.Fact, len(recorded))
	for i, r := range recorded {
		out[i] = session.Fact{ID: r.ID, Sequence: r.Sequence, Event: r.Event}
	}
	return out
}

// FromRows is the state of a user whose rows the read model shows, as of the
// user's fact at a sequence.
func FromRows(rows []activesessions.Session, lastSequence uint64) session.State {
	sessions := make([]session.Session, len(rows))
	for i := range rows {
		sessions[i] = fromRow(&rows[i])
	}
	return session.NewState(lastSequence, sessions...)
}

func fromRow(row *activesessions.Session) session.Session {
	s := session.Session{
		ID:            row.Session,
		LoginID:       row.LoginID,
		LoginSequence: row.LoginSequence,
		Created:       row.Created,
		Expires:       row.Expires,
		LastActive:    row.LastActive,
		UserAgent:     row.UserAgent,
		Generation:    row.Generation,
	}
	if row.End != nil {
		s.End = &session.End{Cause: row.End.Cause, CommandID: row.End.CommandID, Sequence: row.End.Sequence}
	}
	return s
}
