package gateway

import (
	"errors"
	"time"

	"github.com/posse-pos/posse/pkg/gateway/tokens"
)

// Check decides about a token: it verifies it, unless it did before, and looks
// its session up. It does no I/O and waits for nobody. The error is a *Denial.
//
// Check does not count as activity of the session; Admit does.
func (g *Gateway) Check(token string) (Session, error) {
	session, reason, err := g.decide(token, g.cfg.Now())
	g.decided.count(reason)
	g.cfg.Hooks.Decided(reason)
	if err != nil {
		return Session{}, err
	}
	return session, nil
}

// CheckSession is Check for a session whose token was verified elsewhere: it looks
// the session up, and follows the policy while the gateway is stale. Of the session
// only the tenant and the id count. The error is a *Denial.
func (g *Gateway) CheckSession(session Session) error {
	reason, denial := g.decideSession(session, g.cfg.Now())
	g.decided.count(reason)
	g.cfg.Hooks.Decided(reason)
	if denial != nil {
		return denial
	}
	return nil
}

// Admit is Check, and reports the session's activity when it is admitted: at
// once for the first request, later at most once per Config.TouchInterval. It
// does no I/O either.
func (g *Gateway) Admit(token string, origin Origin) (Session, error) {
	session, err := g.Check(token)
	if err == nil {
		g.touches.touch(session.key(), origin, g.clock.now())
	}
	return session, err
}

// Touch takes note of a request that was verified elsewhere, for instance by a
// cookie: it reports the activity of a session as Admit does for one that it
// admits. It decides nothing and does no I/O. Of the session only the ids count;
// one that lacks an id is ignored.
func (g *Gateway) Touch(session Session, origin Origin) {
	if key := session.key(); key.Validate() == nil {
		g.touches.touch(key, origin, g.clock.now())
	}
}

// Revoked reports whether a session is known to be revoked. It is for those who
// hold a connection open, after they opened it; see Hooks.Revoked.
func (g *Gateway) Revoked(tenant, session string) bool {
	return g.state.set.Load().Contains(tenant, session)
}

// Ready returns nil if a good token of a session that is not revoked is admitted
// now, and otherwise why not.
func (g *Gateway) Ready() error {
	if err := g.cfg.Verifier.Ready(); err != nil {
		return err
	}
	_, err := g.verdict(g.cfg.Now())
	if err != nil && err.Reason == ReasonStale {
		return g.follower.staleness()
	}
	if err != nil {
		return err
	}
	return nil
}

func (g *Gateway) decide(token string, now time.Time) (Session, Reason, error) {
	if token == "" {
		return Session{}, ReasonMissing, deny(ReasonMissing, ErrMissing)
	}
	session, denial := g.verify(token, g.clock.at(now))
	if denial != nil {
		if unready := g.unready(now); unready != nil && (errors.Is(denial, tokens.ErrExpired) || errors.Is(denial, tokens.ErrNotYetValid)) {
			denial = unready
		}
		return Session{}, denial.Reason, denial
	}
	reason, denial := g.decideSession(session, now)
	if denial != nil {
		return Session{}, reason, denial
	}
	return session, reason, nil
}

// decideSession decides about a session whose token is good.
func (g *Gateway) decideSession(session Session, now time.Time) (Reason, *Denial) {
	if g.cfg.Tenant != "" && session.Tenant != g.cfg.Tenant {
		return ReasonInvalid, deny(ReasonInvalid, ErrTenant)
	}
	if g.Revoked(session.Tenant, session.ID) {
		return ReasonRevoked, deny(ReasonRevoked, ErrRevoked)
	}
	return g.verdict(now)
}

// verify returns what a good token says, from memory if it was seen before.
func (g *Gateway) verify(token string, now time.Time) (Session, *Denial) {
	var hash tokenHash
	version := g.cfg.Verifier.KeysVersion()
	if g.verified != nil && len(token) <= tokens.MaxToken {
		hash = hashToken(token)
		if known := g.verified.get(hash, now, version); known != nil {
			return known.session, nil
		}
	}
	claims, err := g.cfg.Verifier.VerifyAt(token, now)
	if err != nil {
		return Session{}, denyToken(err)
	}
	session := Session{
		Tenant: claims.Tenant, User: claims.User, ID: claims.Session,
		Roles: claims.Roles, Expires: claims.Expires, KeyID: claims.KeyID,
	}
	if g.verified != nil && g.state.loaded.Load() { // before, it may have been by a wrong clock
		end := claims.Expires.Add(g.cfg.Verifier.Leeway())
		g.verified.put(&verified{hash: hash, session: session, end: end, version: version}, now)
	}
	return session, nil
}

// unready is the verdict of a gateway that was never ready: it has not heard yet
// what time it is, and signs nobody out for that.
func (g *Gateway) unready(now time.Time) *Denial {
	if _, denial := g.verdict(now); denial != nil && denial.Reason == ReasonNotReady {
		return denial
	}
	return nil
}

// verdict is what the gateway says to anybody who is not revoked.
func (g *Gateway) verdict(now time.Time) (Reason, *Denial) {
	if !g.state.loaded.Load() {
		// FailOpen opens a gateway that cannot load, but not one that is about to.
		if g.cfg.Stale == FailOpen && g.state.since(now) > g.cfg.StaleAfter {
			return ReasonAllowedStale, nil
		}
		return ReasonNotReady, deny(ReasonNotReady, ErrNotReady)
	}
	staleFor, stale := g.state.staleFor(now)
	switch {
	case !stale:
		return ReasonAllowed, nil
	case g.cfg.Stale.admits(staleFor):
		return ReasonAllowedStale, nil
	default:
		return ReasonStale, deny(ReasonStale, ErrStale)
	}
}
