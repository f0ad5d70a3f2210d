package main

import (
	"context"
	"errors"

	"github.com/posse-pos/posse/pkg/activesessions"
	"github.com/posse-pos/posse/pkg/gateway"
	"github.com/posse-pos/posse/pkg/gateway/tokens"
)

// followRevocations adds a gateway that admits nobody: it is asked who was
// revoked, which it knows while the projector lags behind the log. What Revoked
// says does not depend on the policy. Ready and CheckSession do: with FailOpen,
// Ready waits until the revocations are loaded, DefaultStaleAfter at most.
func (n *node) followRevocations(ctx context.Context, verifier *tokens.Verifier, stale gateway.StalePolicy) (*gateway.Gateway, error) {
	revocations, err := gateway.New(context.WithoutCancel(ctx), gateway.Config{
		NATS: n.gatewayNATS(), Verifier: verifier, Logger: n.logger,
		// Terminate waits for the gateways before the tills, not for this.
		Unlisted:       true,
		Stale:          stale,
		VerifiedTokens: -1,
	})
	if err != nil {
		return nil, err
	}
	n.onEnd("revocations", func() error { revocations.Close(); return nil })
	return revocations, nil
}

// endedIn asks a deny-set, which is ahead of the read model, and the read model,
// for what was ended before the deny-set was loaded or while it is stale. A
// session has ended if either says so.
func endedIn(revoked func(tenant, session string) bool, reader activesessions.Reader) endedFunc {
	return func(ctx context.Context, tenant, session string) (bool, error) {
		if revoked(tenant, session) {
			return true, nil
		}
		return endedInReadModel(ctx, reader, tenant, session)
	}
}

// endedInDenySet asks a deny-set alone, of one who fails closed: while it may have
// missed something nobody can tell.
func endedInDenySet(revocations *gateway.Gateway) endedFunc {
	return func(_ context.Context, tenant, session string) (bool, error) {
		err := revocations.CheckSession(gateway.Session{Tenant: tenant, ID: session})
		denial, ok := errors.AsType[*gateway.Denial](err)
		if ok && denial.Reason == gateway.ReasonRevoked {
			return true, nil
		}
		return false, err
	}
}

// endedInReadModel asks the read model, which is a moment behind the log. A
// session that it does not have yet has not ended.
func endedInReadModel(ctx context.Context, reader activesessions.Reader, tenant, session string) (bool, error) {
	rows, _, err := reader.Session(ctx, tenant, session)
	if errors.Is(err, activesessions.ErrNotFound) {
		return false, nil
	}
	for i := range rows {
		if rows[i].End != nil {
			return true, nil
		}
	}
	return false, err
}
