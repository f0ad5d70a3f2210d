package recorder

import (
	"context"
	"errors"
	"slices"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/commands"
	"github.com/posse-pos/posse/pkg/eventlog"
	"github.com/posse-pos/posse/pkg/principal"
	"github.com/posse-pos/posse/pkg/session"
)

func (r *Recorder) endSession(ctx context.Context, c commands.EndSession) (commands.Ended, error) {
	if err := checkReasons(c.Reasons); err != nil {
		return commands.Ended{}, err
	}
	if events.ValidateID("session", c.Session) != nil {
		return commands.Ended{}, noSession(c.Session)
	}
	unsigned := c // who repeats a command may come from elsewhere
	unsigned.Caller = commands.Caller{}
	return r.once(ctx, c.Caller, "end_session", unsigned, func(ctx context.Context, command string) (commands.Ended, error) {
		return r.endEverywhere(ctx, c, command)
	})
}

// endEverywhere ends the session for every user of the tenant that has it, as
// the gateways will see it.
func (r *Recorder) endEverywhere(ctx context.Context, c commands.EndSession, command string) (commands.Ended, error) {
	owners, err := r.ownersOf(ctx, c.Caller.Principal, c.Session)
	if err != nil {
		return commands.Ended{}, err
	}
	var all commands.Ended
	for _, o := range owners {
		ending := r.ending(c.Caller, o.user, command, c.Reasons)
		if c.Session == c.Caller.Principal.Session && o.user == c.Caller.Principal.User {
			ending.Cause = events.CauseLogout
		}
		ended, err := r.end(ctx, c.Caller, ending, session.EndOne{Ending: ending, Session: c.Session}, o.has...)
		if err != nil {
			return commands.Ended{}, err
		}
		all.Ended += ended.Ended
		all.Position = max(all.Position, ended.Position)
		all.Sessions = slices.Compact(append(all.Sessions, ended.Sessions...))
	}
	return all, nil
}

func (r *Recorder) endUser(ctx context.Context, c commands.EndUser) (commands.Ended, error) {
	if err := checkReasons(c.Reasons); err != nil {
		return commands.Ended{}, err
	}
	if err := mayEnd(c.Caller.Principal, c.User); err != nil {
		return commands.Ended{}, err
	}
	unsigned := c
	unsigned.Caller = commands.Caller{}
	return r.once(ctx, c.Caller, "end_user", unsigned, func(ctx context.Context, command string) (commands.Ended, error) {
		ending := r.ending(c.Caller, c.User, command, c.Reasons)
		if c.Except == "" {
			return r.end(ctx, c.Caller, ending, session.EndAll{Ending: ending})
		}
		return r.end(ctx, c.Caller, ending, session.EndOthers{Ending: ending, Keep: c.Except})
	})
}

// mayEnd answers for somebody else's user what it answers for nobody's.
func mayEnd(p principal.Principal, user string) error {
	switch {
	case events.ValidateID("user", user) != nil:
		return noUser(user)
	case p.MayEnd(user):
		return nil
	case p.MayReadAll():
		return commands.NewError(commands.ReasonForbidden, "an auditor ends no sessions but their own")
	default:
		return noUser(user)
	}
}

func noUser(user string) error {
	return commands.NewError(commands.ReasonNotFound, "there is no user %q", user)
}

func noSession(id string) error {
	return commands.NewError(commands.ReasonNotFound, "there is no session %q", id)
}

func (r *Recorder) ending(caller commands.Caller, user, command string, reasons commands.Reasons) session.Ending {
	p := caller.Principal
	e := session.Ending{
		Tenant: p.Tenant, User: user, Now: r.config.now(), CommandID: command,
		By:       events.InitiatedByAdmin,
		Actor:    events.Actor{User: p.User, Session: p.Session},
		Personal: events.RevokedPersonal{ActorIP: caller.IP, ReasonAdmin: reasons.Admin, ReasonUser: reasons.User},
	}
	switch {
	case p.Kind == principal.Backend:
		e.By, e.Actor, e.Personal.ActorIP = events.InitiatedBySystem, events.Actor{}, ""
	case p.User == user:
		e.By = events.InitiatedByUser
	}
	return e
}

// end carries out a command that ends sessions. What else is known of the user
// than the fold says, such as a session that expired, is given beside it.
func (r *Recorder) end(
	ctx context.Context, caller commands.Caller, e session.Ending, command session.Command, known ...session.Session,
) (commands.Ended, error) {
	done, err := r.carryOut(ctx, order{
		who: ref{Tenant: e.Tenant, User: e.User}, command: command, id: idOf(""),
		prepare: func(_ context.Context, state session.State) (session.State, error) {
			if state.LastSequence == 0 {
				return state, noUser(e.User)
			}
			for _, x := range known {
				state = state.With(x)
			}
			return state, stillSignedIn(state, caller.Principal, e)
		},
	})
	if err != nil {
		return commands.Ended{}, err
	}
	return commands.Ended{Ended: len(done.Ended), Position: done.Position, Sessions: done.Ended}, nil
}

// stillSignedIn refuses a caller whose own session the facts show as ended,
// before a gateway's deny-set knows it. Whom this very command ended may hear
// its answer again.
func stillSignedIn(state session.State, p principal.Principal, e session.Ending) error {
	if p.User != e.User {
		return nil
	}
	own, known := state.Session(p.Session)
	if !known || own.End == nil || own.End.CommandID == e.CommandID {
		return nil
	}
	return commands.NewError(commands.ReasonSessionRevoked, "the session of this token has ended")
}

func isUnavailable(err error) bool { return errors.Is(err, eventlog.ErrUnavailable) }
