package gateway

import (
	"fmt"
	"strings"
	"time"
)

// StalePolicy says what a gateway does that has not heard from posse for longer
// than Config.StaleAfter, and so may not know of the newest revocations. There is
// no default: whether a shop goes on selling or a lost tablet stays locked out is
// for its owner to decide. The zero StalePolicy is refused by New.
type StalePolicy struct {
	name  string
	grace time.Duration
}

var (
	// FailClosed refuses everybody with 503 while the gateway is stale.
	FailClosed = StalePolicy{name: "fail_closed"}
	// FailOpen admits everybody who is not known to be revoked, however long the
	// gateway is stale. It does so too when the gateway never loaded the
	// revocations, from StaleAfter after its start.
	FailOpen = StalePolicy{name: "fail_open"}
)

// Grace admits everybody who is not known to be revoked for so long after the
// gateway went stale, and then refuses with 503.
func Grace(d time.Duration) StalePolicy { return StalePolicy{name: "grace", grace: d} }

// ParseStalePolicy reads "fail_closed", "fail_open", or "grace=" and a duration
// such as "grace=15m".
func ParseStalePolicy(s string) (StalePolicy, error) {
	switch s {
	case FailClosed.name:
		return FailClosed, nil
	case FailOpen.name:
		return FailOpen, nil
	}
	if duration, ok := strings.CutPrefix(s, "grace="); ok {
		grace, err := time.ParseDuration(duration)
		if err == nil && grace > 0 {
			return Grace(grace), nil
		}
	}
	return StalePolicy{}, fmt.Errorf("%w: no stale policy %q: %s", ErrConfig, s, policyChoices)
}

const policyChoices = "choose fail_closed (refuse with 503 while revocations may be missed), " +
	"fail_open (go on without them), or grace=15m (go on for that long, then refuse)"

// String returns the policy as ParseStalePolicy reads it.
func (p StalePolicy) String() string {
	if p.grace > 0 {
		return p.name + "=" + p.grace.String()
	}
	return p.name
}

func (p StalePolicy) valid() bool {
	return p == FailClosed || p == FailOpen || p.name == "grace" && p.grace > 0
}

// admits reports whether a gateway that is stale for so long goes on.
func (p StalePolicy) admits(staleFor time.Duration) bool {
	return p == FailOpen || p.name == "grace" && staleFor < p.grace
}
