package natslog_test

import (
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/bus"
	"github.com/posse-pos/posse/pkg/eventlog"
	"github.com/posse-pos/posse/pkg/eventlog/natslog"
	"github.com/posse-pos/posse/pkg/natstest"
)

// storage is as little as the streams can be made with: POS_QUARANTINE reserves 64 MiB.
const storage = 65 << 20

// served are accounts with a user p of each, of which "blind" may not ask the servers.
const served = `
accounts {
  POSSE {
    jetstream: { max_file: %MAX% }
    imports: [ { service: { account: SYS, subject: "$SYS.REQ.SERVER.PING.JSZ" }, to: "pos.v1.storage" } ]
    users: [
      { user: all, password: p }
      { user: blind, password: p, permissions: { publish: { deny: "pos.v1.storage" } } }
    ]
  }
  SYS {
    exports: [ { service: "$SYS.REQ.SERVER.PING.JSZ", accounts: [ POSSE ], response_type: stream } ]
    users: [ { user: system, password: p } ]
  }
}
system_account: SYS
`

// full is a server with a limit and a log on it that is filled to the brim, and what
// says how full it is.
type full struct {
	log   *natslog.Log
	gauge *natslog.Gauge
}

// fill opens a log, and fills it until the server takes no more.
func fill(t *testing.T, options ...natstest.Option) full {
	t.Helper()
	url := natstest.Start(t, options...).URL()
	conn := connect(t, strings.Replace(url, "nats://", "nats://all:p@", 1))
	log, err := natslog.New(t.Context(), conn, natslog.Config{Logger: logger()})
	if err != nil {
		t.Fatal(err)
	}
	gauge := natslog.NewGauge(conn, log)
	room := look(t, gauge)
	if room.Left < storage-1<<20 || room.Left > storage {
		t.Errorf("an empty log has room for %d bytes, want %d", room.Left, storage)
	}
	junk := make([]byte, 31<<10)
	for range 2 * storage / len(junk) {
		if _, err := conn.JetStream().PublishAsync(events.SessionSubject("shop", "junk"), junk); err != nil {
			t.Fatal(err)
		}
	}
	<-conn.JetStream().PublishAsyncComplete()
	for err = error(nil); err == nil; { // what is left where that was too much
		_, err = conn.JetStream().Publish(t.Context(), events.SessionSubject("shop", "junk"), nil)
	}
	if room := look(t, gauge); room.Left >= int64(len(junk)) || !strings.Contains(room.Where, "NATS") {
		t.Errorf("a full log has room for %d bytes in %q", room.Left, room.Where)
	}
	return full{log, gauge}
}

func look(t *testing.T, gauge *natslog.Gauge) eventlog.Room {
	t.Helper()
	room, err := gauge.Room(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return room
}

// refuses sees that what cannot be stored is refused at once, and for that reason.
func (f full) refuses(t *testing.T) {
	t.Helper()
	for name, err := range map[string]error{
		"append":       errorOf(f.log.Append(t.Context(), logins("ann", "s", 1), nil)),
		"atomic batch": errorOf(f.log.Append(t.Context(), logins("ann", "s", 20), &eventlog.Expectation{})),
		"touch":        f.log.Touch(t.Context(), []events.Envelope{touch()}),
	} {
		if !errors.Is(err, eventlog.ErrFull) || errors.Is(err, eventlog.ErrUnavailable) {
			t.Errorf("%s: %v, want ErrFull", name, err)
		}
	}
}

func touch() events.Envelope {
	return events.Envelope{ID: "touch", Source: "/test", Time: moment, Event: events.Touched{
		Key: events.Key{Tenant: "shop", User: "ann", Session: "s"}, EventTimestamp: events.TimestampOf(moment),
	}}
}

func errorOf(_ uint64, err error) error { return err }

func TestAFullServer(t *testing.T) {
	t.Parallel()
	f := fill(t,
		natstest.WithConfig(strings.Replace(served, "max_file: %MAX%", "", 1)),
		natstest.WithOptions(func(o *server.Options) { o.JetStreamMaxStore = storage }))
	f.refuses(t)
}

func TestAFullAccount(t *testing.T) {
	t.Parallel()
	fill(t, natstest.WithConfig(strings.Replace(served, "%MAX%", "65MB", 1))).refuses(t)
}

func TestRoomThatNobodyTells(t *testing.T) {
	t.Parallel()
	url := natstest.Start(t, natstest.WithConfig(strings.Replace(served, "max_file: %MAX%", "", 1))).URL()
	conn := func(user string) *bus.Conn {
		return connect(t, strings.Replace(url, "nats://", "nats://"+user+":p@", 1))
	}
	all, blind := conn("all"), conn("blind")
	log, err := natslog.New(t.Context(), all, natslog.Config{Logger: logger()})
	if err != nil {
		t.Fatal(err)
	}
	if room := look(t, natslog.NewGauge(all, log)); room.Left <= 0 || room.Left == math.MaxInt64 {
		t.Errorf("there is room for %d bytes", room.Left)
	}
	gauge := natslog.NewGauge(blind, log)
	for range 2 { // the second time it does not ask
		if room, err := gauge.Room(t.Context()); !errors.Is(err, eventlog.ErrRoomUnknown) {
			t.Errorf("who may not ask is told %+v, %v", room, err)
		}
	}
}

// TestRoomOfACluster asks three servers, of which one has the stream.
func TestRoomOfACluster(t *testing.T) {
	t.Parallel()
	cluster := natstest.StartCluster(t, 3, natstest.WithConfig(strings.Replace(served, "max_file: %MAX%", "", 1)))
	url := strings.ReplaceAll(strings.Join(cluster.URLs(), ","), "nats://", "nats://all:p@")
	conn := connect(t, url)
	log, err := natslog.New(t.Context(), conn, natslog.Config{Logger: logger()})
	if err != nil {
		t.Fatal(err)
	}
	leader := cluster.StreamLeader("POSSE", events.StreamSessions).Server().Name()
	if room := look(t, natslog.NewGauge(conn, log)); !strings.Contains(room.Where, `"`+leader+`"`) {
		t.Errorf("the room is that of %s, want that of %q", room.Where, leader)
	}
}
