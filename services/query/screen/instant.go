package screen

import (
	"time"

	"github.com/posse-pos/posse/services/query/reads"
	"github.com/posse-pos/posse/services/query/screen/words"
)

// instant is a moment in a template.
type instant struct {
	time.Time

	Form string // how a script writes it: "ago" or "moment"
	Text string // how it reads without one
}

// ISO is for the attribute datetime.
func (i instant) ISO() string { return i.UTC().Format("2006-01-02T15:04:05.000Z") }

// UTC is what hovering shows.
func (i instant) InUTC() string { return i.Time.UTC().Format("2006-01-02 15:04:05") + " UTC" }

func momentOf(t time.Time) instant {
	return instant{Time: t, Form: "moment", Text: t.UTC().Format("2006-01-02 15:04") + " UTC"}
}

// agoOf says how long before now something was. For a past moment it says when
// it was: "5 minutes ago" would be misread.
func agoOf(l *words.Language, at *reads.Lens, t time.Time) instant {
	if !at.AsOf.IsZero() {
		return momentOf(t)
	}
	return instant{Time: t, Form: "ago", Text: l.Ago(at.Now.Sub(t))}
}
