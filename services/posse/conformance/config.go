package conformance

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/gateway"
)

// The defaults of a Config.
const (
	DefaultTenant   = "shop 1" // stands encoded in a subject, so that the codec is looked at
	DefaultFlood    = 10_000
	DefaultPatience = 20 * time.Second
	defaultStart    = 10 * time.Minute
)

// The parts of the contract that a gateway may leave out.
const (
	PartTenant   = "tenant"   // to serve one tenant only
	PartProblem  = "problem"  // to explain a refusal in a problem document
	PartIdentity = "identity" // to say who is asking, in headers
	PartTouches  = "touches"  // to report when sessions were last active
	PartReports  = "reports"  // to report what it has applied
)

// Parts are the parts that a gateway may leave out.
func Parts() []string {
	return []string{PartTenant, PartProblem, PartIdentity, PartTouches, PartReports}
}

// Config says what to examine and how.
type Config struct {
	// URL is where the gateway is asked, with GET and a bearer token. Required.
	URL string
	// Start is called once the gateway can be started, with the variables that say
	// to it where everything is, as NAME=value. It starts the gateway, or has
	// somebody start it, and returns without waiting for it. When the gateway ends,
	// it cancels the context it was given. Required.
	Start func(ctx context.Context, cancel context.CancelCauseFunc, env []string) error
	// Policy is what the gateway does while it is stale. Required.
	Policy gateway.StalePolicy
	// StaleAfter is the gateway's bound. 0 means gateway.DefaultStaleAfter.
	StaleAfter time.Duration
	// Tenant is whom the gateway serves. "" means DefaultTenant.
	Tenant string
	// Without names Parts that the gateway leaves out.
	Without []string
	// Only names the rules to look at; the start is always watched. Empty means all.
	Only []string
	// Flood is how many sessions are revoked at once. 0 means DefaultFlood.
	Flood int
	// Patience is how much longer than its bound something is waited for that is late.
	// 0 means DefaultPatience.
	Patience time.Duration
	// StartWithin is how long the gateway may take until it is heard of. 0 means ten
	// minutes: somebody may have to start it.
	StartWithin time.Duration
	// TickEvery is how often the relay ticks. 0 means once a second.
	TickEvery time.Duration
	// NATS and Issuer are host:port of what the gateway talks to. "" means a free
	// port of this machine's loopback.
	NATS, Issuer string
	// Out gets a line for each rule. Required.
	Out io.Writer
	// Logger hears what the parts of the posse around the gateway have to say. nil
	// means nobody.
	Logger *slog.Logger
}

func (c Config) withDefaults() (Config, error) {
	orDuration(&c.StaleAfter, gateway.DefaultStaleAfter)
	orDuration(&c.Patience, DefaultPatience)
	orDuration(&c.StartWithin, defaultStart)
	orDuration(&c.TickEvery, time.Second)
	for _, field := range []struct {
		of        *string
		otherwise string
	}{{&c.Tenant, DefaultTenant}, {&c.NATS, "127.0.0.1:0"}, {&c.Issuer, "127.0.0.1:0"}} {
		if *field.of == "" {
			*field.of = field.otherwise
		}
	}
	if c.Flood == 0 {
		c.Flood = DefaultFlood
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c, c.check()
}

func orDuration(d *time.Duration, otherwise time.Duration) {
	if *d == 0 {
		*d = otherwise
	}
}

func (c Config) check() error {
	var errs []error
	demand := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf("conformance: "+format, args...))
		}
	}
	u, err := url.Parse(c.URL)
	demand(err == nil && u.Host != "" && (u.Scheme == "http" || u.Scheme == "https"),
		"%q is not the URL of a gateway, such as http://127.0.0.1:8480/authz/forward-auth", c.URL)
	demand(c.Start != nil && c.Out != nil, "Config.Start and Config.Out are required")
	demand(c.Policy != gateway.StalePolicy{}, "the gateway's stale policy is required")
	demand(min(c.StaleAfter, c.Patience, c.StartWithin, c.TickEvery) > 0 && c.StaleAfter >= 2*c.TickEvery,
		"durations have to be positive, and the staleness bound %v at least two ticks of %v", c.StaleAfter, c.TickEvery)
	demand(c.Flood >= floodLeast, "a flood has %d revocations or more, not %d", floodLeast, c.Flood)
	for _, part := range c.Without {
		demand(slices.Contains(Parts(), part), "there is no part %q to leave out: %s", part, strings.Join(Parts(), ", "))
	}
	for _, id := range c.Only {
		i := slices.IndexFunc(rules, func(r Rule) bool { return r.ID == id })
		demand(i >= 0, "there is no rule %q", id)
		demand(i < 0 || rules[i].Unseen == "", "rule %s cannot be looked at from outside", id)
	}
	return errors.Join(append(errs, events.ValidateID("tenant", c.Tenant))...)
}

func (c Config) leavesOut(part string) bool { return slices.Contains(c.Without, part) }

// grace is for how long a stale gateway goes on, and whether it ever stops.
func (c Config) grace() (goesOn time.Duration, stops bool) {
	if length, ok := strings.CutPrefix(c.Policy.String(), "grace="); ok {
		d, err := time.ParseDuration(length)
		return d, err == nil
	}
	return 0, c.Policy == gateway.FailClosed
}
