package query

import (
	"fmt"
	"strconv"
	"strings"
)

// mark is a place in what the read model shows: a sequence of POS_SESSIONS and
// one of POS_TOUCHES. Its text is the id of an event of /v1/changes.
type mark struct{ position, touches uint64 }

func (m mark) String() string {
	return strconv.FormatUint(m.position, 10) + "-" + strconv.FormatUint(m.touches, 10)
}

// join is the earliest mark that is after both.
func (m mark) join(o mark) mark {
	return mark{max(m.position, o.position), max(m.touches, o.touches)}
}

// covers reports whether m is nowhere before o.
func (m mark) covers(o mark) bool { return m.position >= o.position && m.touches >= o.touches }

func parseMark(s string) (mark, error) {
	position, touches, found := strings.Cut(s, "-")
	p, err1 := strconv.ParseUint(position, 10, 64)
	t, err2 := strconv.ParseUint(touches, 10, 64)
	if !found || err1 != nil || err2 != nil {
		return mark{}, fmt.Errorf("query: event id %.60q is not of the form 12-34", s)
	}
	return mark{p, t}, nil
}
