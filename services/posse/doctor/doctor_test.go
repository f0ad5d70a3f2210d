package doctor

import (
	"context"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/activesessions/pgstore"
	"github.com/posse-pos/posse/pkg/bus"
	"github.com/posse-pos/posse/pkg/commands"
	"github.com/posse-pos/posse/pkg/eventlog/natslog"
	"github.com/posse-pos/posse/pkg/natstest"
	"github.com/posse-pos/posse/pkg/pgtest"
	"github.com/posse-pos/posse/services/posse/natsusers/natsuserstest"
	"github.com/posse-pos/posse/services/projector/relay"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(pgtest.Stopping(m), natstest.Leaks()...) }

// TestNothingIsWrong examines the shipped configuration as OPERATOR and SYSTEM.
func TestNothingIsWrong(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	config, err := natsuserstest.Copy("../../../deployments/nats", dir, "nats.conf", "accounts.conf")
	must(t, err)
	url := natstest.Start(t, natstest.WithConfigFile(config)).URL()
	as := func(user string) *bus.Conn {
		return connect(t, bus.Config{URL: url, NKeyFile: filepath.Join(dir, user+".nk")})
	}
	recorder := as("recorder")
	log := declare(t, recorder, natslog.Config{})
	record(t, log)
	projector, err := natslog.Open(t.Context(), as("projector"), natslog.Config{})
	must(t, err)
	runRelay(t, projector)
	serveCommands(t, recorder)

	found := Examine(t.Context(), Config{NATS: as("operator"), System: as("system")})

	for _, finding := range found {
		if finding.Level == Problem {
			t.Errorf("%+v", finding)
		}
	}
	has(t, found, OK, `is version 2.`)
	has(t, found, OK, `an fsync stands behind every acknowledged login and revocation (sync_interval: always): server posse`)
	has(t, found, OK, `as posse wants them: streams POS_SESSIONS, `)
	has(t, found, Warning, `not replicated, the server is alone: streams POS_SESSIONS, `)
	has(t, found, OK, `the relay "test" ticks`)
	has(t, found, OK, `the clock of the NATS server "posse" agrees with this machine's`)
	has(t, found, OK, `the clock of /posse/test, when it last recorded something`)
	has(t, found, OK, `recorders that answer: 1, of version 1.2.3`)
}

// TestMuchIsWrong examines a server that was only started, before and after somebody
// made streams by hand.
func TestMuchIsWrong(t *testing.T) {
	t.Parallel()
	nats := natstest.Start(t, natstest.WithOptions(func(o *server.Options) { o.HTTPHost, o.HTTPPort = "127.0.0.1", -1 }))
	conn := connect(t, bus.Config{URL: nats.URL()})
	config := Config{NATS: conn, Monitors: []string{"http://" + nats.Server().MonitorAddr().String() + "/"}}

	found := Examine(t.Context(), config)
	has(t, found, Problem, `no fsync stands behind an acknowledgement, but one every 2m0s: server 127.0.0.1:`)
	has(t, found, Problem, `streams POS_SESSIONS, POS_TOUCHES, POS_REVOCATIONS, POS_QUARANTINE, KV_POS_KEYS, POS_AUDIT missing`)
	has(t, found, Problem, `no recorder answers`)

	declare(t, conn, natslog.Config{})
	js := conn.JetStream()
	must(t, js.DeleteStream(t.Context(), events.StreamAudit))
	revocations, err := js.Stream(t.Context(), events.StreamRevocations)
	must(t, err)
	settings := revocations.CachedInfo().Config
	settings.Duplicates = time.Minute
	_, err = js.UpdateStream(t.Context(), settings)
	must(t, err)
	_, err = js.Publish(t.Context(), strings.TrimSuffix(events.SubjectQuarantine, ">")+"x", []byte("x"))
	must(t, err)
	consumer := jetstream.ConsumerConfig{Durable: "siem", AckPolicy: jetstream.AckExplicitPolicy}
	_, err = js.CreateConsumer(t.Context(), events.StreamSessions, consumer)
	must(t, err)
	_, err = js.Publish(t.Context(), events.SessionSubject("shop", "ann"), []byte("x"))
	must(t, err)

	found = Examine(t.Context(), config)
	has(t, found, Warning, `nobody reads the consumer "siem" of the history; messages that wait: 1`)
	has(t, found, Problem, `stream POS_AUDIT missing`)
	has(t, found, Problem, `POS_REVOCATIONS is not as posse wants it: duplicate_window is 1m0s, want 10m0s`)
	has(t, found, Problem, `no relay has written a tick`)
	has(t, found, Warning, `messages that are not facts, in POS_QUARANTINE: 1`)
}

// TestWhatCannotBeSeenIsSaid examines as users who may not look, and a server whose
// monitoring is not there.
func TestWhatCannotBeSeenIsSaid(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	shipped, err := natsuserstest.Copy("../../../deployments/nats", dir, "nats.conf", "accounts.conf")
	must(t, err)
	url := natstest.Start(t, natstest.WithConfigFile(shipped)).URL()
	gateway := connect(t, bus.Config{URL: url, NKeyFile: filepath.Join(dir, "gateway.nk")})

	found := Examine(t.Context(), Config{NATS: gateway, System: gateway, Monitors: []string{"http://somebody:canary@127.0.0.1:1"}})

	has(t, found, Problem, `look up the account`)
	has(t, found, Warning, `the servers do not tell how they are configured`)
	has(t, found, Warning, `the monitoring of NATS does not answer`)
	has(t, found, Warning, `whether an fsync stands behind every acknowledgement cannot be told`)
	has(t, found, Warning, `which recorders run cannot be told`)
	for _, finding := range found {
		if strings.Contains(finding.Found, "canary") {
			t.Errorf("the password is shown: %s", finding.Found)
		}
	}
}

func TestReplicasOfACluster(t *testing.T) {
	t.Parallel()
	cluster := natstest.StartCluster(t, 3)
	conn := connect(t, bus.Config{URL: strings.Join(cluster.URLs(), ",")})
	declare(t, conn, natslog.Config{})
	found := Examine(t.Context(), Config{NATS: conn})
	has(t, found, Problem, `not replicated, though there is a cluster: streams POS_SESSIONS, `)

	for _, stream := range (natslog.Config{}).StreamConfigs() {
		must(t, conn.JetStream().DeleteStream(t.Context(), stream.Name))
	}
	declare(t, conn, natslog.Config{Replicas: 3})
	until(t, "every copy is up to date", func() bool {
		found = Examine(t.Context(), Config{NATS: conn})
		return !slices.ContainsFunc(found, func(f Finding) bool { return strings.Contains(f.Found, "copy of") })
	})
	has(t, found, OK, `replicated: streams POS_SESSIONS, `)

	leader := cluster.StreamLeader(server.DEFAULT_GLOBAL_ACCOUNT, events.StreamSessions)
	lost := cluster.Servers[slices.IndexFunc(cluster.Servers, func(s *natstest.Server) bool { return s != leader })]
	name := lost.Server().Name()
	lost.Shutdown()
	until(t, "the lost server is missed", func() bool {
		found = Examine(t.Context(), Config{NATS: conn})
		return slices.ContainsFunc(found, func(f Finding) bool {
			return f.Level == Problem && strings.Contains(f.Found, `server "`+name+`", which has a copy of POS_SESSIONS, is away`)
		})
	})
}

func TestClocksThatAreOff(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for name, row := range map[string]struct {
		ahead, within time.Duration
		want          Level
	}{
		"in step":                 {100 * time.Millisecond, time.Millisecond, OK},
		"nobody can tell":         {4 * time.Second, 4 * time.Second, OK},
		"ahead":                   {2 * time.Second, time.Millisecond, Warning},
		"behind":                  {-2 * time.Second, time.Millisecond, Warning},
		"more than gateways bear": {-6 * time.Second, time.Millisecond, Problem},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			found := clockFindings(&natslog.Inspection{Streams: []natslog.Inspected{
				{Name: "A", Leader: "one", Clock: now.Add(row.ahead), Asked: now, Within: row.within},
				{Name: "B", Leader: "one", Clock: now.Add(row.ahead), Asked: now, Within: row.within},
			}})
			if len(found) != 1 || found[0].Level != row.want {
				t.Errorf("%+v, want one finding, a %s", found, row.want)
			}
		})
	}
}

func TestClocksOfRelayAndRecorder(t *testing.T) {
	t.Parallel()
	now := time.Now()
	log := &natslog.Inspection{
		Streams: []natslog.Inspected{{Name: events.StreamRevocations, Clock: now, Asked: now}},
		Tick:    &natslog.StampedTick{Tick: events.Tick{Written: events.TimestampOf(now.Add(-8 * time.Second)), Relay: "far"}, Stored: now},
		Fact:    &natslog.StampedFact{Source: "/posse/recorder", Time: now.Add(3 * time.Second), Stored: now},
	}
	log.Tick.AsOf = log.Tick.Written
	found := logFindings(log, 0)
	has(t, found, Problem, `the clock of the relay "far" is 8s behind that of NATS`)
	has(t, found, Warning, `is 3s ahead of that of NATS`)

	log.Tick.AsOf = events.TimestampOf(now.Add(-time.Minute))
	has(t, logFindings(log, 0), Problem, `the relay is 52s behind the history`)
	log.Tick.Stored = now.Add(-time.Hour)
	has(t, logFindings(log, 0), Problem, `the last tick of a relay is 1h0m0s old`)
}

func TestVersions(t *testing.T) {
	t.Parallel()
	for version, want := range map[string]Level{"2.13.9": Problem, "2.14.0-RC.1": OK, "2.15.2": OK, "3.0.0": OK, "1.99.0": Problem, "": Problem} {
		if found := serverFindings(bus.Server{Name: "s", Version: version}); found[0].Level != want {
			t.Errorf("version %q: %+v, want a %s", version, found[0], want)
		}
	}
}

func TestPostgres(t *testing.T) {
	t.Parallel()
	inspected, err := pgstore.Inspect(t.Context(), pgtest.New(t))
	must(t, err)
	inspected.Fsync = "on" // which servers for tests do without
	found := postgresFindings(inspected, nil)
	has(t, found, OK, `PostgreSQL is version 1`)
	has(t, found, OK, `PostgreSQL syncs`)
	has(t, found, OK, `the clock of PostgreSQL agrees`)

	found = postgresFindings(pgstore.Inspection{Version: 120017, VersionText: "12.17", Fsync: "off", Clock: time.Now(), Asked: time.Now()}, nil)
	has(t, found, Problem, `PostgreSQL is version 12.17`)
	has(t, found, Problem, `fsync = off`)
	has(t, postgresFindings(pgstore.Inspect(t.Context(), "postgres://me:canary@127.0.0.1:1/x")), Problem, `PostgreSQL does not answer`)
}

func TestFullness(t *testing.T) {
	t.Parallel()
	for used, want := range map[int64]Level{10: OK, 80: Warning, 95: Problem} {
		if found := fullness("it", used, 100, 0, "mend it"); len(found) != 1 || found[0].Level != want {
			t.Errorf("%d of 100: %+v, want a %s", used, found, want)
		}
	}
	has(t, fullness("it", 50, 100, 51, "mend it"), Problem, "logins are refused")
	if found := fullness("it", 1, -1, 0, ""); found != nil {
		t.Errorf("without a limit: %+v", found)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func has(t *testing.T, found []Finding, level Level, text string) {
	t.Helper()
	if !slices.ContainsFunc(found, func(f Finding) bool {
		return f.Level == level && strings.Contains(f.Found, text) && (level == OK) == (f.Do == "")
	}) {
		t.Errorf("no %s says %q, or it does not say what to do:\n%+v", level, text, found)
	}
}

func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	poll := time.NewTicker(50 * time.Millisecond)
	defer poll.Stop()
	for deadline := time.Now().Add(time.Minute); !done(); <-poll.C {
		if time.Now().After(deadline) {
			t.Fatalf("not within a minute: %s", what)
		}
	}
}

func connect(t *testing.T, config bus.Config) *bus.Conn {
	t.Helper()
	config.Logger = slog.New(slog.DiscardHandler)
	conn, err := bus.Connect(t.Context(), config)
	must(t, err)
	t.Cleanup(conn.Close)
	return conn
}

func declare(t *testing.T, conn *bus.Conn, config natslog.Config) *natslog.Log {
	t.Helper()
	config.Logger = slog.New(slog.DiscardHandler)
	log, err := natslog.New(t.Context(), conn, config)
	must(t, err)
	return log
}

// record stores a fact whose source is /posse/test.
func record(t *testing.T, log *natslog.Log) {
	t.Helper()
	now := time.Now()
	_, err := log.Append(t.Context(), []events.Envelope{{
		ID: uuid.NewString(), Source: "/posse/test", Time: now,
		Event: events.Revoked{
			Key:            events.Key{Tenant: "shop", User: "ann", Session: "1"},
			EventTimestamp: events.TimestampOf(now), Cause: events.CauseLogout, InitiatingEntity: events.InitiatedByUser,
			Expires: events.TimestampOf(now.Add(time.Hour)), CommandID: "c",
		},
	}}, nil)
	must(t, err)
}

// runRelay starts a relay, and waits for its first tick.
func runRelay(t *testing.T, log *natslog.Log) {
	t.Helper()
	relaying, err := relay.New(relay.Config{Log: log, Name: "test", Logger: slog.New(slog.DiscardHandler)})
	must(t, err)
	running(t, relaying.Run)
	until(t, "the relay ticks", func() bool {
		_, _, err := log.LastTick(t.Context())
		return err == nil
	})
}

// running runs something until the test ends.
func running(t *testing.T, run func(context.Context) error) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- run(ctx) }()
	t.Cleanup(func() {
		stop()
		must(t, <-done)
	})
}

// serveCommands answers as a recorder does when it is asked whether it is there.
func serveCommands(t *testing.T, conn *bus.Conn) {
	t.Helper()
	running(t, func(ctx context.Context) error {
		return conn.Serve(ctx, commands.Service("1.2.3", struct{ commands.Commander }{}, nil))
	})
	until(t, "the service answers", func() bool {
		answers, err := conn.Survey(t.Context(), "$SRV.PING."+commands.ServiceName, nil)
		return err != nil || len(answers) > 0
	})
}
