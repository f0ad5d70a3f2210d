package wcpos

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/posse-pos/posse/pkg/httpapi"
)

// batchTime is how long a client may take to read one batch of users.
const batchTime = 30 * time.Second

// users answers GET users/sessions. The answer is written as it is read, a batch
// at a time, so that ten thousand users take no more memory than five hundred.
func (a *API) users(w http.ResponseWriter, c *call) error {
	if !c.caller.MayReadAll() {
		return forbidden("This list is for administrators and auditors.")
	}
	lens, err := a.config.Reads.Look(c.caller, time.Time{})
	if err != nil {
		return err
	}
	r := &roster{lens: lens, room: a.config.MaxUsers}
	batch, err := r.next(c.Context())
	if err != nil {
		return err
	}
	setFreshness(w.Header(), lens, r.freshness)
	w.Header().Set("X-Wp-Total", strconv.Itoa(r.total))
	if r.total > a.config.MaxUsers {
		w.Header().Set("Posse-Limit", strconv.Itoa(a.config.MaxUsers))
	}
	w.Header().Set("Content-Type", jsonType)
	w.WriteHeader(http.StatusOK)
	if c.Method == http.MethodHead {
		return nil
	}
	out := &list{w: w, connection: http.NewResponseController(w)}
	if err := out.write(c.Context(), batch, r); err != nil {
		a.breakOff(c, out.written, err)
	}
	return nil
}

// breakOff ends an answer that cannot be finished. What was written is the
// beginning of a good answer: only a connection that breaks says that the rest
// is missing.
func (a *API) breakOff(c *call, written int, err error) {
	if c.Context().Err() == nil {
		a.logger.WarnContext(c.Context(), "a list of users broke off", slog.Int("written", written),
			slog.String("request_id", httpapi.RequestID(c.Context())), slog.Any("error", err))
	}
	panic(http.ErrAbortHandler)
}

// list writes {"users":[…],"total":n} in pieces.
type list struct {
	w          io.Writer
	connection *http.ResponseController
	written    int // users
}

// write writes the whole list, of which the first batch was read already.
func (l *list) write(ctx context.Context, batch []user, r *roster) error {
	if _, err := io.WriteString(l.w, `{"users":[`); err != nil {
		return err
	}
	for {
		if err := l.add(batch); err != nil {
			return err
		}
		if r.done() {
			return l.end(r)
		}
		var err error
		if batch, err = r.next(ctx); err != nil {
			return err
		}
	}
}

func (l *list) add(people []user) error {
	_ = l.connection.SetWriteDeadline(time.Now().Add(batchTime)) // fails where there are no deadlines
	for i := range people {
		if err := l.addOne(&people[i]); err != nil {
			return err
		}
	}
	return l.connection.Flush()
}

func (l *list) addOne(u *user) error {
	data, err := json.Marshal(u)
	if err != nil {
		return err
	}
	if l.written > 0 {
		if _, err := io.WriteString(l.w, ","); err != nil {
			return err
		}
	}
	l.written++
	_, err = l.w.Write(data)
	return err
}

// end writes the total: how many users are signed in. Of a whole list it is
// their number in it, which is smaller than at the beginning if some signed out.
func (l *list) end(r *roster) error {
	total := l.written
	if r.cut() {
		total = r.total
	}
	if _, err := io.WriteString(l.w, `],"total":`+strconv.Itoa(total)+"}"); err != nil {
		return err
	}
	err := l.connection.Flush()
	_ = l.connection.SetWriteDeadline(time.Time{}) // the connection serves other requests yet
	return err
}
