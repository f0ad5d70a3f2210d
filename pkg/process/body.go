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
			connection := http.NewResponseController(w)
			_ = connection.SetReadDeadline(time.Now().Add(limit)) // fails where there are no deadlines
			r.Body = &timedBody{r.Body, connection}
		}
		next.ServeHTTP(w, r)
	})
}

// timedBody ends the deadline with the body: net/http goes on reading to learn
// whether the client hangs up, and would take its end for that.
type timedBody struct {
	io.ReadCloser

	connection *http.ResponseController
}

// Read reads the body.
func (b *timedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if errors.Is(err, io.EOF) {
		_ = b.connection.SetReadDeadline(time.Time{})
	}
	return n, err
}
