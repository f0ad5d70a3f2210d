package replay_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/bus"
	"github.com/posse-pos/posse/pkg/eventlog/natslog"
	"github.com/posse-pos/posse/pkg/natstest"
	"github.com/posse-pos/posse/services/auditor/replay"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m, natstest.Leaks()...) }

var moment = time.Date(2026, 3, 14, 9, 26, 53, 589_000_000, time.UTC)

// rig is a log on a real server.
type rig struct {
	t      *testing.T
	ctx    context.Context
	server *natstest.Server
	conn   *bus.Conn
	log    *natslog.Log
	ids    int
}

func setup(t *testing.T) *rig {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	t.Cleanup(cancel)
	r := &rig{t: t, ctx: ctx, server: natstest.Start(t)}
	quiet := slog.New(slog.DiscardHandler)
	var err error
	if r.conn, err = bus.Connect(ctx, bus.Config{URL: r.server.URL(), Name: t.Name(), Logger: quiet}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.conn.Close)
	if r.log, err = natslog.New(ctx, r.conn, natslog.Config{Logger: quiet}); err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *rig) append(facts ...events.Event) uint64 {
	r.t.Helper()
	var last uint64
	for _, fact := range facts {
		r.ids++
		envelope := events.Envelope{ID: fmt.Sprintf("fact-%d", r.ids), Source: "/posse/test", Time: moment, Event: fact}
		var err error
		if last, err = r.log.Append(r.ctx, []events.Envelope{envelope}, nil); err != nil {
			r.t.Fatal(err)
		}
	}
	return last
}

// inject stores bytes that are no event, before what is appended next.
func (r *rig) inject(subject, data string) {
	r.t.Helper()
	if err := r.conn.Publish(subject, []byte(data)); err != nil {
		r.t.Fatal(err)
	}
}

// history is a bit of everything, of several users and tenants.
func (r *rig) history(rounds int) {
	r.t.Helper()
	for i := range rounds {
		session := fmt.Sprintf("s-%d", i)
		r.append(login("shop", "ann", session), login("shop", "bob", session), login("other", "ann", session),
			refresh("shop", "ann", session), revocation("shop", "ann", session, events.CauseTerminate, "admin"),
			revocation("shop", "bob", session, events.CauseIdle, ""))
	}
}

func key(tenant, user, session string) events.Key {
	return events.Key{Tenant: tenant, User: user, Session: session}
}

func login(tenant, user, session string) events.LoggedIn {
	return events.LoggedIn{
		Key: key(tenant, user, session), EventTimestamp: events.TimestampOf(moment), Created: events.TimestampOf(moment),
		Expires: events.TimestampOf(moment.Add(time.Hour)), Platform: "ios", AppVersion: "1.8.1", Build: "231",
		Personal: events.LoginPersonal{
			Username: user, DisplayName: "Ann <Lee> & sons", DeviceLabel: "Till 3", UserAgent: "WCPOS/1.8.1 (ios; build 231)", IP: "192.0.2.7",
			ClientHints: map[string]string{"sec-ch-ua-platform": `"iOS"`, "sec-ch-ua-mobile": "?1", "sec-ch-ua-model": `"iPad"`},
		},
	}
}

func refresh(tenant, user, session string) events.Refreshed {
	return events.Refreshed{
		Key: key(tenant, user, session), EventTimestamp: events.TimestampOf(moment), Expires: events.TimestampOf(moment.Add(2 * time.Hour)),
		Generation: 1, Personal: events.DevicePersonal{IP: "2001:db8::7"},
	}
}

func revocation(tenant, user, session string, cause events.Cause, actor string) events.Revoked {
	by := events.InitiatedByAdmin
	if actor == "" {
		by = events.InitiatedByPolicy
	}
	return events.Revoked{
		Key: key(tenant, user, session), EventTimestamp: events.TimestampOf(moment), Cause: cause, InitiatingEntity: by,
		Actor: events.Actor{User: actor}, Expires: events.TimestampOf(moment.Add(time.Hour)), CommandID: "c-" + session,
		Personal: events.RevokedPersonal{ActorIP: "192.0.2.1", ReasonAdmin: "lost tablet"},
	}
}

// replay runs a query and returns what it wrote.
func (r *rig) replay(query replay.Query, encoder replay.Encoder) string {
	r.t.Helper()
	var out bytes.Buffer
	if _, err := replay.Run(r.ctx, replay.Config{Log: r.log, Query: query, Sink: replay.NewLines(encoder, &out)}); err != nil {
		r.t.Fatalf("replay %+v: %v", query, err)
	}
	return out.String()
}
