package bench

import (
	"context"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/activesessions/memstore"
	"github.com/posse-pos/posse/pkg/commands"
	"github.com/posse-pos/posse/services/recorder"
)

const (
	loginCallers = 64
	loginsTimed  = 20_000
)

var loginDevice = events.LoginPersonal{
	Username: "till3", DisplayName: "Till 3", DeviceLabel: "Counter iPad",
	UserAgent: "WCPOS/1.8.1 (ios; build 231)", IP: "203.0.113.9",
}

// measureLogins compares durable logins through the recorder with publishes of
// the same bytes by the same number of callers to the same stream. The recorder
// has a read model that somebody else keeps current, as it has in production:
// the projector's work is measured by itself.
func measureLogins(ctx context.Context, r *run) error {
	r.section("durable logins, 64 callers, an fsync behind every write")
	return r.compare(ctx,
		workload{"recorder, logins", r.recorderLogins},
		workload{"bare JetStream publishes", r.barePublishes}, "≥ 0.70")
}

func (r *run) recorderLogins(ctx context.Context) (func(context.Context) (int, error), func(), error) {
	rig, err := newRig(ctx, r.Dir)
	if err != nil {
		return nil, nil, err
	}
	store := memstore.New(memstore.Config{})
	stop := inBackground(ctx, func(ctx context.Context) error { return keepCurrent(ctx, store) })
	rec, err := recorder.New(recorder.Config{Log: rig.log, Reader: store, Bus: rig.conn, Logger: quiet})
	if err != nil {
		stop()
		rig.close()
		return nil, nil, err
	}
	work := func(ctx context.Context) (int, error) {
		return loginsTimed, shared(loginsTimed, loginCallers, func(i int) error {
			_, err := rec.Login(ctx, commands.Login{
				Caller: commands.Caller{Principal: backend}, User: "user-" + strconv.Itoa(i),
				Platform: "ios", AppVersion: "1.8.1", Build: "231", Personal: loginDevice,
			})
			return err
		})
	}
	return work, func() { stop(); rig.close() }, nil
}

// keepCurrent states again and again that the read model is not late.
func keepCurrent(ctx context.Context, store *memstore.Store) error {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		if err := store.Current(ctx, events.StreamSessions, time.Now()); err != nil {
			return err
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return nil
		}
	}
}

func (r *run) barePublishes(ctx context.Context) (func(context.Context) (int, error), func(), error) {
	rig, err := newRig(ctx, r.Dir)
	if err != nil {
		return nil, nil, err
	}
	messages := make([]*nats.Msg, loginsTimed)
	for i := range messages {
		if messages[i], err = loginMessage(i); err != nil {
			rig.close()
			return nil, nil, err
		}
	}
	js := rig.conn.JetStream()
	work := func(ctx context.Context) (int, error) {
		return loginsTimed, shared(loginsTimed, loginCallers, func(i int) error {
			_, err := js.PublishMsg(ctx, messages[i])
			return err
		})
	}
	return work, rig.close, nil
}

func loginMessage(i int) (*nats.Msg, error) {
	m, err := events.Encode(loginOf(i, "user-"+strconv.Itoa(i), time.Now()))
	if err != nil {
		return nil, err
	}
	return &nats.Msg{Subject: m.Subject, Header: m.Header, Data: m.Data}, nil
}

// loginOf is a login of a user at a moment; i makes its ids unique.
func loginOf(i int, user string, at time.Time) events.Envelope {
	id := "0195f1c2-7d1e-7c3a-9f52-" + hex12(i)
	now := events.TimestampOf(at)
	return events.Envelope{ID: "login-" + id, Source: "/posse/bench", Time: at, Event: events.LoggedIn{
		Key:            events.Key{Tenant: tenant, User: user, Session: id},
		EventTimestamp: now, Created: now, Expires: events.TimestampOf(at.Add(30 * 24 * time.Hour)),
		Platform: "ios", AppVersion: "1.8.1", Build: "231", Personal: loginDevice,
	}}
}

func hex12(i int) string {
	digits := "000000000000" + strconv.FormatInt(int64(i), 16)
	return digits[len(digits)-12:]
}
