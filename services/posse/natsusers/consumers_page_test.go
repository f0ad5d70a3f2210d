package natsusers_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/eventlog/natslog"
)

const (
	root          = "../../.."
	consumersPage = root + "/docs/audit-consumers.md"
	goConsumer    = root + "/deployments/consumers/go"
	nodeConsumer  = root + "/deployments/consumers/node"
	natsTool      = root + "/bin/tools/nats"

	// What the page says for where NATS is, and for when the fifth fact was stored.
	pageAddress = "nats.example:4222"
	pageMoment  = "2026-03-01T00:00:00Z"
)

// consumers are the programs of the page, as they are started in a reader's directory.
var consumers = map[string][]string{"go": {"./consumer"}, "node": {"node", "deployments/consumers/node/consumer.mjs"}}

// TestThePageOfAuditConsumers runs every command of docs/audit-consumers.md, in order,
// against a server with the shipped accounts, and compares what they print with what
// the page shows.
func TestThePageOfAuditConsumers(t *testing.T) {
	t.Parallel()
	var moment time.Time
	r := newReader(t, func(s *site, log *natslog.Log) {
		s.history(log, "")
		moment = s.fifth(log)
	})
	commands := commandsOf(t, r.read(consumersPage))
	if len(commands) < 25 {
		t.Fatalf("the page has %d commands", len(commands))
	}
	replaced := strings.NewReplacer(pageAddress, strings.TrimPrefix(r.address, "nats://"), pageMoment, moment.Format(time.RFC3339Nano))
	for _, c := range commands {
		out, err := r.shell(replaced.Replace(c.line))
		if err != nil {
			t.Fatalf("$ %s\n%v\n%s", c.line, err, out)
		}
		if problem := c.unlike(out); problem != "" {
			t.Errorf("$ %s\n%s\n--- it printed:\n%s", c.line, problem, out)
		}
	}
}

// TestThePageShowsTheConsumersWhole holds the page to the programs.
func TestThePageShowsTheConsumersWhole(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(consumersPage)
	if err != nil {
		t.Fatal(err)
	}
	for file, language := range map[string]string{
		goConsumer + "/main.go": "go", nodeConsumer + "/consumer.mjs": "js", nodeConsumer + "/open.mjs": "js",
	} {
		program, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(page), "```"+language+"\n"+string(program)+"```\n") {
			t.Errorf("docs/audit-consumers.md does not show %s as it is", filepath.Clean(file))
		}
	}
}

// TestAuditConsumersGoOnWhereTheyStopped kills both programs in the middle. In the end
// each has every event once, in order.
func TestAuditConsumersGoOnWhereTheyStopped(t *testing.T) {
	t.Parallel()
	for name, program := range consumers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const rounds = 100
			r := newReader(t, func(s *site, log *natslog.Log) {
				for i := range rounds {
					s.history(log, "-"+strconv.Itoa(i))
				}
			})
			r.makeConsumer()
			out := filepath.Join(r.dir, "history.ndjson")
			killed := r.command(program, "follow", out)
			r.must(killed.Start())
			eventually(t, "it has some events", func() bool {
				text, err := os.ReadFile(out)
				return err == nil && bytes.Count(text, []byte{'\n'}) > 10
			})
			r.must(killed.Process.Kill())
			_ = killed.Wait()
			// Half a line, as it is left by a kill in the middle of a write.
			appendTo(t, out, `{"sequence":`)
			if printed, err := r.command(program, "follow", out, "-stop").CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, printed)
			}
			wantWhole(t, r.read(out), rounds*historyLength)
		})
	}
}

// TestAuditConsumersNoticeAGap has both programs read a stream in which one event was
// deleted, as the shipped one cannot be.
func TestAuditConsumersNoticeAGap(t *testing.T) {
	t.Parallel()
	for name, program := range consumers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newReader(t, nil)
			operator := r.connect(r.address, "operator").JetStream()
			stream, err := operator.CreateStream(t.Context(), jetstream.StreamConfig{
				Name: events.StreamSessions, Subjects: []string{events.SubjectSessions}, AllowDirect: true,
			})
			r.must(err)
			for _, config := range (natslog.Config{}).StreamConfigs() {
				if config.Name == events.StreamKeys {
					_, err = operator.CreateStream(t.Context(), config)
					r.must(err)
				}
			}
			log, err := natslog.Open(t.Context(), r.connect(r.address, "recorder"), natslog.Config{Logger: quiet()})
			r.must(err)
			r.history(log, "")
			r.must(stream.DeleteMsg(t.Context(), 3))
			r.makeConsumer()
			out := filepath.Join(r.dir, "history.ndjson")
			for _, command := range []*exec.Cmd{r.command(program, "follow", out, "-stop"), r.command(program, "replay", "")} {
				printed, err := command.CombinedOutput()
				if err == nil || !strings.Contains(string(printed), "after event 2 comes 4: events are missing") {
					t.Errorf("%s: %v\n%s", command.Args, err, printed)
				}
			}
			wantWhole(t, r.read(out), 2)
		})
	}
}

// wantWhole wants lines of all events, each once and in order.
func wantWhole(t *testing.T, text string, last uint64) {
	t.Helper()
	var sequences []uint64
	for line := range strings.Lines(text) {
		var event struct {
			Sequence uint64 `json:"sequence"`
		}
		if err := json.Unmarshal([]byte(line), &event); err != nil {
			t.Fatalf("%v in %q", err, line)
		}
		sequences = append(sequences, event.Sequence)
	}
	for i, sequence := range sequences {
		if sequence != uint64(i+1) {
			t.Fatalf("line %d has event %d", i+1, sequence)
		}
	}
	if uint64(len(sequences)) != last {
		t.Errorf("%d events, want %d", len(sequences), last)
	}
}

func appendTo(t *testing.T, name, text string) {
	t.Helper()
	file, err := os.OpenFile(name, os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, err := file.WriteString(text); err != nil {
		t.Fatal(err)
	}
}

// command is a line of the page after "$ ", and what it prints there.
type command struct {
	line string
	want []string
}

// commandsOf are the commands in the console blocks of a page.
func commandsOf(t *testing.T, page string) (commands []command) {
	t.Helper()
	for _, block := range regexp.MustCompile("(?s)```console\n(.*?\n)```\n").FindAllStringSubmatch(page, -1) {
		for line := range strings.Lines(block[1]) {
			line = strings.TrimSuffix(line, "\n")
			if typed, ok := strings.CutPrefix(line, "$ "); ok {
				commands = append(commands, command{line: typed})
				continue
			}
			if commands == nil {
				t.Fatalf("the page has output before the first command: %q", line)
			}
			last := &commands[len(commands)-1]
			last.want = append(last.want, line)
		}
	}
	return commands
}

// A header as the tool shows it, in no order.
var headerLine = regexp.MustCompile(`^ {2}[A-Za-z-]+: `)

// unlike says what the page shows that was not printed. Lines come in the order of the
// page, with others between them; "…" stands for anything in a line, white space for
// any other.
func (c command) unlike(printed string) string {
	lines, at := strings.Split(printed, "\n"), 0
	for _, want := range c.want {
		text := regexp.QuoteMeta(strings.Join(strings.Fields(want), " "))
		pattern := regexp.MustCompile("^" + strings.ReplaceAll(text, "…", ".*") + "$")
		found := slices.IndexFunc(lines[at:], func(line string) bool { return pattern.MatchString(strings.Join(strings.Fields(line), " ")) })
		if found < 0 {
			return "the page shows, from line " + lines[min(at, len(lines)-1)] + " on: " + want
		}
		if !headerLine.MatchString(want) {
			at += found + 1
		}
	}
	return ""
}

// reader is a directory with what the page takes for granted: the keys, the tool, the
// programs, and a server with a history.
type reader struct {
	*site

	dir, address string
	exports      []string
}

// newReader starts a server with the streams, and has somebody fill them.
func newReader(t *testing.T, fill func(*site, *natslog.Log)) *reader {
	t.Helper()
	for _, need := range []string{natsTool, nodeConsumer + "/node_modules/@nats-io/transport-node"} {
		if _, err := os.Stat(need); err != nil {
			t.Fatalf("%v: `make audit-consumers` makes what is missing, and so does `make test`", err)
		}
	}
	s := newSite(t)
	r := &reader{site: s, dir: t.TempDir(), address: s.start("nats.conf").URL()}
	if fill != nil {
		fill(s, s.declare(r.address))
	}
	for _, user := range []string{"auditor", "auditor_shop", "operator"} {
		seed, err := os.ReadFile(s.seed(user))
		s.must(err)
		s.must(os.WriteFile(filepath.Join(r.dir, user+".nk"), seed, 0o600))
	}
	deployments, err := filepath.Abs(root + "/deployments")
	s.must(err)
	s.must(os.Symlink(deployments, filepath.Join(r.dir, "deployments")))
	if printed, err := r.shell("go build -C deployments/consumers/go -o $PWD/consumer ."); err != nil {
		t.Fatalf("%v\n%s", err, printed)
	}
	return r
}

// shell runs a command as somebody would in a terminal in the directory, who sees both
// outputs. What it exports holds for those that follow.
func (r *reader) shell(line string) (printed string, err error) {
	if strings.HasPrefix(line, "export ") {
		r.exports = append(r.exports, line)
	}
	script := strings.Join(append(slices.Clone(r.exports), line), "\n")
	command := exec.CommandContext(r.t.Context(), "bash", "-euc", script)
	command.Dir, command.Env = r.dir, r.environment()
	out, err := command.CombinedOutput()
	return string(out), err
}

// environment has the tool first in the path, and its contexts in the directory.
func (r *reader) environment() []string {
	tools, err := filepath.Abs(filepath.Dir(natsTool))
	r.must(err)
	return append(os.Environ(), "PATH="+tools+string(os.PathListSeparator)+os.Getenv("PATH"), "XDG_CONFIG_HOME="+r.dir)
}

// command is one of the programs, as AUDITOR. Node has two dashes before an option, and
// Go allows them.
func (r *reader) command(program []string, verb, out string, options ...string) *exec.Cmd {
	args := append(slices.Clone(program[1:]), verb)
	if out != "" {
		args = append(args, "--out", out)
	}
	for _, option := range options {
		args = append(args, "-"+option)
	}
	command := exec.CommandContext(r.t.Context(), program[0], args...)
	command.Dir, command.Env = r.dir, append(os.Environ(), "NATS_URL="+r.address, "NATS_NKEY=auditor.nk")
	return command
}

// makeConsumer makes the consumer of the page, as the operator.
func (r *reader) makeConsumer() {
	r.t.Helper()
	_, err := r.connect(r.address, "operator").JetStream().CreateConsumer(r.t.Context(), events.StreamSessions, jetstream.ConsumerConfig{
		Durable: "audit", AckPolicy: jetstream.AckExplicitPolicy, AckWait: 2 * time.Second, MaxAckPending: 1,
	})
	r.must(err)
}

func (r *reader) read(file string) string {
	r.t.Helper()
	text, err := os.ReadFile(file)
	r.must(err)
	return string(text)
}

// historyLength is how many facts history records.
const historyLength = 6

// history records the history of the page. A round tells one from another.
func (s *site) history(log *natslog.Log, round string) {
	s.t.Helper()
	anna := events.Key{Tenant: "shop", User: "7", Session: "till-1"}
	bert := events.Key{Tenant: "shop", User: "8", Session: "till-2"}
	cora := events.Key{Tenant: "other", User: "3", Session: "till-9"}
	now, later := events.TimestampOf(time.Now()), events.TimestampOf(time.Now().Add(time.Hour))
	login := func(key events.Key, name string) events.Event {
		return events.LoggedIn{Key: key, EventTimestamp: now, Created: now, Expires: later, Personal: events.LoginPersonal{Username: name}}
	}
	end := func(key events.Key, cause events.Cause, by events.InitiatingEntity) events.Event {
		return events.Revoked{Key: key, EventTimestamp: now, Cause: cause, InitiatingEntity: by, Expires: later, CommandID: "c-" + key.User}
	}
	for _, fact := range []struct {
		id    string
		event events.Event
	}{
		{"login-7", login(anna, "anna")},
		{"login-3", login(cora, "cora")},
		{"login-8", login(bert, "bert")},
		{"refresh-7", events.Refreshed{Key: anna, EventTimestamp: now, Expires: later, Generation: 1}},
		{"terminate-8", end(bert, events.CauseTerminate, events.InitiatedByAdmin)},
		{"logout-7", end(anna, events.CauseLogout, events.InitiatedByUser)},
	} {
		envelope := events.Envelope{ID: fact.id + round, Source: "/posse/recorder", Time: time.Now(), Event: fact.event}
		_, err := log.Append(s.t.Context(), []events.Envelope{envelope}, nil)
		s.must(err)
	}
}

// fifth is when the log stored the fifth fact.
func (s *site) fifth(log *natslog.Log) time.Time {
	s.t.Helper()
	stored, err := log.Stored(s.t.Context(), events.StreamSessions, 5, 1)
	s.must(err)
	return stored[0].Time
}
