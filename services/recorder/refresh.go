package recorder

import (
	"context"
	"errors"
	"time"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/commands"
	"github.com/posse-pos/posse/pkg/eventlog"
	"github.com/posse-pos/posse/pkg/session"
	"github.com/posse-pos/posse/pkg/token"
)

// redeemable reads a refresh token before there is a place for it: what is none of
// ours, or has expired, takes none.
func (r *Recorder) redeemable(c commands.Refresh) (token.RefreshClaims, error) {
	if r.config.Issuer == nil {
		return token.RefreshClaims{}, commands.NewError(commands.ReasonInvalidGrant, "this recorder mints no tokens")
	}
	claims, err := r.config.Issuer.ParseRefresh(c.Token)
	if err != nil {
		return claims, invalidGrant(err)
	}
	return claims, checkRefresh(c)
}

// rankOf has a token that was redeemed before go as what it is: an end of its
// session. It goes by what is kept of the user and reads nothing; a token of which
// nothing is known goes as a renewal, before every login.
func (r *Recorder) rankOf(claims token.RefreshClaims) rank {
	state, _ := r.users.cache.Peek(ref{Tenant: claims.Tenant, User: claims.User})
	if s, known := state.Session(claims.Session); known && s.End == nil && s.Generation > claims.Generation {
		return endings
	}
	return renewals
}

func (r *Recorder) refresh(ctx context.Context, c commands.Refresh, claims token.RefreshClaims) (commands.Refreshed, error) {
	command := session.Refresh{
		Key: events.Key{Tenant: claims.Tenant, User: claims.User, Session: claims.Session},
		ID:  newID(), CommandID: newID(), Now: r.config.now(),
		Generation: claims.Generation,
		Personal:   events.DevicePersonal{IP: c.IP, UserAgent: c.UserAgent},
	}
	done, err := r.renew(ctx, command)
	if errors.Is(err, session.ErrNotFound) {
		err = commands.NewError(commands.ReasonInvalidGrant, "the refresh token's session is not known")
	}
	if err != nil {
		return commands.Refreshed{}, err
	}
	answer := refreshed(command, done)
	answer.Tokens, err = r.mint(token.Grant{
		Tenant: claims.Tenant, User: claims.User, Session: claims.Session, Roles: claims.Roles,
		Generation: done.Session.Generation, Expires: done.Session.Expires,
	})
	return answer, err
}

func invalidGrant(err error) error {
	if errors.Is(err, token.ErrExpired) {
		return commands.NewError(commands.ReasonSessionExpired, "the refresh token has expired: sign in again")
	}
	return errors.Join(commands.NewError(commands.ReasonInvalidGrant, "the refresh token is not one of ours"), err)
}

func (r *Recorder) recordRefresh(ctx context.Context, c commands.RecordRefresh) (commands.Refreshed, error) {
	if !c.Caller.Principal.MayRecord() {
		return commands.Refreshed{}, commands.NewError(commands.ReasonForbidden, "only a POS backend records refreshes")
	}
	if err := checkRecordRefresh(c); err != nil {
		return commands.Refreshed{}, err
	}
	id := commandID(c.Caller)
	command := session.Refresh{
		Key: events.Key{Tenant: c.Caller.Principal.Tenant, User: c.User, Session: c.Session},
		ID:  "f-" + id, CommandID: id, Now: r.config.now(),
		Foreign: true, Expires: millis(c.Expires),
		Personal: events.DevicePersonal{IP: c.IP, UserAgent: c.UserAgent},
	}
	done, err := r.renew(ctx, command)
	if err != nil {
		return commands.Refreshed{}, err
	}
	return refreshed(command, done), nil
}

// renew refreshes a session, or ends it for the reason that it then answers.
func (r *Recorder) renew(ctx context.Context, c session.Refresh) (outcome, error) {
	c.Policy = r.config.Policies.Of(c.Tenant)
	if c.Policy.IdleTimeout > 0 {
		seen, err := r.lastTouch(ctx, c.Key)
		if err != nil {
			return outcome{}, err
		}
		c.LastSeen = seen
	}
	done, err := r.carryOut(ctx, order{
		who: ref{Tenant: c.Tenant, User: c.User}, command: c, id: idOf(c.ID),
		admit: r.room.forActivity,
	})
	if err == nil {
		err = done.Refusal
	}
	return done, err
}

// lastTouch returns when a session was last touched, the zero time for never.
func (r *Recorder) lastTouch(ctx context.Context, key events.Key) (time.Time, error) {
	touch, err := r.log.LastTouch(ctx, key)
	if errors.Is(err, eventlog.ErrNotFound) {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, err
	}
	return touch.Event.Occurred().Time(), nil
}

func refreshed(c session.Refresh, done outcome) commands.Refreshed {
	return commands.Refreshed{
		Session: c.Session, Expires: done.Session.Expires,
		Generation: done.Session.Generation, Position: done.Position,
	}
}
