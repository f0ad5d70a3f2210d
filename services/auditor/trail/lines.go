package trail

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/eventlog"
)

// line is a note as NDJSON: an object a line, the fact as its schema has it.
type line struct {
	Sequence uint64    `json:"sequence"`
	Stored   time.Time `json:"stored"`
	ID       string    `json:"id,omitempty"`
	Type     string    `json:"type,omitempty"`
	Source   string    `json:"source,omitempty"`
	Time     time.Time `json:"time,omitzero"`
	// Subject is of messages that posse does not know.
	Subject string `json:"subject,omitempty"`
	Event   any    `json:"event,omitempty"`
	// Data is the payload of a message that is not JSON, in base64.
	Data []byte `json:"data_base64,omitempty"`
}

// NDJSON writes notes as JSON, one a line.
func NDJSON(w io.Writer) func(eventlog.Noted) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	return func(note eventlog.Noted) error {
		l := line{
			Sequence: note.Sequence, Stored: note.Time, ID: note.ID, Type: events.AuditWireType(note.Fact),
			Source: note.Source, Time: note.AuditEnvelope.Time, Event: note.Fact,
		}
		if unknown, ok := note.Fact.(events.UnknownAudit); ok {
			l.Subject, l.Event = unknown.Message.Subject, nil
			if data := unknown.Message.Data; utf8.Valid(data) && json.Valid(data) {
				l.Event = json.RawMessage(data)
			} else {
				l.Data = data
			}
		}
		return encoder.Encode(l)
	}
}

const tableLine = "%-23s  %-12s  %-16s  %s\n"

// TableHeader names the columns of Table.
func TableHeader() string { return fmt.Sprintf(tableLine, "STORED (UTC)", "TENANT", "WHAT", "DETAILS") }

// Table writes notes for people, one a line. Plain makes text from strangers fit for
// a terminal.
func Table(w io.Writer, plain func(string) string) func(eventlog.Noted) error {
	return func(note eventlog.Noted) error {
		what := cmp.Or(string(note.Fact.EventType()), "not a fact")
		_, err := fmt.Fprintf(w, tableLine, note.Time.UTC().Format("2006-01-02 15:04:05.000"),
			plain(cmp.Or(note.Fact.AuditTenant(), "(all)")), plain(what), plain(strings.Join(details(note.Fact), ", ")))
		return err
	}
}

// details is what there is to say of a fact in a few words.
func details(fact events.AuditFact) []string {
	switch fact := fact.(type) {
	case events.AuditRead:
		return readDetails(fact)
	case events.RetentionSwept:
		return []string{
			"ended before " + fact.Before.Time().Format(time.DateOnly),
			strconv.FormatUint(fact.Sessions, 10) + " sessions forgotten",
			strconv.FormatUint(fact.Keys, 10) + " keys destroyed",
		}
	case events.UnknownAudit:
		return []string{string(fact.Message.Data)}
	default:
		return nil
	}
}

func readDetails(read events.AuditRead) []string {
	who := strings.TrimSpace(read.Kind + " " + cmp.Or(read.Actor.User, read.Actor.Key))
	if claim := read.Personal; claim.OSUser != "" || claim.Host != "" {
		who += fmt.Sprintf(" (says it is %s at %s)", cmp.Or(claim.OSUser, "?"), cmp.Or(claim.Host, "?"))
	}
	if read.Personal.ActorIP != "" {
		who += " from " + read.Personal.ActorIP
	}
	words := []string{who, string(read.Via), read.Format}
	if read.Follow {
		words = append(words, "following")
	}
	return append(words, filterDetails(read.Filter)...)
}

// filterDetails says what was asked for in the words of the flags.
func filterDetails(f events.AuditFilter) []string {
	var words []string
	say := func(name, value string) {
		if value != "" {
			words = append(words, name+"="+value)
		}
	}
	say("since", f.Since)
	say("until", f.Until)
	if f.AtEnd {
		words = append(words, "from the end")
	}
	if f.FromSeq > 0 {
		say("from-seq", strconv.FormatUint(f.FromSeq, 10))
	}
	say("user", f.User)
	say("session", f.Session)
	for _, name := range f.Types {
		say("type", name)
	}
	say("cause", f.Cause)
	say("actor", f.Actor)
	if f.Limit > 0 {
		say("limit", strconv.FormatUint(f.Limit, 10))
	}
	return words
}
