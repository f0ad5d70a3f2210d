package natslog_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/bus"
	"github.com/posse-pos/posse/pkg/eventlog"
	"github.com/posse-pos/posse/pkg/eventlog/eventlogtest"
	"github.com/posse-pos/posse/pkg/eventlog/natslog"
	"github.com/posse-pos/posse/pkg/natstest"
)

// What each use of the log has to be allowed to publish on; to subscribe to, all
// need _INBOX.> only. The package comment lists the same.
var (
	mayOpen   = []string{"$JS.API.STREAM.INFO.POS_SESSIONS"}
	mayAppend = []string{"pos.v1.session.>", "$JS.API.STREAM.MSG.GET.POS_SESSIONS", "$JS.API.DIRECT.GET.POS_SESSIONS"}
	mayFollow = []string{
		"$JS.API.STREAM.INFO.POS_SESSIONS", "$JS.API.STREAM.MSG.GET.POS_SESSIONS",
		"$JS.API.CONSUMER.CREATE.POS_SESSIONS.*", "$JS.API.CONSUMER.MSG.NEXT.POS_SESSIONS.*", "$JS.API.CONSUMER.DELETE.POS_SESSIONS.*",
		"pos.v1.quarantine.POS_SESSIONS",
	}
	mayRead = []string{
		"$JS.API.STREAM.INFO.POS_SESSIONS", "$JS.API.STREAM.MSG.GET.POS_SESSIONS", "$JS.API.DIRECT.GET.POS_SESSIONS",
	}
	mayNote = []string{
		"pos.v1.audit.*",
		"$JS.API.STREAM.INFO.POS_AUDIT", "$JS.API.STREAM.MSG.GET.POS_AUDIT", "$JS.API.DIRECT.GET.POS_AUDIT",
	}
	mayDeclare = []string{"$JS.API.STREAM.INFO.*", "$JS.API.STREAM.CREATE.*", "$JS.API.STREAM.UPDATE.*"}
)

func TestPermissionsSuffice(t *testing.T) {
	t.Parallel()
	url := natstest.Start(t, natstest.WithConfig(permissions(map[string][][]string{
		"declarer": {mayDeclare},
		"appender": {mayOpen, mayAppend},
		"follower": {mayOpen, mayFollow},
		"reader":   {mayRead},
	}))).URL()
	as := func(user string) string { return strings.Replace(url, "nats://", "nats://"+user+":p@", 1) }

	newRig(t, as("declarer"), 1, nil)
	appender, err := natslog.Open(t.Context(), connect(t, as("appender")), natslog.Config{Logger: logger()})
	if err != nil {
		t.Fatalf("open as appender: %v", err)
	}
	if _, err := appender.Append(t.Context(), logins("ann", "s", 2), &eventlog.Expectation{}); err != nil {
		t.Fatalf("append: %v", err)
	}
	if _, err := appender.Append(t.Context(), logins("ann", "t", 1), &eventlog.Expectation{}); !errors.Is(err, eventlog.ErrConflict) {
		t.Fatalf("append in conflict: %v", err)
	}
	if facts, err := appender.User(t.Context(), "shop", "ann", 0); err != nil || len(facts) != 2 {
		t.Fatalf("user: %d facts, %v", len(facts), err)
	}
	conn := connect(t, as("appender"))
	if err := conn.Publish(events.SessionSubject("shop", "ann"), []byte("broken")); err != nil {
		t.Fatal(err)
	}
	follower, err := natslog.Open(t.Context(), connect(t, as("follower")), natslog.Config{Logger: logger()})
	if err != nil {
		t.Fatalf("open as follower: %v", err)
	}
	followTo(t, follower, "follower", 3)
	reader, err := natslog.Open(t.Context(), connect(t, as("reader")), natslog.Config{Logger: logger()})
	if err != nil {
		t.Fatalf("open as reader: %v", err)
	}
	facts := eventlogtest.Selected(t, reader, eventlog.Selection{Tenant: "shop", User: "ann", Limit: 10})
	if len(facts) != 3 {
		t.Fatalf("a reader is given %d facts; want 3", len(facts))
	}
	if first, err := reader.SequenceAt(t.Context(), events.StreamSessions, facts[0].Time); err != nil || first != 1 {
		t.Fatalf("the first message is at %d, %v", first, err)
	}
}

func TestPermissionsSufficeToNote(t *testing.T) {
	t.Parallel()
	url := natstest.Start(t, natstest.WithConfig(permissions(map[string][][]string{
		"declarer": {mayDeclare}, "noter": {mayOpen, mayNote},
	}))).URL()
	as := func(user string) string { return strings.Replace(url, "nats://", "nats://"+user+":p@", 1) }
	newRig(t, as("declarer"), 1, nil)
	noter, err := natslog.Open(t.Context(), connect(t, as("noter")), natslog.Config{Logger: logger()})
	if err != nil {
		t.Fatalf("open as noter: %v", err)
	}
	if sequence, err := noter.Note(t.Context(), note("read")); err != nil || sequence != 1 {
		t.Fatalf("note: %d, %v", sequence, err)
	}
	if notes, err := noter.Notes(t.Context(), 1, 10); err != nil || len(notes) != 1 {
		t.Fatalf("notes: %d, %v; want 1", len(notes), err)
	}
}

// TestWhatIsNotAllowedIsNamed looks, makes and changes streams as users who may not.
func TestWhatIsNotAllowedIsNamed(t *testing.T) {
	t.Parallel()
	url := natstest.Start(t, natstest.WithConfig(permissions(map[string][][]string{
		"declarer": {mayDeclare}, "looker": {{"$JS.API.STREAM.INFO.*"}}, "nobody": {{"nothing"}},
	}))).URL()
	as := func(user string) *bus.Conn {
		return connect(t, strings.Replace(url, "nats://", "nats://"+user+":p@", 1))
	}
	config := natslog.Config{Logger: logger()}
	wantDenied := func(what string, err error, subject string) {
		t.Helper()
		if !errors.Is(err, natslog.ErrDenied) || !strings.Contains(err.Error(), subject) {
			t.Errorf("%s: %v, want ErrDenied about %s", what, err, subject)
		}
	}

	_, err := natslog.Open(t.Context(), as("nobody"), config)
	wantDenied("open", err, "$JS.API.STREAM.INFO.POS_SESSIONS")
	_, err = natslog.New(t.Context(), as("looker"), config)
	wantDenied("create", err, "$JS.API.STREAM.CREATE.POS_SESSIONS")
	if _, err := natslog.New(t.Context(), as("declarer"), config); err != nil {
		t.Fatal(err)
	}
	if _, err := natslog.New(t.Context(), as("looker"), config); err != nil {
		t.Errorf("streams that are there, for one who may only look: %v", err)
	}
	looker, err := natslog.Open(t.Context(), as("looker"), config)
	if err != nil {
		t.Fatal(err)
	}
	_, err = looker.Note(t.Context(), note("read"))
	wantDenied("note", err, "pos.v1.audit.shop")
	config.TouchMaxAge, config.Update = time.Hour, true
	_, err = natslog.New(t.Context(), as("looker"), config)
	wantDenied("update", err, "$JS.API.STREAM.UPDATE.POS_TOUCHES")
}

func permissions(users map[string][][]string) string {
	var text strings.Builder
	text.WriteString("authorization { users = [\n")
	for user, lists := range users {
		var subjects []string
		for _, list := range lists {
			for _, subject := range list {
				subjects = append(subjects, fmt.Sprintf("%q", subject))
			}
		}
		fmt.Fprintf(&text, "  { user: %s, password: p, permissions: { publish: [%s], subscribe: [\"_INBOX.>\"] } }\n",
			user, strings.Join(subjects, ", "))
	}
	text.WriteString("] }\n")
	return text.String()
}

// note is a read of the history.
func note(id string) events.AuditEnvelope {
	return events.AuditEnvelope{ID: id, Source: "/posse/test", Fact: events.AuditRead{
		Tenant: "shop", Via: events.ViaCLI, Kind: "operator", Format: "ndjson",
	}}
}
