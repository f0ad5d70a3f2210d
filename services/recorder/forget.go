package recorder

import (
	"context"
	"errors"
	"slices"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/commands"
	"github.com/posse-pos/posse/pkg/session"
)

// forgetUser records that a user is forgotten and then destroys the keys. The fact
// comes first: whoever folds the log destroys them too, so a process that ends in
// between leaves nothing undone.
func (r *Recorder) forgetUser(ctx context.Context, c commands.ForgetUser) (commands.Ended, error) {
	switch {
	case events.ValidateID("user", c.User) != nil:
		return commands.Ended{}, noUser(c.User)
	case !c.Caller.Principal.MayForget():
		return commands.Ended{}, commands.NewError(commands.ReasonForbidden, "only an administrator has a user forgotten")
	}
	unsigned := c
	unsigned.Caller = commands.Caller{}
	return r.once(ctx, c.Caller, "forget_user", unsigned, func(ctx context.Context, command string) (commands.Ended, error) {
		who := ref{Tenant: c.Caller.Principal.Tenant, User: c.User}
		if c.Caller.IdempotencyKey == "" {
			return r.forget(ctx, c.Caller, who, command)
		}
		before, position, err := r.forgottenBy(ctx, who, command)
		if err != nil {
			return commands.Ended{}, err
		}
		if before != nil {
			return commands.Ended{Position: position, Sessions: []string{}}, r.destroy(ctx, *before, position)
		}
		return r.forget(ctx, c.Caller, who, command)
	})
}

// forgottenBy finds the fact of an earlier try with the same idempotency key, since
// which the user may have come back: it is not to be forgotten twice.
func (r *Recorder) forgottenBy(ctx context.Context, who ref, command string) (*events.Forgotten, uint64, error) {
	facts, err := r.log.User(ctx, who.Tenant, who.User, 0)
	if err != nil {
		return nil, 0, err
	}
	for _, fact := range slices.Backward(facts) {
		if forgotten, ok := fact.Event.(events.Forgotten); ok && forgotten.CommandID == command {
			return &forgotten, fact.Sequence, nil
		}
	}
	return nil, 0, nil
}

func (r *Recorder) forget(ctx context.Context, caller commands.Caller, who ref, command string) (commands.Ended, error) {
	ending := r.ending(caller, who.User, command, commands.Reasons{})
	forget := &session.Forget{Ending: ending}
	done, err := r.carryOut(ctx, order{
		who: who, command: forget, id: idOf("f-" + digest(command, who.Tenant, who.User)),
		prepare: func(ctx context.Context, state session.State) (session.State, error) {
			if state.LastSequence == 0 {
				return state, noUser(who.User)
			}
			if err := stillSignedIn(state, caller.Principal, ending); err != nil {
				return state, err
			}
			var err error
			forget.Keys, err = r.log.Keys(ctx, who.Tenant, who.User)
			return state, err
		},
	})
	if err != nil {
		return commands.Ended{}, err
	}
	ended := commands.Ended{Ended: len(done.Ended), Position: done.Position, Sessions: done.Ended}
	forgotten, ok := done.Facts[len(done.Facts)-1].(events.Forgotten)
	if !ok {
		return ended, errors.New("recorder: the last fact of forgetting is another")
	}
	return ended, r.destroy(ctx, forgotten, done.Position)
}

func (r *Recorder) destroy(ctx context.Context, forgotten events.Forgotten, position uint64) error {
	err := r.log.Destroy(ctx, forgotten)
	if err == nil {
		return nil
	}
	later := commands.Retry(commands.ReasonUnavailable, busyAfter,
		"that the user is forgotten is recorded at position %d; the keys will be destroyed when the log answers again", position)
	return errors.Join(later, err)
}
