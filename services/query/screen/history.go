package screen

import (
	"context"
	"strings"

	"github.com/posse-pos/posse/pkg/activesessions"
	"github.com/posse-pos/posse/services/query/reads"
	"github.com/posse-pos/posse/services/query/screen/words"
)

// ending says how a session ended.
type ending struct {
	At     instant
	By     string // name, or id, of who did it; "" if nobody did
	ByYou  bool
	Cause  string
	Reason string
}

func endingOf(ctx context.Context, pane *sessionsPane, row *reads.Session, names *names) *ending {
	if row.End == nil {
		return &ending{At: momentOf(row.Expires), Cause: pane.Language.Say("cause.expired")}
	}
	e := &ending{
		At:     momentOf(row.End.At),
		Cause:  causeOf(pane.Language, row.End),
		Reason: row.End.ReasonAdmin,
	}
	if e.Reason == "" {
		e.Reason = row.End.ReasonUser
	}
	if actor := row.End.Actor.User; actor != "" {
		e.ByYou = actor == names.lens.Viewer.User
		e.By = names.of(ctx, actor)
	}
	return e
}

// causeOf says how a session ended; a cause that is newer than this program as it
// stands in the log.
func causeOf(l *words.Language, end *activesessions.End) string {
	text := l.Say("cause." + string(end.Cause))
	if strings.HasPrefix(text, "cause.") {
		return string(end.Cause)
	}
	return text
}

// names looks up what people are called, each once.
type names struct {
	lens  *reads.Lens
	known map[string]string
}

// of returns the name of a user, or the id if none is known to the viewer.
func (n *names) of(ctx context.Context, user string) string {
	if name := n.known[user]; name != "" {
		return name
	}
	name := user
	for _, ended := range []bool{false, true} {
		rows, _, err := n.lens.Sessions(ctx, user, ended, 1)
		if err == nil && len(rows) > 0 {
			name = nameOf(rows[0].DisplayName, rows[0].Username, user)
			break
		}
	}
	n.known[user] = name
	return name
}
