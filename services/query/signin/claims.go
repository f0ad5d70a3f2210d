package signin

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/principal"
)

// claims are what a provider says of somebody.
type claims map[string]any

func parseClaims(payload []byte) (claims, error) {
	decoder := json.NewDecoder(bytes.NewReader(payload))
	decoder.UseNumber() // an id may be a number beyond float64
	var c claims
	if err := decoder.Decode(&c); err != nil || c == nil {
		return nil, errors.New("the claims are no JSON object")
	}
	return c, nil
}

// find returns the claim of that name, or the one at the end of a path of names
// joined by dots.
func (c claims) find(path string) any {
	if value, ok := c[path]; ok {
		return value
	}
	name, rest, nested := strings.Cut(path, ".")
	inner, ok := c[name].(map[string]any)
	if !nested || !ok {
		return nil
	}
	return claims(inner).find(rest)
}

// text returns a claim that is a string or a whole number.
func (c claims) text(path string) (string, bool) {
	switch value := c.find(path).(type) {
	case string:
		return value, true
	case json.Number:
		return value.String(), !strings.ContainsAny(value.String(), ".eE")
	default:
		return "", false
	}
}

// names returns a claim that is an array of names, one name, or an object whose
// members are named so.
func (c claims) names(path string) []string {
	switch value := c.find(path).(type) {
	case string:
		return []string{value}
	case []any:
		var names []string
		for _, each := range value {
			if name, ok := each.(string); ok {
				names = append(names, name)
			}
		}
		return names
	case map[string]any:
		return slices.Sorted(maps.Keys(value))
	default:
		return nil
	}
}

// identity is whom the claims name.
func (c OIDC) identity(said claims) (Identity, error) {
	who := Identity{Tenant: c.Tenant, Roles: c.roles(said.names(c.RolesClaim))}
	if c.TenantClaim != "" {
		who.Tenant, _ = said.text(c.TenantClaim)
		if err := events.ValidateID("tenant", who.Tenant); err != nil {
			return Identity{}, fail(NoticeNoTenant, fmt.Errorf("claim %s: %w", c.TenantClaim, err))
		}
	}
	who.User, _ = said.text(c.UserClaim)
	if err := events.ValidateID("user", who.User); err != nil {
		return Identity{}, fail(NoticeOIDCFailed, fmt.Errorf("claim %s: %w", c.UserClaim, err))
	}
	who.Username, _ = said.text("preferred_username")
	who.DisplayName, _ = said.text("name")
	who.AvatarURL, _ = said.text("picture")
	return who, nil
}

// roles are those that posse gives a meaning to.
func (c OIDC) roles(names []string) []string {
	isAny := func(values []string) bool {
		return slices.ContainsFunc(values, func(v string) bool { return slices.Contains(names, v) })
	}
	switch {
	case isAny(c.AdminValues):
		return rolesOf(principal.Admin)
	case isAny(c.AuditorValues):
		return rolesOf(principal.Auditor)
	default:
		return nil
	}
}
