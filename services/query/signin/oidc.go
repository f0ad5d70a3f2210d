package signin

import (
	"cmp"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"

	"github.com/coreos/go-oidc/v3/oidc"

	"github.com/posse-pos/posse/events"
)

// OIDC is an OpenID provider where people may sign in.
//
// What a person is called and may do is in claims of the ID token, or else of the
// UserInfo endpoint. A claim is named by its name or, if there is none of that
// name, by a path of names joined by dots.
type OIDC struct {
	// Issuer is the provider's URL, from which everything else is discovered.
	// https, or http on this machine. Required.
	Issuer string
	// ClientID is what the provider calls this screen. Required.
	ClientID string
	// ClientSecret is "" for a public client.
	ClientSecret string
	// RedirectURL is where the provider sends people back to: the screen's public
	// URL and PathCallback. Required.
	RedirectURL string
	// Name is shown on the button. "" means the issuer's host.
	Name string
	// Scopes are asked for besides openid. None means profile.
	Scopes []string
	// Tenant of everybody who signs in there, or "" if TenantClaim names it. One of
	// them is required, and only one.
	Tenant, TenantClaim string
	// UserClaim holds the user's id. It must be a claim that people cannot choose
	// themselves. "" means sub.
	UserClaim string
	// RolesClaim holds the roles or groups: an array of names, one name, or an object
	// whose members are named so. "" means groups.
	RolesClaim string
	// AdminValues are roles that make an administrator, AuditorValues an auditor, if
	// not an administrator. Everybody else sees only their own sessions.
	AdminValues, AuditorValues []string
}

func (c OIDC) withDefaults() (OIDC, error) {
	issuer, err := url.Parse(c.Issuer)
	switch {
	case err != nil || !IsConfidential(c.Issuer):
		return c, fmt.Errorf("%w: OIDC.Issuer %q is no https URL", ErrConfig, c.Issuer)
	case c.ClientID == "":
		return c, fmt.Errorf("%w: OIDC.ClientID is missing", ErrConfig)
	case (c.Tenant == "") == (c.TenantClaim == ""):
		return c, fmt.Errorf("%w: OIDC needs a Tenant or a TenantClaim, and not both", ErrConfig)
	case c.Tenant != "" && events.ValidateID("tenant", c.Tenant) != nil:
		return c, fmt.Errorf("%w: OIDC.Tenant %q is no id", ErrConfig, c.Tenant)
	}
	if !IsConfidential(c.RedirectURL) || !strings.HasSuffix(c.RedirectURL, PathCallback) {
		return c, fmt.Errorf("%w: OIDC.RedirectURL %q is no https URL that ends with %s", ErrConfig, c.RedirectURL, PathCallback)
	}
	c.Name = cmp.Or(c.Name, issuer.Host)
	c.UserClaim = cmp.Or(c.UserClaim, "sub")
	c.RolesClaim = cmp.Or(c.RolesClaim, "groups")
	if len(c.Scopes) == 0 {
		c.Scopes = []string{oidc.ScopeProfile}
	}
	if !slices.Contains(c.Scopes, oidc.ScopeOpenID) {
		c.Scopes = append([]string{oidc.ScopeOpenID}, c.Scopes...)
	}
	return c, nil
}

// IsConfidential reports whether nobody on the way can read what is sent to a URL:
// it is https, or http on this machine.
func IsConfidential(address string) bool {
	u, err := url.Parse(address)
	if err != nil || u.Hostname() == "" {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	isHere := u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
	return u.Scheme == "https" || u.Scheme == "http" && isHere
}
