package bench

import (
	"context"
	"fmt"
	"time"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/eventlog"
)

const (
	sealedAppends = 10_000
	sealedUsers   = 1000 // whose keys are known
)

// measureSealing compares facts whose personal data is encrypted with facts that say
// nothing about a person: what it costs to be able to forget people.
func measureSealing(ctx context.Context, r *run) error {
	r.section("logins with sealed personal data against logins without any, 64 callers, an fsync behind every write")
	for _, users := range []int{sealedAppends, sealedUsers} {
		about := "of known users"
		if users == sealedAppends {
			about = "of new users, a key each"
		}
		sealed := workload{"sealed, " + about, r.appending(users, loginDevice)}
		if err := r.compare(ctx, sealed, workload{"without personal data", r.appending(users, events.LoginPersonal{})}, ""); err != nil {
			return err
		}
	}
	rig, err := newRig(ctx, r.Dir)
	if err != nil {
		return err
	}
	defer rig.close()
	if err := appendAll(ctx, rig, projectedLogins()); err != nil {
		return err
	}
	r.section(fmt.Sprintf("following %s logins of %s users, personal data opened against left sealed",
		grouped(projected), grouped(projectedUsers)))
	return r.compare(ctx, plain("opened", rig.followed(false)), plain("left sealed", rig.followed(true)), "")
}

// appending appends one login after the other of a number of users, all of whom have
// signed in before if there are fewer users than logins.
func (r *run) appending(
	users int, personal events.LoginPersonal,
) func(context.Context) (func(context.Context) (int, error), func(), error) {
	return func(ctx context.Context) (func(context.Context) (int, error), func(), error) {
		rig, err := newRig(ctx, r.Dir)
		if err != nil {
			return nil, nil, err
		}
		login := func(ctx context.Context, i int) error {
			fact := loginOf(i, history{}.user(i%users), time.Now())
			event, _ := fact.Event.(events.LoggedIn)
			event.Personal = personal
			fact.Event = event
			_, err := rig.log.Append(ctx, []events.Envelope{fact}, nil)
			return err
		}
		if users < sealedAppends {
			if err := shared(users, loginCallers, func(i int) error { return login(ctx, sealedAppends+i) }); err != nil {
				rig.close()
				return nil, nil, err
			}
		}
		return func(ctx context.Context) (int, error) {
			return sealedAppends, shared(sealedAppends, loginCallers, func(i int) error { return login(ctx, i) })
		}, rig.close, nil
	}
}

// followed reads the log from its first message to its end.
func (r *rig) followed(sealed bool) func(ctx context.Context) (int, error) {
	return func(ctx context.Context) (int, error) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		n := 0
		err := r.log.Follow(ctx, eventlog.FollowConfig{Stream: events.StreamSessions, MaxBatch: 2000, Sealed: sealed},
			func(_ context.Context, batch eventlog.Batch) error {
				if n += len(batch.Events); n == projected {
					cancel()
				}
				return nil
			})
		return n, err
	}
}
