package process

import (
	"errors"
	"io"
	"net/http"
	"time"
)

// timeBodies gives every request's body a deadline. Without one a client that
// announces a body and sends none would be waited for forever, also by net/http
// itself, which reads what a handler left before it answers.
func timeBodies(next http.Handler, limit time.Duration) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Body != nil && r.Body != http.NoBody {
			body := timed(w, r)
			_ = body.connection.SetReadDeadline(time.Now().Add(limit)) // fails where there are no deadlines
			r.Body = body
		}
		next.ServeHTTP(w, r)
	})
}

// EndBodyDeadlines has a deadline for reading a body, whoever sets it, end with the
// body, also with one that is empty.
func EndBodyDeadlines(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Body != nil {
			r.Body = timed(w, r)
		}
		next.ServeHTTP(w, r)
	})
}

// timedBody ends the deadline with the body: net/http goes on reading to learn whether
// the client hangs up, and running into the deadline it would cancel the context of a
// request that is still being answered.
type timedBody struct {
	io.ReadCloser

	connection *http.ResponseController
}

func timed(w http.ResponseWriter, r *http.Request) *timedBody {
	return &timedBody{r.Body, http.NewResponseController(w)}
}

// Read reads the body.
func (b *timedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if errors.Is(err, io.EOF) {
		_ = b.connection.SetReadDeadline(time.Time{})
	}
	return n, err
}
