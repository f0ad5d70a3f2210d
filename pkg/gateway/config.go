package gateway

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nuid"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/gateway/internal/feed"
	"github.com/posse-pos/posse/pkg/gateway/tokens"
)

// The defaults of a Config.
const (
	DefaultStaleAfter      = 5 * time.Second
	DefaultTouchInterval   = 30 * time.Second
	DefaultStatusInterval  = 5 * time.Minute
	DefaultVerifiedTokens  = 32768
	DefaultTrackedSessions = 100_000
)

// Config says how a Gateway works.
type Config struct {
	// NATS is where the revocations come from. Required, unless Feed is set.
	NATS NATS
	// Verifier tells good tokens from others. Required. It stays the caller's to
	// close, after the Gateway.
	Verifier *tokens.Verifier
	// Tenant restricts the gateway to one tenant: it refuses the tokens of others
	// and does not load their revocations. Empty means all tenants.
	Tenant string
	// Name is what people call this gateway, for instance its shop. Empty means
	// that it has none.
	Name string
	// ID tells running gateways apart; two must not have the same. Empty means that
	// one is made up.
	ID string

	// Stale is what to do while revocations may be missed. Required; see
	// StalePolicy.
	Stale StalePolicy
	// StaleAfter is how old posse's newest word may be before the gateway is stale.
	// posse speaks about once a second. 0 means DefaultStaleAfter.
	StaleAfter time.Duration
	// TouchInterval is how often a session's activity is reported at most, and how
	// late at most. 0 means DefaultTouchInterval.
	TouchInterval time.Duration
	// StatusInterval is how often the gateway reports itself when nothing happens
	// and nobody asks. 0 means DefaultStatusInterval.
	StatusInterval time.Duration
	// Unlisted is for processes that only ask Revoked: true means that the gateway
	// does not report itself, so that nobody counts it among the gateways or waits
	// for it to confirm a revocation. False means that it reports.
	Unlisted bool
	// SnapshotFile keeps the revoked sessions, so that the gateway can start while
	// NATS is away. The age of the snapshot counts as staleness. Empty means none.
	SnapshotFile string
	// VerifiedTokens is how many tokens are remembered as verified, by their
	// hashes; one takes about 400 bytes. 0 means DefaultVerifiedTokens, a negative
	// number means none.
	VerifiedTokens int
	// TrackedSessions is of how many sessions activity is tracked at once; the
	// activity of others is not reported. 0 means DefaultTrackedSessions.
	TrackedSessions int

	// Token returns the access token of a request to Middleware and AdmitRequest, ""
	// for one that has none or more than one. Nil means BearerToken. Who takes it
	// from elsewhere, a cookie for instance, has to refuse a request that carries
	// two: the service behind may go by the other one (RFC 6750 §2).
	Token func(*http.Request) string
	// ClientIP returns the address that Middleware reports with a session's
	// activity. Nil means the peer's; behind a proxy that is the proxy's.
	ClientIP func(*http.Request) string
	// Hooks hear what happens.
	Hooks Hooks
	// Logger is where the gateway says what its operator should know. Nil means
	// slog.Default().
	Logger *slog.Logger
	// Now is the clock. Nil means time.Now.
	Now func() time.Time
	// Feed replaces NATS in tests: see package gatewaytest.
	Feed feed.Feed
}

// NATS says how to reach the servers: over a connection that exists, or at a URL.
type NATS struct {
	// Conn is used as it is and stays the caller's to close. It should reconnect
	// without end and notice a dead line within seconds: nats.MaxReconnects(-1),
	// nats.PingInterval(2*time.Second).
	Conn *nats.Conn
	// URL has one or more addresses, joined by commas. Required without Conn. The
	// servers need not be there when the gateway starts.
	URL string
	// CredsFile is a .creds file, NKeyFile the seed of an nkey; at most one.
	CredsFile, NKeyFile string
	// CAFile, CertFile and KeyFile are for TLS, in PEM. Empty means the system's
	// authorities and no client certificate.
	CAFile, CertFile, KeyFile string
	// InboxPrefix begins the subjects on which answers are awaited, so that
	// permissions can keep others from listening there. Empty means
	// "_INBOX.<public key>" for a user with an nkey or credentials, and otherwise
	// "_INBOX".
	InboxPrefix string
	// Options are applied after everything else.
	Options []nats.Option
}

// Hooks are functions that hear what the gateway does, for metrics and for those
// who hold connections open. Each may be nil; they are called from the goroutines
// that do the work, must not block, and may be called at the same time. See also
// Gateway.Stats.
type Hooks struct {
	// Decided hears every decision of Check, CheckSession and Admit.
	Decided func(Reason)
	// Revoked hears of every session that is revoked from now on, after it is
	// refused. Who ends connections of the session here asks Gateway.Revoked once
	// after opening one.
	Revoked func(tenant, session string)
	// TouchesSent hears how many touches were stored, TouchCoalesced of every
	// request that is covered by a touch to come.
	TouchesSent    func(n int)
	TouchCoalesced func()
}

func (h Hooks) withDefaults() Hooks {
	if h.Decided == nil {
		h.Decided = func(Reason) {}
	}
	if h.Revoked == nil {
		h.Revoked = func(string, string) {}
	}
	if h.TouchesSent == nil {
		h.TouchesSent = func(int) {}
	}
	if h.TouchCoalesced == nil {
		h.TouchCoalesced = func() {}
	}
	return h
}

func (c Config) withDefaults() (Config, error) {
	positive(&c.StaleAfter, DefaultStaleAfter)
	positive(&c.TouchInterval, DefaultTouchInterval)
	positive(&c.StatusInterval, DefaultStatusInterval)
	if c.VerifiedTokens == 0 {
		c.VerifiedTokens = DefaultVerifiedTokens
	}
	positive(&c.TrackedSessions, DefaultTrackedSessions)
	if c.ID == "" {
		c.ID = nuid.Next()
	}
	if c.Token == nil {
		c.Token = BearerToken
	}
	if c.ClientIP == nil {
		c.ClientIP = peerIP
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	c.Hooks = c.Hooks.withDefaults()
	return c, c.check()
}

func positive[N ~int | ~int64](n *N, otherwise N) {
	if *n <= 0 {
		*n = otherwise
	}
}

func (c Config) check() error {
	var errs []error
	demand := func(ok bool, sentence string) {
		if !ok {
			errs = append(errs, fmt.Errorf("%w: %s", ErrConfig, sentence))
		}
	}
	demand(c.Verifier != nil, "Verifier is required")
	demand(c.Stale.valid(), "Stale is required and has no default: "+policyChoices)
	demand(c.Feed != nil || c.NATS.Conn != nil || c.NATS.URL != "", "NATS.URL or NATS.Conn is required")
	demand(c.NATS.Conn == nil || c.NATS.URL == "", "NATS.URL and NATS.Conn are both set")
	demand(c.NATS.CredsFile == "" || c.NATS.NKeyFile == "", "NATS.CredsFile and NATS.NKeyFile are both set")
	demand((c.NATS.CertFile == "") == (c.NATS.KeyFile == ""), "NATS.CertFile and NATS.KeyFile go together")
	if c.Tenant != "" {
		errs = append(errs, events.ValidateID("tenant", c.Tenant))
	}
	errs = append(errs, events.ValidateID("gateway id", c.ID))
	return errors.Join(errs...)
}

func peerIP(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return ""
	}
	return host
}
