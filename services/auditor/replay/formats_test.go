package replay_test

import (
	"encoding/csv"
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/eventlog"
	"github.com/posse-pos/posse/services/auditor/replay"
)

// hostile is text that each format has to escape.
const hostile = "=cmd|' /C calc'!A0\\\r\nCEF:0|x|\x1b[2J,\"\u202e=1"

// samples are facts of every kind, and one of them with hostile text in every field
// that a stranger fills.
func samples() []eventlog.Recorded {
	evil := login("shop", hostile, hostile)
	evil.Platform, evil.AppVersion, evil.Build = hostile, hostile, hostile
	evil.Personal = events.LoginPersonal{
		Username: hostile, DisplayName: hostile, AvatarURL: hostile, DeviceLabel: hostile, UserAgent: hostile, IP: hostile,
		ClientHints: map[string]string{hostile: hostile},
	}
	ended := revocation(hostile, "ann", "s", hostile, hostile)
	ended.InitiatingEntity, ended.CommandID = hostile, hostile
	ended.Personal = events.RevokedPersonal{ActorIP: hostile, ReasonAdmin: hostile, ReasonUser: hostile}
	broken := events.Unknown{Message: events.Message{Subject: "pos.v1.session.x", Data: []byte("\xff")}}
	newer := events.Unknown{
		Key: key("shop", "ann", "s"), Type: "session.moved", Version: 2,
		Message: events.Message{Subject: "pos.v1.session.shop.ann", Data: []byte("{\"session\": \"s\",\n\"to\": \"=1\"}")},
	}
	bare := events.LoggedIn{Key: key("shop", "ann", "s")}
	all := []events.Event{
		login("shop", "ann", "s"), refresh("shop", "ann", "s"), revocation("shop", "ann", "s", events.CauseTerminate, "admin"),
		revocation("shop", "ann", "s", events.CauseIdle, ""), bare, evil, ended, broken, newer,
	}
	facts := make([]eventlog.Recorded, len(all))
	for i, event := range all {
		facts[i] = eventlog.Recorded{
			Envelope: events.Envelope{ID: "fact", Source: "/posse/test", Time: moment, Event: event},
			Stream:   events.StreamSessions, Sequence: uint64(i + 1), Time: moment.Add(time.Second),
		}
	}
	facts[7].Envelope = events.Envelope{Event: broken}
	return facts
}

// encode returns one text per fact.
func encode(t *testing.T, encoder replay.Encoder, facts []eventlog.Recorded) []string {
	t.Helper()
	lines := make([]string, len(facts))
	for i, fact := range facts {
		line, err := encoder.Append([]byte("before:"), fact)
		if err != nil {
			t.Fatalf("fact %d: %v", i, err)
		}
		lines[i] = strings.TrimPrefix(string(line), "before:")
	}
	return lines
}

// wantOneLine holds a format that is read by lines to one line a fact.
func wantOneLine(t *testing.T, lines []string) {
	t.Helper()
	for i, line := range lines {
		if strings.Count(line, "\n") != 1 || !strings.HasSuffix(line, "\n") || strings.Contains(line, "\r") {
			t.Errorf("fact %d is not one line: %q", i, line)
		}
	}
}

func TestCSV(t *testing.T) {
	t.Parallel()
	text := replay.CSV{}.Header() + strings.Join(encode(t, replay.CSV{}, samples()), "")
	records, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if len(records) != len(samples())+1 {
		t.Fatalf("%d records, want %d", len(records), len(samples())+1)
	}
	column := func(record int, name string) string {
		for i, column := range records[0] {
			if column == name {
				return records[record][i]
			}
		}
		t.Fatalf("there is no column %s", name)
		return ""
	}
	for i, record := range records {
		for _, cell := range record {
			if cell != "" && strings.ContainsAny(cell[:1], "=+-@\t\r\n") {
				t.Errorf("record %d has a cell that a spreadsheet evaluates: %q", i, cell)
			}
		}
	}
	// encoding/csv reads \r\n in a quoted cell as \n.
	if got, want := column(6, "display_name"), "'"+strings.ReplaceAll(hostile, "\r\n", "\n"); got != want {
		t.Errorf("display name %q, want %q", got, want)
	}
	for name, want := range map[string]string{
		"sequence": "3", "stored": "2026-03-14T09:26:54.589Z", "type": "session.revoked.v1", "user": "ann", "cause": "terminate",
		"actor_user": "admin", "actor_ip": "192.0.2.1", "reason_admin": "lost tablet", "command_id": "c-s", "generation": "", "created": "",
		"expires": "2026-03-14T10:26:53.589Z",
	} {
		if got := column(3, name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if got := column(8, "data_base64"); got != "/w==" {
		t.Errorf("a broken message is %q", got)
	}
}

func TestTable(t *testing.T) {
	t.Parallel()
	table := replay.Table{Plain: func(text string) string {
		return strings.Map(func(r rune) rune {
			if unicode.IsGraphic(r) {
				return r
			}
			return '·'
		}, text)
	}}
	lines := encode(t, table, samples())
	wantOneLine(t, lines)
	for i, line := range lines {
		if strings.ContainsFunc(strings.TrimSuffix(line, "\n"), func(r rune) bool { return !unicode.IsGraphic(r) }) {
			t.Errorf("line %d is not fit for a terminal: %q", i, line)
		}
	}
	want := "3         2026-03-14 09:26:54.589  revoked             shop/ann                  s                     " +
		"terminate, by admin, lost tablet, 192.0.2.1\n"
	if lines[2] != want {
		t.Errorf("got\n%swant\n%s", lines[2], want)
	}
}

// cefLine is the grammar of CEF: seven fields in which | and \ are escaped, and pairs.
var cefLine = regexp.MustCompile(`^CEF:0(\|([^|\\]|\\[\\|])*){6}\|(\w+=([^=\\\n\r]|\\[\\=nr])*)+\n$`)

func TestCEF(t *testing.T) {
	t.Parallel()
	lines := encode(t, replay.CEF{}, samples())
	wantOneLine(t, lines)
	for i, line := range lines {
		if !cefLine.MatchString(line) {
			t.Errorf("fact %d is no CEF: %q", i, line)
		}
	}
	want := `CEF:0|posse|posse|1|session.revoked.v1|Session ended|3|rt=1773480414589 start=1773480413589 externalId=fact ` +
		`cn1=3 cn1Label=sequence suid=admin duid=ann src=192.0.2.1 act=terminate reason=lost tablet cs1=shop cs1Label=tenant ` +
		`cs2=s cs2Label=session cs3=c-s cs3Label=command_id cs4=admin cs4Label=initiating_entity` + "\n"
	if lines[2] != want {
		t.Errorf("got\n%swant\n%s", lines[2], want)
	}
	for i, want := range map[int]string{
		1: " c6a2=2001:db8::7 c6a2Label=Source IPv6 Address ",
		5: ` requestClientApplication=\=cmd|' /C calc'!A0\\\r\nCEF:0|x|`,
		6: ` reason=\=cmd|`,
	} {
		if !strings.Contains(lines[i], want) {
			t.Errorf("fact %d has no %q: %s", i, want, lines[i])
		}
	}
}

// TestOCSF validates by the published schema; testdata/README.md says where it is from.
func TestOCSF(t *testing.T) {
	t.Parallel()
	schema, err := jsonschema.NewCompiler().Compile("testdata/ocsf-1.2.0-authentication.json")
	if err != nil {
		t.Fatal(err)
	}
	lines := encode(t, replay.OCSF{}, samples())
	wantOneLine(t, lines)
	for i, line := range lines {
		value, err := jsonschema.UnmarshalJSON(strings.NewReader(line))
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(value); err != nil {
			t.Errorf("fact %d: %v\n%s", i, err, line)
		}
	}
	activities := []int{1, 99, 2, 2, 1, 1, 2, 0, 0}
	for i, line := range lines {
		var event struct {
			ActivityID int    `json:"activity_id"`
			TypeUID    int    `json:"type_uid"`
			Time       int64  `json:"time"`
			Cause      string `json:"status_detail"`
		}
		if err := json.Unmarshal([]byte(line), &event); err != nil {
			t.Fatal(err)
		}
		if event.ActivityID != activities[i] || event.TypeUID != 300200+activities[i] {
			t.Errorf("fact %d is activity %d, type %d; want %d", i, event.ActivityID, event.TypeUID, activities[i])
		}
	}
	if !strings.Contains(lines[2], `"actor":{"user":{"uid":"admin"}}`) || !strings.Contains(lines[2], `"src_endpoint":{"ip":"192.0.2.1"}`) {
		t.Errorf("who ended it, and from where: %s", lines[2])
	}
}

// TestFormatsRepeat: maps have no order, the output has.
func TestFormatsRepeat(t *testing.T) {
	t.Parallel()
	for name, encoder := range map[string]replay.Encoder{
		"ndjson": replay.NDJSON{}, "csv": replay.CSV{}, "cef": replay.CEF{}, "ocsf": replay.OCSF{},
	} {
		want := strings.Join(encode(t, encoder, samples()), "")
		for range 20 {
			if got := strings.Join(encode(t, encoder, samples()), ""); got != want {
				t.Fatalf("%s: got\n%swant\n%s", name, got, want)
			}
		}
	}
}
