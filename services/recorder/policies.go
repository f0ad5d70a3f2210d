package recorder

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/session"
)

// ErrPolicies says that a file of policies cannot be used.
var ErrPolicies = errors.New("recorder: invalid policies")

// maxLifetime keeps a mistyped duration from meaning centuries.
const maxLifetime = 10 * 365 * 24 * time.Hour

// Policies says what each tenant allows.
type Policies struct {
	// Default is the policy of tenants that have none of their own. The zero
	// value has no idle timeout, no cap but the hard one, and the lifetime
	// session.DefaultLifetime.
	Default session.Policy
	// Tenants have policies of their own.
	Tenants map[string]session.Policy
}

// Of returns a tenant's policy.
func (p Policies) Of(tenant string) session.Policy {
	if own, ok := p.Tenants[tenant]; ok {
		return own
	}
	return p.Default
}

// policyFile is the JSON form:
//
//	{
//	  "default": {"absolute_lifetime": "720h"},
//	  "tenants": {"north": {"idle_timeout": "30m", "max_sessions": 5}}
//	}
//
// What a tenant does not say is as in the default.
type policyFile struct {
	Default policyEntry            `json:"default"`
	Tenants map[string]policyEntry `json:"tenants"`
}

type policyEntry struct {
	IdleTimeout      *string `json:"idle_timeout"`
	AbsoluteLifetime *string `json:"absolute_lifetime"`
	MaxSessions      *int    `json:"max_sessions"`
}

// LoadPolicies reads policies from a JSON file. An error wraps ErrPolicies and
// names the line or the field.
func LoadPolicies(file string) (Policies, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return Policies{}, fmt.Errorf("%w: %w", ErrPolicies, err)
	}
	policies, err := ParsePolicies(data)
	if err != nil {
		return Policies{}, fmt.Errorf("%s: %w", file, err)
	}
	return policies, nil
}

// ParsePolicies reads policies from JSON, as LoadPolicies does from a file.
func ParsePolicies(data []byte) (Policies, error) {
	var file policyFile
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&file); err != nil {
		return Policies{}, fmt.Errorf("%w: line %d: %w", ErrPolicies, lineOf(data, decoder, err), err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return Policies{}, fmt.Errorf("%w: line %d: something follows the JSON object", ErrPolicies, lineOf(data, decoder, nil))
	}
	return file.policies()
}

// lineOf finds the line that the decoder stumbled over.
func lineOf(data []byte, decoder *json.Decoder, err error) int {
	offset := decoder.InputOffset()
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		offset = syntax.Offset
	}
	if typ, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		offset = typ.Offset
	}
	return 1 + bytes.Count(data[:min(int(offset), len(data))], []byte("\n"))
}

func (f policyFile) policies() (Policies, error) {
	p := Policies{Tenants: make(map[string]session.Policy, len(f.Tenants))}
	var err error
	if p.Default, err = f.Default.over(session.Policy{}, "default"); err != nil {
		return Policies{}, err
	}
	for tenant, entry := range f.Tenants {
		if err := events.ValidateID("tenant", tenant); err != nil {
			return Policies{}, fmt.Errorf("%w: tenants: %w", ErrPolicies, err)
		}
		if p.Tenants[tenant], err = entry.over(p.Default, "tenants."+tenant); err != nil {
			return Policies{}, err
		}
	}
	return p, nil
}

func (e policyEntry) over(base session.Policy, path string) (session.Policy, error) {
	if err := errors.Join(
		duration(&base.IdleTimeout, e.IdleTimeout, path+".idle_timeout", 0),
		duration(&base.AbsoluteLifetime, e.AbsoluteLifetime, path+".absolute_lifetime", time.Minute),
	); err != nil {
		return base, err
	}
	if e.MaxSessions != nil {
		if *e.MaxSessions < 0 || *e.MaxSessions > events.MaxActiveSessions {
			return base, fmt.Errorf("%w: %s.max_sessions is %d, want 0 (no cap of its own) to %d",
				ErrPolicies, path, *e.MaxSessions, events.MaxActiveSessions)
		}
		base.MaxSessions = *e.MaxSessions
	}
	return base, nil
}

func duration(into *time.Duration, value *string, path string, least time.Duration) error {
	if value == nil {
		return nil
	}
	d, err := time.ParseDuration(*value)
	if err != nil || d < least || d > maxLifetime {
		return fmt.Errorf("%w: %s is %q, want a duration such as \"30m\" or \"720h\", from %s to %s",
			ErrPolicies, path, *value, least, maxLifetime)
	}
	*into = d
	return nil
}
