// Package query answers who is signed in, on which device, now or at a past
// moment, and tells screens what changed. It reads the read model and writes
// nothing: what ends a session is handed to the recorder.
//
// Every answer is for the tenant of the caller. Ids of another tenant, and of
// people whom the caller may not see, are answered exactly as ids that nobody
// has. Every answer carries the position that it is as of (a sequence of
// POS_SESSIONS) and its age, and a caller can ask to wait for a position.
package query

import (
	"cmp"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/posse-pos/posse/pkg/activesessions"
	"github.com/posse-pos/posse/pkg/commands"
	"github.com/posse-pos/posse/pkg/fleet"
	"github.com/posse-pos/posse/pkg/httpapi"
	"github.com/posse-pos/posse/pkg/principal"
	"github.com/posse-pos/posse/services/query/changes"
	"github.com/posse-pos/posse/services/query/signin"
)

// Gateways knows the running gateways; *fleet.Tracker is one.
type Gateways interface {
	Gateways(tenant string) []fleet.Gateway
}

// Confirmations knows which gateways have heard of a revocation; *fleet.Tracker
// does.
type Confirmations = httpapi.Confirmations

// Config of a Service.
type Config struct {
	// Store to read. Required.
	Store activesessions.Reader
	// Bus to hear changes on. Required.
	Bus changes.Subscriber
	// Gateways to list; nil means that none are known.
	Gateways Gateways

	// Authenticator is asked again, while somebody follows the changes, whether
	// they still may; nil means that they may. Run needs it to know callers.
	Authenticator principal.Authenticator
	// Ender ends sessions, and Confirmations knows which gateways have heard of
	// it. The API does without them; Run, the screen and the incumbent's API need
	// an Ender.
	Ender         commands.Ender
	Confirmations Confirmations

	// SignIn says how people sign in to the screen; Mount adds none without it.
	// What it has to know of the screen and the read model is filled in.
	SignIn *signin.Config
	// AvatarHosts and TouchInterval are those of screen.Config.
	AvatarHosts   []string
	TouchInterval time.Duration
	// TokenParameter is that of wcpos.Config.
	TokenParameter bool

	// Listener is where Run serves. Required there.
	Listener net.Listener
	// TrustedProxies are the peers whose X-Forwarded-For Run believes; nil means
	// none.
	TrustedProxies []netip.Prefix
	// Version stands in the OpenAPI document of Run; "" means "dev".
	Version string

	// WaitLimit is the longest that a read waits for a position; 0 means 10 s.
	WaitLimit time.Duration
	// MaxWatchers, MaxTenants and PollEvery are those of changes.Config.
	MaxWatchers, MaxTenants int
	PollEvery               time.Duration
	// MaxScreens is that of screen.Config.
	MaxScreens int
	// Heartbeat is how often a silent stream of changes says that it is alive; 0
	// means 15 s.
	Heartbeat time.Duration
	// CheckEvery is how often a stream of changes looks whether its caller may
	// still have it; 0 means 2 s.
	CheckEvery time.Duration

	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Logger; nil means slog.Default().
	Logger *slog.Logger
	// Metrics is where the service's metrics are registered; nil means nowhere.
	Metrics prometheus.Registerer
}

func (c Config) withDefaults() (Config, error) {
	if c.Store == nil || c.Bus == nil {
		return c, errors.New("query: Config.Store or Config.Bus is missing")
	}
	c.WaitLimit = cmp.Or(c.WaitLimit, 10*time.Second)
	c.Heartbeat = cmp.Or(c.Heartbeat, 15*time.Second)
	c.CheckEvery = cmp.Or(c.CheckEvery, 2*time.Second)
	c.Version = cmp.Or(c.Version, "dev")
	c.Logger = cmp.Or(c.Logger, slog.Default()).With("component", "query")
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Gateways == nil {
		c.Gateways = nobody{}
	}
	return c, nil
}
