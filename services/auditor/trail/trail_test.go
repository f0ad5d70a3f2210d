package trail_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/eventlog"
	"github.com/posse-pos/posse/services/auditor/trail"
)

var moment = time.Date(2026, 3, 14, 9, 26, 53, 589_000_000, time.UTC)

// kept is a trail in memory, whose note N was stored N seconds after moment.
type kept []events.AuditFact

func (k kept) Note(context.Context, events.AuditEnvelope) (uint64, error) {
	return 0, errors.New("nothing is noted")
}

func (k kept) Notes(_ context.Context, from uint64, limit int) ([]eventlog.Noted, error) {
	var page []eventlog.Noted
	for i := int(from) - 1; i < len(k) && len(page) < limit; i++ {
		page = append(page, eventlog.Noted{
			AuditEnvelope: events.AuditEnvelope{ID: fmt.Sprint("note-", i+1), Source: "/posse/test", Time: moment, Fact: k[i]},
			Sequence:      uint64(i + 1), Time: moment.Add(time.Duration(i+1) * time.Second),
		})
	}
	return page, nil
}

func (k kept) SequenceAt(_ context.Context, _ string, at time.Time) (uint64, error) {
	return uint64(max(1, at.Sub(moment)/time.Second)), nil
}

func read(tenant string) events.AuditRead {
	return events.AuditRead{Tenant: tenant, EventTimestamp: events.TimestampOf(moment), Via: events.ViaCLI, Kind: "operator", Format: "ndjson"}
}

func TestWhichNotesAreRead(t *testing.T) {
	t.Parallel()
	log := kept{read("shop"), read("other"), read(""), read("shop"), read("shop")}
	for i := range 1200 { // more than two pages
		log = append(log, read(fmt.Sprint("tenant-", i)))
	}
	at := func(seconds int) time.Time { return moment.Add(time.Duration(seconds) * time.Second) }
	for name, c := range map[string]struct {
		query trail.Query
		want  []uint64
	}{
		"a tenant, and of all tenants":  {trail.Query{Tenant: "shop"}, []uint64{1, 3, 4, 5}},
		"the last":                      {trail.Query{Tenant: "tenant-1199"}, []uint64{3, 1205}},
		"since":                         {trail.Query{Tenant: "shop", Since: at(4)}, []uint64{4, 5}},
		"until":                         {trail.Query{Until: at(3)}, []uint64{1, 2}},
		"since and until":               {trail.Query{Since: at(2), Until: at(5)}, []uint64{2, 3, 4}},
		"at most":                       {trail.Query{Tenant: "shop", Limit: 2}, []uint64{1, 3}},
		"nobody's but that of everyone": {trail.Query{Tenant: "nobody"}, []uint64{3}},
	} {
		var got []uint64
		err := trail.Read(t.Context(), log, c.query, func(note eventlog.Noted) error {
			got = append(got, note.Sequence)
			return nil
		})
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%s: notes %v, %v; want %v", name, got, err, c.want)
		}
	}
	broken := errors.New("the pipe is closed")
	if err := trail.Read(t.Context(), log, trail.Query{}, func(eventlog.Noted) error { return broken }); !errors.Is(err, broken) {
		t.Errorf("an output that fails: %v", err)
	}
}

// hostile is text that a terminal would act on and that breaks lines.
const hostile = "\x1b[2J\r\nline \u202e \"two\""

func facts() kept {
	long := read("shop")
	long.Via, long.Kind, long.Format, long.Follow = events.ViaAPI, "auditor", "sse", true
	long.Actor = events.AuditReader{User: "9", Session: "s"}
	long.Filter = events.AuditFilter{User: "7", Types: []string{"session.revoked"}, Limit: 3}
	long.Personal.ActorIP = "192.0.2.1"
	claim := read("")
	claim.Personal = events.AuditReadPersonal{OSUser: hostile, Host: hostile}
	return kept{
		long, claim,
		events.RetentionSwept{Tenant: hostile, EventTimestamp: events.TimestampOf(moment), Before: events.TimestampOf(moment), Sessions: 12, Keys: 3},
		events.UnknownAudit{Tenant: "shop", Type: "audit.sent", Version: 2, Message: events.Message{
			Subject: "pos.v1.audit.shop", Data: []byte("{\"to\":\n\"" + `\u001b` + "\"}"),
		}},
		events.UnknownAudit{Tenant: "shop", Message: events.Message{Subject: "pos.v1.audit.shop", Data: []byte("\xff" + hostile)}},
	}
}

func written(t *testing.T, add func(*strings.Builder) func(eventlog.Noted) error) []string {
	t.Helper()
	var out strings.Builder
	if err := trail.Read(t.Context(), facts(), trail.Query{}, add(&out)); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	if len(lines) != len(facts()) {
		t.Fatalf("%d notes are %d lines:\n%s", len(facts()), len(lines), out.String())
	}
	return lines
}

func TestNDJSON(t *testing.T) {
	t.Parallel()
	lines := written(t, func(out *strings.Builder) func(eventlog.Noted) error { return trail.NDJSON(out) })
	for i, text := range lines {
		if !json.Valid([]byte(text)) {
			t.Errorf("line %d is no JSON: %s", i, text)
		}
	}
	want := `{"sequence":1,"stored":"2026-03-14T09:26:54.589Z","id":"note-1","type":"audit.read.v1","source":"/posse/test",` +
		`"time":"2026-03-14T09:26:53.589Z","event":{"tenant":"shop","event_timestamp":1773480413.589,"via":"api","kind":"auditor",` +
		`"actor":{"user":"9","session":"s"},"filter":{"user":"7","types":["session.revoked"],"limit":3},"format":"sse","follow":true,` +
		`"personal":{"actor_ip":"192.0.2.1"}}}`
	if lines[0] != want {
		t.Errorf("got\n%s\nwant\n%s", lines[0], want)
	}
	for i, want := range map[int]string{
		3: `"type":"audit.sent.v2","source":"/posse/test","time":"2026-03-14T09:26:53.589Z","subject":"pos.v1.audit.shop","event":{"to":"\u001b"}}`,
		4: `"subject":"pos.v1.audit.shop","data_base64":"/x`,
	} {
		if !strings.Contains(lines[i], want) {
			t.Errorf("line %d has no %s: %s", i, want, lines[i])
		}
	}
}

func TestTable(t *testing.T) {
	t.Parallel()
	graphic := func(text string) string {
		return strings.Map(func(r rune) rune {
			if unicode.IsGraphic(r) {
				return r
			}
			return '·'
		}, text)
	}
	lines := written(t, func(out *strings.Builder) func(eventlog.Noted) error { return trail.Table(out, graphic) })
	for i, text := range lines {
		if strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsGraphic(r) }) {
			t.Errorf("line %d is not fit for a terminal: %q", i, text)
		}
	}
	want := "2026-03-14 09:26:54.589  shop          audit.read        " +
		"auditor 9 from 192.0.2.1, api, sse, following, user=7, type=session.revoked, limit=3"
	if lines[0] != want {
		t.Errorf("got\n%s\nwant\n%s", lines[0], want)
	}
	if !strings.Contains(lines[1], "(all)") || !strings.Contains(lines[1], "says it is ") {
		t.Errorf("a claim is shown as %s", lines[1])
	}
	if !strings.Contains(lines[2], "12 sessions forgotten, 3 keys destroyed") {
		t.Errorf("a sweep is shown as %s", lines[2])
	}
}
