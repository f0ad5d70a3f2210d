package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/posse-pos/posse/pkg/gateway/tokens"
	"github.com/posse-pos/posse/pkg/principal"
	"github.com/posse-pos/posse/pkg/token"
)

// firstKeys is how long a start waits for keys that stand in a file.
const firstKeys = 5 * time.Second

func issuerFlag() cli.Flag {
	return text("issuer", "posse", "what the claim iss of a token has to be; the same for all roles")
}

// identity is by what posse knows its callers: POS backends by their keys, and
// people by the tokens that posse minted for their sessions.
type identity struct {
	backends *token.BackendKeys
	keyring  *token.Keyring
	verifier *tokens.Verifier
}

// openIdentity opens the directory of keys. Longest is the longest life of a
// token, 0 for the default.
func (n *node) openIdentity(ctx context.Context, longest time.Duration) (*identity, error) {
	dir := n.cmd.String("keys")
	backends, err := token.OpenBackendKeys(dir, n.logger)
	if err != nil {
		return nil, err
	}
	keyring, err := token.OpenKeyring(token.KeyringConfig{Dir: dir, Longest: longest, Logger: n.logger})
	if err != nil {
		return nil, err
	}
	//nolint:contextcheck // it fetches keys until it is closed
	verifier, err := tokens.NewVerifier(tokens.Config{
		Preset:    tokens.Posse,
		Issuer:    n.cmd.String("issuer"),
		FetchKeys: func(context.Context) ([]byte, error) { return json.Marshal(keyring.PublicJWKS()) },
		Logger:    n.logger,
	})
	if err != nil {
		return nil, err
	}
	n.onEnd("verifier", func() error { verifier.Close(); return nil })
	ctx, cancel := context.WithTimeout(ctx, firstKeys)
	defer cancel()
	return &identity{backends, keyring, verifier}, verifier.Refresh(ctx)
}

// tenants are those that a backend may record for.
func (i *identity) tenants() []string {
	seen := map[string]bool{}
	var tenants []string
	for _, key := range i.backends.List() {
		if !seen[key.Tenant] {
			seen[key.Tenant] = true
			tenants = append(tenants, key.Tenant)
		}
	}
	return tenants
}

// endedFunc reports whether a session has ended before its token.
type endedFunc func(ctx context.Context, tenant, session string) (bool, error)

// authenticator knows the callers whose session has not ended.
func (i *identity) authenticator(ended endedFunc) principal.Authenticator {
	return principal.Chain(principal.Backends(i.backends), sessionsOf(i.verifier, ended))
}

// sessionsOf knows those who show the token of a session that has not ended.
func sessionsOf(verifier *tokens.Verifier, ended endedFunc) principal.Authenticator {
	return principal.Sessions(principal.SessionsConfig{Verify: func(ctx context.Context, bearer string) (principal.SessionClaims, error) {
		claims, err := verifier.Verify(bearer)
		if errors.Is(err, tokens.ErrKeysUnavailable) {
			return principal.SessionClaims{}, errors.Join(principal.ErrUnavailable, err)
		}
		if err != nil {
			return principal.SessionClaims{}, err
		}
		is, err := ended(ctx, claims.Tenant, claims.Session)
		switch {
		case err != nil:
			return principal.SessionClaims{}, fmt.Errorf("%w: %w", principal.ErrUnavailable, err)
		case is:
			return principal.SessionClaims{}, principal.ErrSessionRevoked
		}
		return principal.SessionClaims{
			Tenant: claims.Tenant, User: claims.User, Session: claims.Session,
			Roles: claims.Roles, Expires: claims.Expires,
		}, nil
	}})
}
