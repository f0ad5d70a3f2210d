package bench

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/posse-pos/posse/pkg/activesessions/pgstore"
	"github.com/posse-pos/posse/pkg/commands"
	"github.com/posse-pos/posse/services/recorder"
)

// commandUsers is how many users are measured in each way.
const commandUsers = 1000

// measureCommands times Terminate and Logout All in a full log, with the read
// model in PostgreSQL: cold is the first command to a user that this recorder
// hears of, warm is the next.
func measureCommands(ctx context.Context, r *run) error {
	if err := r.needPostgres(); err != nil {
		return err
	}
	rig, err := newRig(ctx, r.Dir)
	if err != nil {
		return err
	}
	defer rig.close()
	count := cmp.Or(r.Events, 2_000_000)
	h := history{users: r.Users, facts: max(count/r.Users, 5), since: time.Now().Add(-72 * time.Hour)}
	r.section(fmt.Sprintf("commands, %s users and %s events in the log", grouped(float64(h.users)), grouped(float64(h.users*h.facts))))
	start := time.Now()
	if err := h.write(ctx, rig.conn.JetStream(), 0, h.users); err != nil {
		return err
	}
	r.rate("the log is filled, in atomic batches", float64(h.users*h.facts)/time.Since(start).Seconds())
	store, err := pgstore.Open(ctx, pgstore.Config{URL: r.Postgres, Schema: "bench_commands", Logger: quiet})
	if err != nil {
		return err
	}
	defer store.Close()
	stop, err := rig.project(ctx, store)
	if err != nil {
		return err
	}
	defer stop()
	start = time.Now()
	if err := rig.settled(ctx, store); err != nil {
		return err
	}
	r.rate("and folded into PostgreSQL", float64(h.users*h.facts)/time.Since(start).Seconds())
	rec, err := recorder.New(recorder.Config{Log: rig.log, Reader: store, Bus: rig.conn, Logger: quiet})
	if err != nil {
		return err
	}
	return r.commandLatencies(ctx, rec, h)
}

func (r *run) commandLatencies(ctx context.Context, rec *recorder.Recorder, h history) error {
	if need := 3 * commandUsers; h.users < need {
		return fmt.Errorf("needs at least %d users, not %d", need, h.users)
	}
	stride := h.users / (3 * commandUsers) // spread over the log
	user := func(group, i int) int { return (group*commandUsers + i) * stride }
	terminate := func(group, nth int) func(int) error {
		return func(i int) error {
			session := h.factsOf(user(group, i))[nth].Event.SessionKey().Session
			ended, err := rec.EndSession(ctx, commands.EndSession{Caller: commands.Caller{Principal: admin}, Session: session})
			return endedSome(ended, err)
		}
	}
	logoutAll := func(group int) func(int) error {
		return func(i int) error {
			ended, err := rec.EndUser(ctx, commands.EndUser{Caller: commands.Caller{Principal: admin}, User: h.user(user(group, i))})
			return endedSome(ended, err)
		}
	}
	for _, row := range []struct {
		name, aim string
		do        func(int) error
	}{
		{"Terminate, cold", "≤ 50ms", terminate(0, 3)},
		{"Terminate, warm", "≤ 5ms", terminate(0, 8)},
		{"Logout All, cold", "≤ 50ms", logoutAll(1)},
		{"", "", terminate(2, 3)}, // warms the users of the next row
		{"Logout All, warm", "≤ 5ms", logoutAll(2)},
	} {
		samples, err := sampled(commandUsers, row.do)
		if err != nil {
			return err
		}
		if row.name != "" {
			r.latency(row.name, samples, row.aim)
		}
	}
	return nil
}

// endedSome refuses to time a command that found nothing to end.
func endedSome(ended commands.Ended, err error) error {
	if err == nil && ended.Ended == 0 {
		return errors.New("the command ended no session")
	}
	return err
}
