package pgstore

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/activesessions"
	"github.com/posse-pos/posse/pkg/device"
	"github.com/posse-pos/posse/pkg/eventlog"
	"github.com/posse-pos/posse/pkg/pgtest"
)

const (
	benchUsers = 8_000
	benchBatch = 2_000
	benchRows  = 80_000
)

var benchStart = time.Now().Add(-time.Hour).Truncate(time.Second)

const bareUpsertSQL = "INSERT INTO sessions (" + columns + ") SELECT " + columns + ` FROM unnest(
		$1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
		$9::text[], $10::bigint[], $11::text[], $12::bigint[], $13::bigint[], $14::bigint[], $15::bigint[], $16::bigint[],
		$17::text[], $18::bigint[], $19::bigint[], $20::bigint[], $21::text[], $22::bigint[], $23::boolean[]
	) AS i (` + columns + `)
	ON CONFLICT (tenant, user_id, session) DO UPDATE SET last_active = excluded.last_active`

const bareTouchSQL = `
	UPDATE sessions s SET last_active = t.last_active, ip = t.ip, ip_at = t.ip_at
	FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::text[], $6::bigint[])
		AS t (tenant, user_id, session, last_active, ip, ip_at)
	WHERE s.tenant = t.tenant AND s.user_id = t.user_id AND s.session = t.session`

// BenchmarkApply writes the same rows twice, batch by batch in turns: through
// Apply, and by the bare statement on a table of the same form. It reports both
// rates and their ratio.
func BenchmarkApply(b *testing.B) {
	for b.Loop() {
		ours, bare := openBench(b, "ours"), openBench(b, "bare")
		race(b, "login", ours, bare, bareUpsertSQL, benchLogins(), events.StreamSessions)
		race(b, "touch", ours, bare, bareTouchSQL, benchTouches(), events.StreamTouches)
	}
}

func race(b *testing.B, what string, ours, bare *Store, sql string, facts []eventlog.Recorded, stream string) {
	b.Helper()
	var oursTook, bareTook time.Duration
	at := eventlog.Position{Stream: stream}
	for i := 0; i < len(facts); i += benchBatch {
		to := at
		to.Sequence += benchBatch
		batch := activesessions.Batch{Facts: facts[i : i+benchBatch], Devices: benchDevices(facts[i]), From: at, To: to}
		arguments := bareArguments(b, &batch)
		oursTook += timed(b, func() error {
			_, err := ours.Apply(b.Context(), batch)
			return err
		})
		bareTook += timed(b, func() error {
			return pgx.BeginFunc(b.Context(), bare.pool, func(tx pgx.Tx) error {
				_, err := tx.Exec(b.Context(), sql, arguments...)
				return err
			})
		})
		if i == 0 {
			_, err := bare.pool.Exec(b.Context(), "ANALYZE sessions") // as ours does for itself
			if err != nil {
				b.Fatal(err)
			}
		}
		at = to
	}
	n := float64(len(facts))
	b.ReportMetric(n/oursTook.Seconds(), what+"s/s")
	b.ReportMetric(n/bareTook.Seconds(), "bare-"+what+"s/s")
	b.ReportMetric(bareTook.Seconds()/oursTook.Seconds(), what+"-ratio")
}

func timed(b *testing.B, do func() error) time.Duration {
	b.Helper()
	start := time.Now()
	if err := do(); err != nil {
		b.Fatal(err)
	}
	return time.Since(start)
}

// bareArguments are the rows of a batch, made beforehand.
func bareArguments(b *testing.B, batch *activesessions.Batch) []any {
	b.Helper()
	devices := slices.Repeat(slices.Collect(maps.Values(batch.Devices)), len(batch.Facts))
	if len(devices) == 0 {
		devices = make([]device.Device, len(batch.Facts))
	}
	upserts, touches := fold(batch.Facts, devices).split()
	r := newRows(benchBatch)
	for _, session := range slices.Concat(upserts, touches) {
		if err := r.add(session); err != nil {
			b.Fatal(err)
		}
	}
	if len(touches) > 0 {
		return []any{r.tenant, r.user, r.session, r.lastActive, r.ip, r.ipAt}
	}
	return r.arguments()
}

func openBench(b *testing.B, schema string) *Store {
	b.Helper()
	s, err := Open(b.Context(), Config{URL: pgtest.New(b), Schema: schema})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(s.Close)
	return s
}

func benchLogins() []eventlog.Recorded {
	facts := make([]eventlog.Recorded, benchRows)
	for i := range facts {
		at := events.TimestampOf(benchStart.Add(time.Duration(i) * time.Millisecond))
		facts[i] = eventlog.Recorded{Sequence: uint64(i + 1), Time: at.Time(), Envelope: events.Envelope{
			ID: fmt.Sprintf("01890b5e-%012d-9a6c-4f2d8c1e", i), Time: at.Time(),
			Event: events.LoggedIn{
				Key: benchKey(i), EventTimestamp: at, Created: at, Expires: at + 30*24*3600_000,
				Platform: "ios", AppVersion: "1.8.1", Build: "231",
				Personal: events.LoginPersonal{
					Username: fmt.Sprintf("cashier%d", i%benchUsers), DisplayName: fmt.Sprintf("Cashier Number %d", i%benchUsers),
					DeviceLabel: "Front counter",
					UserAgent:   "Mozilla/5.0 (iPad; CPU OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1",
					IP:          fmt.Sprintf("192.0.%d.%d", i/250%250, i%250),
				},
			},
		}}
	}
	return facts
}

func benchKey(i int) events.Key {
	return events.Key{
		Tenant: "bakery", User: fmt.Sprintf("user-%06d", i*7919%benchUsers), Session: fmt.Sprintf("0f8fad5b-d9cb-469f-a165-%012d", i),
	}
}

// benchTouches touches every session once, a touch interval after the logins.
func benchTouches() []eventlog.Recorded {
	facts := make([]eventlog.Recorded, benchRows)
	for i := range facts {
		at := events.TimestampOf(benchStart.Add(2*time.Minute + time.Duration(i)*time.Millisecond))
		facts[i] = eventlog.Recorded{Sequence: uint64(i + 1), Time: at.Time(), Envelope: events.Envelope{
			ID: fmt.Sprint("touch", i), Time: at.Time(),
			Event: events.Touched{
				Key: benchKey(i * 31 % benchRows), EventTimestamp: at, Personal: events.DevicePersonal{IP: "198.51.100.7"},
			},
		}}
	}
	return facts
}

func benchDevices(fact eventlog.Recorded) map[string]device.Device {
	login, ok := fact.Event.(events.LoggedIn)
	if !ok {
		return nil
	}
	return map[string]device.Device{activesessions.DeviceHash(login): {
		Application: device.Web, Browser: "Mobile Safari", BrowserVersion: "17.5", OS: "iOS", OSVersion: "17.5", Type: device.Tablet,
	}}
}
