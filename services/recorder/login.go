package recorder

import (
	"context"
	"errors"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/commands"
	"github.com/posse-pos/posse/pkg/session"
	"github.com/posse-pos/posse/pkg/token"
)

// freshEnough is how old rows may be for a login to go by their number: fewer
// logins of one user than the slack below the hard cap fit in between.
const freshEnough = 5 * time.Second

func (r *Recorder) login(ctx context.Context, c commands.Login) (commands.LoggedIn, error) {
	if !c.Caller.Principal.MayRecord() {
		return commands.LoggedIn{}, commands.NewError(commands.ReasonForbidden, "only a POS backend records logins")
	}
	now := r.config.now()
	if err := checkLogin(c, now); err != nil {
		return commands.LoggedIn{}, err
	}
	command, err := r.loginCommand(c, now)
	if err != nil {
		return commands.LoggedIn{}, err
	}
	done, err := r.signIn(ctx, command, func() error { return r.room.forLogin(c.Caller.Principal) })
	if errors.Is(err, session.ErrExists) && c.Session == "" {
		return commands.LoggedIn{}, commands.NewError(commands.ReasonIdempotencyReused,
			"the idempotency key was used for a different login")
	}
	if err != nil {
		return commands.LoggedIn{}, err
	}
	return r.loggedIn(command, c.Roles, done)
}

func (r *Recorder) loginCommand(c commands.Login, now time.Time) (session.Login, error) {
	caller := c.Caller
	c.Caller = commands.Caller{}
	content, err := fingerprint("login", c)
	if err != nil {
		return session.Login{}, err
	}
	fresh := c.Session == "" && caller.IdempotencyKey == ""
	switch {
	case fresh:
		c.Session = newID()
	case c.Session == "":
		c.Session = "s-" + callerKey(caller)
	}
	return session.Login{
		Key:      events.Key{Tenant: caller.Principal.Tenant, User: c.User, Session: c.Session},
		ID:       "l-" + digest(caller.Principal.Tenant, c.Session, content),
		Now:      now,
		Created:  millis(c.Created),
		Expires:  millis(c.Expires),
		FreshID:  fresh,
		Platform: c.Platform, AppVersion: c.AppVersion, Build: c.Build,
		Personal:  c.Personal,
		Policy:    r.config.Policies.Of(caller.Principal.Tenant),
		CommandID: commandID(caller),
	}, nil
}

func millis(t time.Time) time.Time { return t.UTC().Truncate(time.Millisecond) }

// signIn takes the short way for a login that decides nothing.
func (r *Recorder) signIn(ctx context.Context, c session.Login, admit func() error) (outcome, error) {
	done, ok, err := r.signInPlainly(ctx, c, admit)
	if ok || err != nil {
		return done, err
	}
	return r.carryOut(ctx, order{
		who: ref{Tenant: c.Tenant, User: c.User}, command: c, id: idOf(c.ID), admit: admit,
		prepare: func(ctx context.Context, state session.State) (session.State, error) { return r.recall(ctx, state, c) },
	})
}

// signInPlainly appends without a fold and without an expectation, if the rows
// say that this user is far from any cap.
func (r *Recorder) signInPlainly(ctx context.Context, c session.Login, admit func() error) (outcome, bool, error) {
	if !c.FreshID || c.Policy.MaxSessions > 0 || r.users.reader == nil {
		return outcome{}, false, nil
	}
	rows, fresh, err := r.users.reader.History(ctx, c.Tenant, c.User, c.Now)
	if err != nil || c.Now.Sub(fresh.AsOf) > freshEnough {
		return outcome{}, false, ctx.Err() // carryOut folds, or says why not
	}
	d, err := session.Decide(FromRows(rows, fresh.Position), c)
	if err != nil || d.NeedsExpectation {
		return outcome{}, false, err
	}
	if err := admit(); err != nil {
		return outcome{}, false, err
	}
	envelopes := envelopesOf(d.Facts, idOf(c.ID))
	position, err := r.appendPlainly(ctx, envelopes)
	return outcome{Decision: d, Position: position}, true, err
}

// appendPlainly repeats under the same event ids, which is safe.
func (r *Recorder) appendPlainly(ctx context.Context, envelopes []events.Envelope) (uint64, error) {
	return backoff.Retry(ctx, func() (uint64, error) {
		last, err := r.log.Append(ctx, envelopes, nil)
		if err != nil && !isUnavailable(err) {
			err = backoff.Permanent(err)
		}
		return last, err
	}, backoff.WithMaxTries(3), backoff.WithBackOff(briefly()), backoff.WithMaxElapsedTime(0))
}

// recall adds what the fold may have forgotten: that a session with this id
// expired long ago, or that the id was revoked for another user, whose entry in
// the gateways' deny-sets would refuse this session too.
func (r *Recorder) recall(ctx context.Context, state session.State, c session.Login) (session.State, error) {
	if _, known := state.Session(c.Session); known || c.FreshID || r.users.reader == nil {
		return state, nil
	}
	rows, err := r.rowsOf(ctx, c.Tenant, c.Session)
	switch {
	case errors.Is(err, commands.ErrNotFound):
		return state, nil
	case err != nil:
		// The log knows this user's sessions, too; it only takes longer.
		return r.users.catchUp(ctx, ref{Tenant: c.Tenant, User: c.User}, session.State{})
	}
	for i := range rows {
		switch {
		case rows[i].User == c.User:
			state = state.With(fromRow(&rows[i]))
		case rows[i].End != nil:
			return state, commands.NewError(commands.ReasonSessionEnded, "a session %q has ended, its id is not used again", c.Session)
		}
	}
	return state, nil
}

func (r *Recorder) loggedIn(c session.Login, roles []string, done outcome) (commands.LoggedIn, error) {
	s := done.Session
	answer := commands.LoggedIn{
		Session: c.Session, User: c.User, Tenant: c.Tenant,
		Created: s.Created, Expires: s.Expires, Position: done.Position, Ended: len(done.Ended),
	}
	// Whoever repeats a login whose tokens were refreshed since gets no second
	// set of them: the two would kill each other.
	if r.config.Issuer == nil || s.Generation > 0 || !s.Expires.After(c.Now) {
		return answer, nil
	}
	var err error
	answer.Tokens, err = r.mint(token.Grant{
		Tenant: c.Tenant, User: c.User, Session: c.Session, Roles: roles, Expires: s.Expires,
	})
	return answer, err
}

func (r *Recorder) mint(g token.Grant) (*commands.Tokens, error) {
	pair, err := r.config.Issuer.Mint(g)
	if err != nil {
		return nil, err
	}
	return &commands.Tokens{
		Access: pair.Access, AccessExpires: pair.AccessExpires,
		Refresh: pair.Refresh, RefreshExpires: pair.RefreshExpires,
	}, nil
}
