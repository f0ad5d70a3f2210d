package gateway

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"sync/atomic"
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

// boundBody bounds the body of a request that was admitted, and returns it, or nil if
// there is none. A request that says by itself that its body is too large is answered,
// and false is returned.
func (s *Service) boundBody(w http.ResponseWriter, r *http.Request) (*coming, bool) {
	switch {
	case r.ContentLength > s.config.MaxBody:
		s.refuseBody(w)
		return nil, false
	case r.Body == nil, r.Body == http.NoBody:
		return nil, true
	}
	body := &coming{ReadCloser: http.MaxBytesReader(w, r.Body, s.config.MaxBody), connection: http.NewResponseController(w)}
	body.until.Store(time.Now().Add(cmp.Or(s.config.Limits.BodyTime, bodyTime)).UnixNano())
	r.Body = body
	return body, true
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
	until      atomic.Int64 // in nanoseconds since 1970; as late as can be once all is there
}

// Read waits for more of the body until it is too late.
func (c *coming) Read(p []byte) (int, error) {
	_ = c.connection.SetReadDeadline(time.Unix(0, c.until.Load())) // fails where there are no deadlines
	n, err := c.ReadCloser.Read(p)
	c.until.Add(int64(n) * int64(time.Second) / bodyRate)
	if errors.Is(err, io.EOF) { // net/http goes on reading to learn whether the client hangs up
		c.until.Store(math.MaxInt64)
		_ = c.connection.SetReadDeadline(time.Time{})
	}
	return n, err
}

// late reports that the body did not come in time. net/http ends the request's context
// then, as if the client were gone, and the request fails with one or the other.
func (c *coming) late() bool { return c != nil && time.Now().UnixNano() >= c.until.Load() }
