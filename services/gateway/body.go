package gateway

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/posse-pos/posse/pkg/gateway"
)

// How long a body that is passed on may take: a while, unless Config.Limits says
// otherwise, and longer the more of it has come. A large file may come over a thin
// line.
const (
	bodyTime = 30 * time.Second
	bodyRate = 4 << 10 // the least that has to come, in bytes a second
)

// errSlowBody says that a client did not send its body in time.
var errSlowBody = errors.New("gateway: the body did not come in time")

// boundBody bounds the body of a request that was admitted. A request that says by
// itself that its body is too large is answered, and false is returned.
func (s *Service) boundBody(w http.ResponseWriter, r *http.Request) bool {
	if r.ContentLength > s.config.MaxBody {
		s.refuseBody(w)
		return false
	}
	if r.Body != nil && r.Body != http.NoBody {
		r.Body = &coming{
			ReadCloser: http.MaxBytesReader(w, r.Body, s.config.MaxBody), connection: http.NewResponseController(w),
			until: time.Now().Add(cmp.Or(s.config.Limits.BodyTime, bodyTime)),
		}
	}
	return true
}

func (s *Service) refuseBody(w http.ResponseWriter) {
	refuse(w, http.StatusRequestEntityTooLarge, "too_large",
		fmt.Sprintf("The body of the request is larger than the %d bytes that are passed on.", s.config.MaxBody))
}

// refuse answers a request whose body is not read to its end.
func refuse(w http.ResponseWriter, status int, reason gateway.Reason, detail string) {
	w.Header().Set("Connection", "close")
	gateway.Problem{Title: http.StatusText(status), Status: status, Detail: detail, Reason: reason}.Write(w)
}

// coming is a body that has to come at a rate.
type coming struct {
	io.ReadCloser

	connection *http.ResponseController
	until      time.Time
}

// Read waits for more of the body, and fails with errSlowBody once it is too late.
func (c *coming) Read(p []byte) (int, error) {
	_ = c.connection.SetReadDeadline(c.until) // fails where there are no deadlines
	n, err := c.ReadCloser.Read(p)
	c.until = c.until.Add(time.Duration(n) * time.Second / bodyRate)
	switch {
	case errors.Is(err, io.EOF): // net/http goes on reading to learn whether the client hangs up
		_ = c.connection.SetReadDeadline(time.Time{})
	case errors.Is(err, os.ErrDeadlineExceeded):
		err = errors.Join(errSlowBody, err)
	}
	return n, err
}
