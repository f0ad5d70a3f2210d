package tokens

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"time"
)

const (
	// MaxToken is the longest token that is looked at, in bytes.
	MaxToken = 8 << 10
	// DefaultLeeway is how far the issuer's clock may differ from ours.
	DefaultLeeway = 10 * time.Second
	// DefaultRefreshInterval is how often keys are fetched.
	DefaultRefreshInterval = 5 * time.Minute
	// TypeAccess is the usual type of a token that a POS presents.
	TypeAccess = "access"
	// minSecret is what RFC 7518 §3.2 demands of an HS256 key.
	minSecret = 32
)

// Config says which tokens are good. Exactly one of JWKS, JWKSURL, FetchKeys and
// SharedSecret is required.
type Config struct {
	// Preset fills the fields below that are empty for a known kind of token.
	// Empty means that Claims names where everything is.
	Preset Preset
	// Issuer is what the claim "iss" has to be. Required.
	Issuer string
	// Audience is what the claim "aud" has to contain. Empty means that any
	// audience, or none, is good.
	Audience string
	// Algorithms are the JOSE names of the signatures that are accepted. Empty
	// means EdDSA and ES256, and HS256 with a SharedSecret. "none" is never
	// accepted, HMAC only with a SharedSecret, and nothing else with one.
	Algorithms []string

	// JWKS is a JSON Web Key Set (RFC 7517) that does not change.
	JWKS []byte
	// JWKSURL is where the issuer publishes its set. An answer may take five
	// seconds and have 1 MiB.
	JWKSURL string
	// FetchKeys returns the issuer's set from wherever it is; it may take five
	// seconds.
	FetchKeys func(context.Context) ([]byte, error)
	// SharedSecret is the key of HMAC tokens, at least 32 bytes.
	SharedSecret []byte
	// RefreshInterval is how often JWKSURL or FetchKeys is asked. 0 means
	// DefaultRefreshInterval. An unknown key is asked for at once, but not more
	// often than once a second.
	RefreshInterval time.Duration
	// HTTPClient fetches JWKSURL. Nil means a client that follows no redirects to
	// other hosts.
	HTTPClient *http.Client

	// Claims says where in a token the ids are. Empty fields are the preset's.
	Claims ClaimPaths
	// Tenant is the tenant of every token. Required if the tokens name none. With
	// Claims.Tenant, a token of another tenant is refused. Empty means that
	// Claims.Tenant says where it is, and any tenant is good.
	Tenant string
	// AcceptType is what the claim at Claims.Type has to be. Empty means
	// TypeAccess.
	AcceptType string
	// Leeway is how far the issuer's clock may differ from ours. 0 means
	// DefaultLeeway, a negative value means none.
	Leeway time.Duration

	// Now is the clock. Nil means time.Now.
	Now func() time.Time
	// Logger hears of keys that cannot be fetched. Nil means slog.Default().
	Logger *slog.Logger
}

// ClaimPaths says where in a token's claims something is, as member names joined
// by dots: "data.user.id" is the id of the user of data. A member whose own name
// has dots, such as a URL, is found too.
type ClaimPaths struct {
	// Tenant, User and Session are strings, or whole numbers. User and Session are
	// required, Tenant unless Config.Tenant is set.
	Tenant, User, Session string
	// Type is what the token is for. Empty means that it is not looked at.
	Type string
	// Roles is an array of strings, or one string of names between spaces. Empty
	// means that nobody has a role.
	Roles string
}

// Preset is a known kind of token.
type Preset string

const (
	// Posse is the token that posse mints: the user in sub, and tenant, sid, type
	// and roles.
	Posse Preset = "posse"
	// WCPOS is the token of WooCommerce POS: HS256, the site as issuer, the user in
	// data.user.id, the session in refresh_jti of an access token and in jti of a
	// refresh token. It names no tenant: set Config.Tenant.
	WCPOS Preset = "wcpos"
)

func (c Config) withDefaults() (Config, error) {
	if c.AcceptType == "" {
		c.AcceptType = TypeAccess
	}
	paths, err := c.Preset.paths(c.AcceptType)
	if err != nil {
		return c, err
	}
	c.Claims = c.Claims.or(paths)
	if len(c.Algorithms) == 0 {
		c.Algorithms = []string{"EdDSA", "ES256"}
		if c.SharedSecret != nil {
			c.Algorithms = []string{"HS256"}
		}
	}
	switch {
	case c.Leeway == 0:
		c.Leeway = DefaultLeeway
	case c.Leeway < 0:
		c.Leeway = 0
	}
	if c.RefreshInterval <= 0 {
		c.RefreshInterval = DefaultRefreshInterval
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return c, c.check()
}

func (p Preset) paths(acceptType string) (ClaimPaths, error) {
	switch p {
	case "":
		return ClaimPaths{}, nil
	case Posse:
		return ClaimPaths{Tenant: "tenant", User: "sub", Session: "sid", Type: "type", Roles: "roles"}, nil
	case WCPOS:
		session := "refresh_jti"
		if acceptType != TypeAccess {
			session = "jti"
		}
		return ClaimPaths{User: "data.user.id", Session: session, Type: "type"}, nil
	default:
		return ClaimPaths{}, fmt.Errorf("%w: no preset %q: use %q, %q or none", ErrConfig, p, Posse, WCPOS)
	}
}

func (p ClaimPaths) or(other ClaimPaths) ClaimPaths {
	fill := func(into *string, value string) {
		if *into == "" {
			*into = value
		}
	}
	fill(&p.Tenant, other.Tenant)
	fill(&p.User, other.User)
	fill(&p.Session, other.Session)
	fill(&p.Type, other.Type)
	fill(&p.Roles, other.Roles)
	return p
}

func (c Config) check() error {
	var errs []error
	demand := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf("%w: "+format, append([]any{ErrConfig}, args...)...))
		}
	}
	demand(c.Issuer != "", "Issuer is required: it is what the claim iss has to be")
	demand(c.keySources() == 1, "%d sources of keys are given: set one of JWKS, JWKSURL, FetchKeys and SharedSecret", c.keySources())
	demand(c.SharedSecret == nil || len(c.SharedSecret) >= minSecret,
		"SharedSecret has %d bytes, at least %d are required", len(c.SharedSecret), minSecret)
	demand(c.Claims.User != "" && c.Claims.Session != "", "Claims.User and Claims.Session are required without a Preset")
	demand(c.Tenant != "" || c.Claims.Tenant != "", "the tokens name no tenant: set Tenant")
	for _, name := range c.Algorithms {
		symmetric, known := algorithms[name]
		demand(known, "algorithm %q is not known", name)
		demand(!known || symmetric == (c.SharedSecret != nil),
			"algorithm %q does not go with these keys: HMAC needs a SharedSecret, and a SharedSecret is for HMAC only", name)
	}
	return errors.Join(errs...)
}

func (c Config) keySources() int {
	given := []bool{c.JWKS != nil, c.JWKSURL != "", c.FetchKeys != nil, c.SharedSecret != nil}
	return len(slices.DeleteFunc(given, func(is bool) bool { return !is }))
}
