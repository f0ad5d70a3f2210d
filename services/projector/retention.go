package projector

import (
	"cmp"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/posse-pos/posse/events"
)

// MinRetention is the shortest time for which sessions are kept after they ended, 13
// months of 31 days: whoever asks for a moment of a year ago, a month late, is
// answered.
const MinRetention = 403 * day

const (
	day          = 24 * time.Hour
	maxRetention = 36500 * day // keeps a mistyped duration from overflowing
)

// ErrRetention says that sessions cannot be kept for so long, or for so short.
var ErrRetention = errors.New("projector: invalid retention")

// Retention says how long sessions are kept after they ended.
type Retention struct {
	// Default is for tenants that have none of their own; 0 means MinRetention.
	Default time.Duration
	// Tenants keep them for other times.
	Tenants map[string]time.Duration
}

// Of returns how long a tenant keeps them.
func (r Retention) Of(tenant string) time.Duration {
	if own, ok := r.Tenants[tenant]; ok {
		return own
	}
	return cmp.Or(r.Default, MinRetention)
}

func (r Retention) validate() error {
	if err := checkRetention("", cmp.Or(r.Default, MinRetention)); err != nil {
		return err
	}
	for tenant, keep := range r.Tenants {
		if err := checkRetention(tenant, keep); err != nil {
			return err
		}
	}
	return nil
}

func checkRetention(tenant string, keep time.Duration) error {
	if MinRetention <= keep && keep <= maxRetention {
		return nil
	}
	whose := ""
	if tenant != "" {
		whose = fmt.Sprintf(" of tenant %q", tenant)
	}
	return fmt.Errorf("%w%s: %s, want %s (13 months) to %s", ErrRetention, whose, inDays(keep), inDays(MinRetention), inDays(maxRetention))
}

// inDays writes whole days as ParseRetention reads them.
func inDays(d time.Duration) string {
	if d%day == 0 {
		return fmt.Sprintf("%dd", d/day)
	}
	return d.String()
}

// ParseRetention reads how long sessions are kept, as "403d" or as Go writes
// durations, "9672h"; "" is MinRetention. Tenants are given as TENANT=DURATION. Errors
// wrap ErrRetention and name the value.
func ParseRetention(keep string, tenants []string) (Retention, error) {
	r := Retention{Tenants: make(map[string]time.Duration, len(tenants))}
	var err error
	if keep != "" {
		if r.Default, err = parseDays(keep); err != nil {
			return Retention{}, err
		}
		if r.Default == 0 {
			return Retention{}, checkRetention("", 0)
		}
	}
	for _, entry := range tenants {
		at := strings.LastIndexByte(entry, '=') // a tenant may have one in its name
		if at < 0 {
			return Retention{}, fmt.Errorf("%w: %q, want TENANT=DURATION such as north=730d", ErrRetention, entry)
		}
		tenant, keep := entry[:at], entry[at+1:]
		if err := events.ValidateID("tenant", tenant); err != nil {
			return Retention{}, fmt.Errorf("%w: %q: %w", ErrRetention, entry, err)
		}
		if _, ok := r.Tenants[tenant]; ok {
			return Retention{}, fmt.Errorf("%w: tenant %q has two", ErrRetention, tenant)
		}
		if r.Tenants[tenant], err = parseDays(keep); err != nil {
			return Retention{}, fmt.Errorf("tenant %q: %w", tenant, err)
		}
	}
	return r, r.validate()
}

func parseDays(text string) (time.Duration, error) {
	if number, ok := strings.CutSuffix(text, "d"); ok {
		if n, err := strconv.ParseUint(number, 10, 16); err == nil { // which does not overflow
			return time.Duration(n) * day, nil
		}
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0, fmt.Errorf("%w: %q, want days such as \"403d\" or a duration such as \"9672h\"", ErrRetention, text)
	}
	return d, nil
}
