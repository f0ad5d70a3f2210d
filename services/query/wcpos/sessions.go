package wcpos

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/posse-pos/posse/pkg/activesessions"
	"github.com/posse-pos/posse/pkg/commands"
	"github.com/posse-pos/posse/services/query/reads"
)

// nobody is the id that no user of WordPress has. The plugin takes it for none.
const nobody = "0"

// sessionList answers GET sessions.
type sessionList struct {
	UserID   userID    `json:"user_id"`
	Sessions []session `json:"sessions"`
}

// sessions answers GET sessions: those of a user, or the caller's own.
func (a *API) sessions(w http.ResponseWriter, c *call) error {
	user := c.given.user
	if user == "" || user == nobody {
		user = c.caller.User
	}
	if !c.caller.MayRead(user) {
		return forbidden("You may see no sessions but your own.")
	}
	lens, err := a.config.Reads.Look(c.caller, time.Time{})
	if err != nil {
		return err
	}
	rows, fresh, err := lens.Sessions(c.Context(), user, false, 0)
	// The plugin knows no users without sessions either: they have none.
	if err != nil && !errors.Is(err, commands.ErrNotFound) {
		return err
	}
	setFreshness(w.Header(), lens, fresh)
	writeJSON(w, http.StatusOK, sessionList{UserID: userID(user), Sessions: sessionViews(rows)})
	return nil
}

// setFreshness says what an answer shows, in the headers that every read of
// posse has.
func setFreshness(h http.Header, lens *reads.Lens, f activesessions.Freshness) {
	h.Set("Posse-Position", strconv.FormatUint(f.Position, 10))
	if !f.AsOf.IsZero() {
		age := max(0, lens.Now.Sub(f.AsOf)) // two clocks may differ by more
		h.Set("Posse-Age", strconv.FormatFloat(age.Seconds(), 'f', 3, 64))
	}
}
