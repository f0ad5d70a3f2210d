package tokens

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Verifier tells good tokens from others. It is safe for concurrent use, and
// none of its methods but Refresh and Close waits for anything.
type Verifier struct {
	cfg     Config
	allowed []jose.SignatureAlgorithm
	fixed   *fetched // keys that do not change
	source  *source  // or where they come from
}

// NewVerifier returns a verifier of the tokens that cfg describes. With JWKSURL
// or FetchKeys it fetches keys in the background until it is closed; the first
// ones may not be there yet when it returns, see Ready. The error wraps ErrConfig
// and names everything that is wrong.
func NewVerifier(cfg Config) (*Verifier, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	v := &Verifier{cfg: cfg}
	for _, name := range cfg.Algorithms {
		v.allowed = append(v.allowed, jose.SignatureAlgorithm(name))
	}
	switch {
	case cfg.SharedSecret != nil:
		v.fixed = &fetched{keySet: keySet{keys: []key{{material: cfg.SharedSecret}}}}
	case cfg.JWKS != nil:
		set, err := parseKeySet(cfg.JWKS)
		if err != nil {
			return nil, fmt.Errorf("%w: JWKS: %w", ErrConfig, err)
		}
		v.fixed = &fetched{keySet: set}
	case cfg.JWKSURL != "":
		if u, err := url.Parse(cfg.JWKSURL); err != nil || u.Host == "" || !strings.HasPrefix(u.Scheme, "http") {
			return nil, fmt.Errorf("%w: JWKSURL %q is no http or https URL", ErrConfig, cfg.JWKSURL)
		}
		v.source = newSource(cfg)
	default:
		v.source = newSource(cfg)
	}
	return v, nil
}

// Verify returns what a good token says. The error wraps one of the errors of
// this package, and never contains any part of the token.
func (v *Verifier) Verify(token string) (Claims, error) { return v.VerifyAt(token, v.cfg.Now()) }

// VerifyAt is Verify by another clock than Config.Now, for those who know the time
// better.
func (v *Verifier) VerifyAt(token string, now time.Time) (Claims, error) {
	signed, err := v.parse(token)
	if err != nil {
		return Claims{}, err
	}
	header := signed.Signatures[0].Header
	k, err := v.findKey(header, signed, now)
	if err != nil {
		return Claims{}, err
	}
	payload, err := signed.Verify(k.material)
	if err != nil {
		return Claims{}, ErrSignature
	}
	claims, err := v.readClaims(payload, now)
	claims.KeyID = header.KeyID
	if err != nil {
		return Claims{}, err
	}
	return claims, nil
}

// Leeway returns how far the issuer's clock may differ from ours: a token is good
// until its expiry and this.
func (v *Verifier) Leeway() time.Duration { return v.cfg.Leeway }

// KeysVersion returns a number that changes when the issuer's keys do. What was
// verified under another version has to be verified again.
func (v *Verifier) KeysVersion() uint64 {
	if current := v.keys(); current != nil {
		return current.version
	}
	return 0
}

// Ready returns ErrKeysUnavailable until there are keys to verify with.
func (v *Verifier) Ready() error {
	if v.keys() == nil {
		return ErrKeysUnavailable
	}
	return nil
}

// Refresh waits until the issuer was asked for its keys after the call, whatever
// came of it, or until ctx ends. Without JWKSURL or FetchKeys it returns at once.
func (v *Verifier) Refresh(ctx context.Context) error {
	if v.source == nil {
		return nil
	}
	return v.source.refresh(ctx)
}

// Close ends the fetching of keys and waits for it. The verifier goes on with the
// keys it has.
func (v *Verifier) Close() {
	if v.source != nil {
		v.source.close()
	}
}

func (v *Verifier) keys() *fetched {
	if v.source != nil {
		return v.source.current.Load()
	}
	return v.fixed
}

func (v *Verifier) parse(token string) (*jose.JSONWebSignature, error) {
	if len(token) > MaxToken {
		return nil, fmt.Errorf("%w: it has %d bytes, at most %d are allowed", ErrMalformed, len(token), MaxToken)
	}
	signed, err := jose.ParseSignedCompact(token, v.allowed)
	var other *jose.ErrUnexpectedSignatureAlgorithm
	switch {
	case errors.As(err, &other):
		return nil, ErrAlgorithm
	case err != nil || len(signed.Signatures) != 1:
		return nil, ErrMalformed
	}
	return signed, nil
}

func (v *Verifier) findKey(header jose.Header, signed *jose.JSONWebSignature, now time.Time) (key, error) {
	current := v.keys()
	if current == nil {
		return key{}, fmt.Errorf("%w: none was fetched yet", ErrKeysUnavailable)
	}
	id := header.KeyID
	if v.cfg.SharedSecret != nil {
		id = ""
	}
	k, err := current.find(id, header.Algorithm)
	if errors.Is(err, ErrUnknownKey) && v.source != nil {
		v.source.want()
		if !v.knewBetter(current, signed.UnsafePayloadWithoutVerification(), now) {
			return key{}, fmt.Errorf("%w: the token may be newer than they are", ErrKeysUnavailable)
		}
	}
	return k, err
}

// knewBetter reports whether the keys were fetched after the token was issued, so
// that its key should be among them. It goes by what the token itself says, which
// decides no more than whether its bearer is told to come again.
func (v *Verifier) knewBetter(current *fetched, payload []byte, now time.Time) bool {
	asked := current.asked.Add(now.Sub(v.cfg.Now())) // by the same clock
	issued, ok := issuedAt(payload)
	switch {
	case !ok:
		return asked.After(now.Add(-v.cfg.Leeway))
	case issued.After(now.Add(v.cfg.Leeway)):
		return true
	default:
		return asked.After(issued.Add(v.cfg.Leeway))
	}
}

func issuedAt(payload []byte) (time.Time, bool) {
	o, err := parseObject(payload)
	if err != nil {
		return time.Time{}, false
	}
	issued, err := o.moment("iat")
	return issued, err == nil && !issued.IsZero()
}
