package tokens

import (
	"errors"
	"fmt"
	"slices"
	"time"

	strict "github.com/go-jose/go-jose/v4/json"
)

func (v *Verifier) readClaims(payload []byte, now time.Time) (Claims, error) {
	o, err := parseObject(payload)
	if err != nil {
		return Claims{}, err
	}
	if err := v.checkParties(o); err != nil {
		return Claims{}, err
	}
	c, err := v.readTimes(o, now)
	if err != nil {
		return c, err
	}
	if v.cfg.Claims.Type != "" {
		if c.Type, err = o.text(v.cfg.Claims.Type); err != nil || c.Type != v.cfg.AcceptType {
			return c, fmt.Errorf("%w: %s is not %q", ErrType, v.cfg.Claims.Type, v.cfg.AcceptType)
		}
	}
	return v.readIDs(c, o)
}

func (v *Verifier) checkParties(o object) error {
	if issuer, err := o.text("iss"); err != nil || issuer != v.cfg.Issuer {
		return fmt.Errorf("%w: iss is not %q", ErrIssuer, v.cfg.Issuer)
	}
	if v.cfg.Audience == "" {
		return nil
	}
	var audience audience
	if strict.Unmarshal(o["aud"], &audience) != nil || !audience.has(v.cfg.Audience) {
		return fmt.Errorf("%w: aud does not have %q", ErrIssuer, v.cfg.Audience)
	}
	return nil
}

func (v *Verifier) readTimes(o object, now time.Time) (Claims, error) {
	var c Claims
	expires, err1 := o.moment("exp")
	starts, err2 := o.moment("nbf")
	issued, err3 := o.moment("iat")
	if err := errors.Join(err1, err2, err3); err != nil {
		return c, err
	}
	switch {
	case expires.IsZero():
		return c, fmt.Errorf("%w: exp is missing", ErrClaims)
	case !now.Before(expires.Add(v.cfg.Leeway)):
		return c, fmt.Errorf("%w at %s", ErrExpired, expires.Format(time.RFC3339))
	case now.Add(v.cfg.Leeway).Before(starts):
		return c, fmt.Errorf("%w before %s", ErrNotYetValid, starts.Format(time.RFC3339))
	}
	c.Expires, c.IssuedAt = expires, issued
	return c, nil
}

func (v *Verifier) readIDs(c Claims, o object) (Claims, error) {
	var err1, err2, err3, err4 error
	c.Tenant, err1 = v.readTenant(o)
	c.User, err2 = o.id("user", v.cfg.Claims.User)
	c.Session, err3 = o.id("session", v.cfg.Claims.Session)
	if v.cfg.Claims.Roles != "" {
		c.Roles, err4 = o.names(v.cfg.Claims.Roles)
	}
	return c, errors.Join(err1, err2, err3, err4)
}

func (v *Verifier) readTenant(o object) (string, error) {
	if v.cfg.Claims.Tenant == "" {
		return v.cfg.Tenant, nil
	}
	tenant, err := o.id("tenant", v.cfg.Claims.Tenant)
	if err == nil && v.cfg.Tenant != "" && tenant != v.cfg.Tenant {
		return "", fmt.Errorf("%w: %s is not %q", ErrClaims, v.cfg.Claims.Tenant, v.cfg.Tenant)
	}
	return tenant, err
}

// audience is one name or several (RFC 7519 §4.1.3).
type audience []string

func (a *audience) UnmarshalJSON(data []byte) error {
	var one string
	if strict.Unmarshal(data, &one) == nil {
		*a = audience{one}
		return nil
	}
	return strict.Unmarshal(data, (*[]string)(a))
}

func (a audience) has(name string) bool {
	return slices.Contains(a, name)
}
