package replay

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/eventlog"
)

// Table writes a line a fact for people. Its columns have fixed widths, so that it
// need not see all facts first; a value that is longer pushes the others aside.
type Table struct {
	// Plain makes text from strangers fit for a terminal. Required.
	Plain func(string) string
}

var _ Encoder = Table{}

const tableLine = "%-8v  %-23s  %-18s  %-24s  %-20s  %s"

// Header implements Encoder.
func (Table) Header() string {
	return fmt.Sprintf(tableLine+"\n", "SEQUENCE", "STORED (UTC)", "WHAT", "TENANT/USER", "SESSION", "DETAILS")
}

// Append implements Encoder.
func (t Table) Append(line []byte, fact eventlog.Recorded) ([]byte, error) {
	r, err := rowOf(fact)
	if err != nil {
		return nil, err
	}
	what := cmp.Or(strings.TrimPrefix(string(fact.Event.EventType()), "session."), "not an event")
	line = fmt.Appendf(line, tableLine, r.Sequence, r.Stored.Format("2006-01-02 15:04:05.000"), t.Plain(what),
		t.Plain(r.Tenant+"/"+r.User), t.Plain(r.Session), t.Plain(details(fact.Event, r)))
	return append([]byte(strings.TrimRight(string(line), " ")), '\n'), nil
}

// details is what there is to say of a fact in a few words.
func details(event events.Event, r row) string {
	var words []string
	switch event.(type) {
	case events.LoggedIn:
		words = []string{cmp.Or(r.DisplayName, r.Username), r.DeviceLabel, strings.TrimSpace(r.Platform + " " + r.AppVersion), r.IP}
	case events.Refreshed:
		words = []string{r.IP, "until " + r.Expires.Format(time.DateTime)}
	case events.Revoked:
		words = []string{r.Cause, "by " + cmp.Or(r.ActorUser, r.InitiatingEntity), r.ReasonAdmin, r.ReasonUser, r.ActorIP}
	case events.Forgotten:
		words = []string{"by " + cmp.Or(r.ActorUser, r.InitiatingEntity)}
	default:
		words = []string{r.Payload, r.PayloadBase64}
	}
	var said []string
	for _, word := range words {
		if word != "" {
			said = append(said, word)
		}
	}
	return strings.Join(said, ", ")
}
