package changes

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/posse-pos/posse/pkg/activesessions"
)

// Mark is a place in what the read model shows: a sequence of POS_SESSIONS and
// one of POS_TOUCHES. Its text, "12-34", is the id of an event of /v1/changes.
type Mark struct{ Position, Touches uint64 }

// MarkOf returns the place of a read.
func MarkOf(f activesessions.Freshness) Mark { return Mark{f.Position, f.Touches} }

// String is the text of a mark.
func (m Mark) String() string {
	return strconv.FormatUint(m.Position, 10) + "-" + strconv.FormatUint(m.Touches, 10)
}

// Join is the earliest mark that is after both.
func (m Mark) Join(o Mark) Mark {
	return Mark{max(m.Position, o.Position), max(m.Touches, o.Touches)}
}

// Covers reports whether m is nowhere before o.
func (m Mark) Covers(o Mark) bool { return m.Position >= o.Position && m.Touches >= o.Touches }

// ParseMark reads the text of a mark.
func ParseMark(s string) (Mark, error) {
	position, touches, found := strings.Cut(s, "-")
	p, err1 := strconv.ParseUint(position, 10, 64)
	t, err2 := strconv.ParseUint(touches, 10, 64)
	if !found || err1 != nil || err2 != nil {
		return Mark{}, fmt.Errorf("changes: mark %.60q is not of the form 12-34", s)
	}
	return Mark{p, t}, nil
}
