// Package recorder is the write side: it decides what may happen to a user's
// sessions and appends the facts. Its commands arrive over HTTP and over NATS
// and are the same for both.
//
// A command folds the user's facts into a state, lets package session decide,
// and appends the decision under the expectation that nobody else has written
// in between. Folded users are kept, so that a user who was just here costs no
// read at all: the expectation finds out whether the state was the newest.
//
// Nothing here is kept that the log does not hold, but the answers to commands
// with an idempotency key; what those lose in a crash is recovered from the
// facts, which carry the command's id.
package recorder

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/commands"
	"github.com/posse-pos/posse/pkg/eventlog"
	"github.com/posse-pos/posse/pkg/principal"
	"github.com/posse-pos/posse/pkg/session"
)

// source is what the facts say wrote them (ce-source).
const source = "/posse/recorder"

// Recorder carries commands out. Make one with New.
type Recorder struct {
	config  Config
	log     Log
	users   *users
	locks   *locks
	answers *answers
	room    *room
	places  *places
	metrics *metrics
	logger  *slog.Logger
}

var _ commands.Commander = (*Recorder)(nil)

// New makes a recorder. It does nothing until it is asked; Run adds what it
// does by itself.
func New(config Config) (*Recorder, error) {
	config, err := config.withDefaults()
	if err != nil {
		return nil, err
	}
	left := newRoom(config)
	places := newPlaces(config.MaxConcurrent, config.MaxWait, config.Timeout/2)
	m, err := newMetrics(config.Metrics, places, left)
	if err != nil {
		return nil, err
	}
	return &Recorder{
		config:  config,
		log:     config.Log,
		users:   newUsers(config, m),
		locks:   newLocks(),
		answers: &answers{bus: config.Bus, logger: config.Logger},
		room:    left,
		places:  places,
		metrics: m,
		logger:  config.Logger,
	}, nil
}

// EndSession ends one session.
func (r *Recorder) EndSession(ctx context.Context, c commands.EndSession) (commands.Ended, error) {
	return carry(ctx, r, "end_session", endings, c, c.Caller, r.endSession)
}

// EndUser ends the sessions of a user, or all but one.
func (r *Recorder) EndUser(ctx context.Context, c commands.EndUser) (commands.Ended, error) {
	return carry(ctx, r, "end_user", endings, c, c.Caller, r.endUser)
}

// ForgetUser ends the sessions of a user and has the person forgotten.
func (r *Recorder) ForgetUser(ctx context.Context, c commands.ForgetUser) (commands.Ended, error) {
	return carry(ctx, r, "forget_user", endings, c, c.Caller, r.forgetUser)
}

// Login records a login.
func (r *Recorder) Login(ctx context.Context, c commands.Login) (commands.LoggedIn, error) {
	return carry(ctx, r, "login", arrivals, c, c.Caller, r.login)
}

// Refresh redeems a refresh token of posse's own.
func (r *Recorder) Refresh(ctx context.Context, c commands.Refresh) (commands.Refreshed, error) {
	claims, err := r.redeemable(c)
	if err != nil {
		r.metrics.begin("refresh")(err)
		return commands.Refreshed{}, err
	}
	return limited(ctx, r, "refresh", r.rankOf(claims), claims.Tenant, func(ctx context.Context) (commands.Refreshed, error) {
		return r.refresh(ctx, c, claims)
	})
}

// RecordRefresh records a refresh of a backend's own token.
func (r *Recorder) RecordRefresh(ctx context.Context, c commands.RecordRefresh) (commands.Refreshed, error) {
	return carry(ctx, r, "record_refresh", renewals, c, c.Caller, r.recordRefresh)
}

// Touch records activity.
func (r *Recorder) Touch(ctx context.Context, c commands.Touches) error {
	_, err := carry(ctx, r, "touch", arrivals, c, c.Caller, func(ctx context.Context, c commands.Touches) (struct{}, error) {
		return struct{}{}, r.touch(ctx, c)
	})
	return err
}

// carry is limited for commands with a caller, who must be somebody.
func carry[C, A any](
	ctx context.Context, r *Recorder, name string, rank rank, c C, caller commands.Caller, do func(context.Context, C) (A, error),
) (A, error) {
	return limited(ctx, r, name, rank, caller.Principal.Tenant, func(ctx context.Context) (none A, err error) {
		if caller.Principal.Tenant == "" || caller.Principal.Kind < principal.Backend || caller.Principal.Kind > principal.Auditor {
			return none, commands.NewError(commands.ReasonUnauthenticated, "the command names no caller")
		}
		if err := checkCaller(caller); err != nil {
			return none, err
		}
		return do(ctx, c)
	})
}

// limited carries a command out within the recorder's limits and counts it. It is
// the one door for commands over HTTP and over NATS.
func limited[A any](
	ctx context.Context, r *Recorder, name string, rank rank, tenant string, do func(context.Context) (A, error),
) (answer A, err error) {
	done := r.metrics.begin(name)
	defer func() { done(err) }()
	ctx, cancel := context.WithTimeout(ctx, r.config.Timeout)
	defer cancel()
	leave, err := r.places.take(ctx, rank, tenant)
	if err != nil {
		return answer, err
	}
	defer leave()
	answer, err = do(ctx)
	return answer, refusal(ctx, err)
}

// refusal says the errors of the domain and the log in the words of package
// commands; what stands behind a fault stays in it for the log.
func refusal(ctx context.Context, err error) error {
	reason, ok := reasonOf(err)
	switch {
	case err == nil, errors.Is(err, commands.ErrInternal):
		return err
	case ok:
		return errors.Join(commands.NewError(reason, "%s", sentenceOf(err)), err)
	case errors.Is(err, session.ErrLifetime):
		return commands.Invalid(commands.Field{Name: "expires", Message: sentenceOf(err)})
	case errors.Is(err, events.ErrTooLarge):
		return commands.Invalid(commands.Field{Name: "personal", Message: fmt.Sprintf(
			"is too large: as JSON, all that is recorded of one login may have at most %d bytes", events.MaxPayload)})
	case errors.Is(err, eventlog.ErrConflict):
		return errors.Join(commands.Retry(commands.ReasonBusy, busyAfter, "others keep changing this user's sessions"), err)
	case errors.Is(err, eventlog.ErrFull):
		return errors.Join(commands.Retry(commands.ReasonStorageFull, fullAfter,
			"the log's storage is full: nothing was recorded, and nothing will be before somebody makes room"), err)
	case errors.Is(err, eventlog.ErrUnavailable), ctx.Err() != nil && !isCommandError(err):
		away := commands.Retry(commands.ReasonUnavailable, busyAfter, "the log does not answer; repeating the command is safe")
		return errors.Join(away, err)
	}
	return err
}

func isCommandError(err error) bool {
	_, ok := errors.AsType[*commands.Error](err)
	return ok
}

func reasonOf(err error) (commands.Reason, bool) {
	for _, known := range []struct {
		err    error
		reason commands.Reason
	}{
		{session.ErrNotFound, commands.ReasonNotFound},
		{session.ErrExists, commands.ReasonSessionExists},
		{session.ErrRevoked, commands.ReasonSessionEnded},
		{session.ErrIdle, commands.ReasonSessionEnded},
		{session.ErrExpired, commands.ReasonSessionExpired},
		{session.ErrReuse, commands.ReasonRefreshReused},
		{session.ErrGeneration, commands.ReasonInvalidGrant},
	} {
		if errors.Is(err, known.err) {
			return known.reason, true
		}
	}
	return "", false
}
