// Package principaltest knows callers by made-up bearers.
package principaltest

import (
	"context"
	"fmt"
	"sync"

	"github.com/posse-pos/posse/pkg/principal"
)

// Callers knows bearers by name, and forgets them on demand. It is a
// principal.Authenticator.
type Callers struct {
	mu    sync.Mutex
	known map[string]principal.Principal
}

var _ principal.Authenticator = (*Callers)(nil)

// New returns callers by their bearers; the map is the Callers' from then on.
func New(known map[string]principal.Principal) *Callers { return &Callers{known: known} }

// Authenticate finds a caller. One that is not known counts as revoked.
func (c *Callers) Authenticate(_ context.Context, bearer string) (principal.Principal, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p, ok := c.known[bearer]
	if !ok {
		return p, fmt.Errorf("%w: %w", principal.ErrUnauthenticated, principal.ErrSessionRevoked)
	}
	return p, nil
}

// Revoke forgets a bearer.
func (c *Callers) Revoke(bearer string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.known, bearer)
}
