package wcpos

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/posse-pos/posse/pkg/commands"
	"github.com/posse-pos/posse/pkg/httpapi"
	"github.com/posse-pos/posse/services/query/reads"
)

// settleTime is how long a DELETE waits for the lists to show it.
const settleTime = 5 * time.Second

const (
	noSuchSession = "There is no such session."
	noSuchUser    = "There is no such user."
)

// outcome answers a DELETE that was carried out.
type outcome struct {
	Success bool   `json:"success"`
	Message string `json:"message"`
}

// endSession answers DELETE sessions/{jti}. A session that is not active, or is
// another user's than the one named, is not there.
func (a *API) endSession(w http.ResponseWriter, c *call) error {
	if err := c.mayEnd(); err != nil {
		return err
	}
	if err := a.requireActive(c); err != nil {
		return err
	}
	caller, err := httpapi.Caller(c.Context(), "")
	if err != nil {
		return err
	}
	ended, err := a.config.Ender.EndSession(c.Context(), commands.EndSession{Caller: caller, Session: c.given.session})
	if err != nil {
		return missingAs(err, noSuchSession)
	}
	if ended.Ended == 0 { // somebody was faster
		return failed(http.StatusNotFound, noSuchSession)
	}
	a.answer(w, c, ended, "The session was ended.")
	return nil
}

// requireActive looks in the read model: the recorder is asked by session alone,
// and ending what has ended is no error to it.
func (a *API) requireActive(c *call) error {
	lens, err := a.config.Reads.Look(c.caller, time.Time{})
	if err != nil {
		return err
	}
	found, _, err := lens.Session(c.Context(), c.given.session, c.given.user)
	if err != nil {
		return missingAs(err, noSuchSession)
	}
	if found.State != reads.StateActive {
		return failed(http.StatusNotFound, noSuchSession)
	}
	return nil
}

// endSessions answers DELETE sessions: all of a user, or all but the caller's
// own.
func (a *API) endSessions(w http.ResponseWriter, c *call) error {
	if err := c.mayEnd(); err != nil {
		return err
	}
	command := commands.EndUser{User: c.given.user}
	if c.given.exceptCurrent {
		command.Except = c.caller.Session
		if command.Except == "" || c.given.user != c.caller.User {
			return failed(http.StatusBadRequest, "Which session to keep is not known: yours is none of this user's.")
		}
	}
	var err error
	if command.Caller, err = httpapi.Caller(c.Context(), ""); err != nil {
		return err
	}
	ended, err := a.config.Ender.EndUser(c.Context(), command)
	if err != nil {
		return missingAs(err, noSuchUser)
	}
	a.answer(w, c, ended, "The sessions were ended.")
	return nil
}

// mayEnd refuses whom the caller may not sign out, whether or not there is such
// a user.
func (c *call) mayEnd() error {
	switch {
	case c.given.user == nobody:
		return failed(http.StatusBadRequest, "The parameter user_id names nobody.")
	case !c.caller.MayEnd(c.given.user):
		return forbidden("You may end no sessions but your own.")
	default:
		return nil
	}
}

// missingAs says that something is not there as the plugin says it.
func missingAs(err error, message string) error {
	if errors.Is(err, commands.ErrNotFound) {
		return failed(http.StatusNotFound, message)
	}
	return err
}

// answer comes when the lists show what has ended: clients read them at once,
// and must not find it there. It has ended even if they do not show it in time.
func (a *API) answer(w http.ResponseWriter, c *call, ended commands.Ended, message string) {
	ctx, cancel := context.WithTimeout(c.Context(), settleTime)
	defer cancel()
	if err := a.config.Reads.WaitFor(ctx, ended.Position); err != nil && c.Context().Err() == nil {
		a.logger.WarnContext(ctx, "sessions have ended that lists still show",
			slog.Uint64("position", ended.Position), slog.Any("error", err))
	}
	w.Header().Set("Posse-Position", strconv.FormatUint(ended.Position, 10))
	writeJSON(w, http.StatusOK, outcome{Success: true, Message: message})
}
