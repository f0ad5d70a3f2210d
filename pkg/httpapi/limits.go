package httpapi

import (
	"errors"
	"io"
	"net/http"
	"time"
)

const (
	// MaxBody is the largest request body that most operations read, in bytes.
	MaxBody = 64 << 10
	// bodyReadTimeout bounds how long a client may take to send its body.
	bodyReadTimeout = 10 * time.Second
)

// endBodyDeadlines has a deadline for reading the body end with the body. Huma
// leaves it on the connection, where net/http goes on reading to learn whether
// the client hangs up: running into the deadline it would cancel the context of
// a request that is still being answered.
func endBodyDeadlines(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Body != nil {
			r.Body = &timedBody{ReadCloser: r.Body, connection: http.NewResponseController(w)}
		}
		next.ServeHTTP(w, r)
	})
}

type timedBody struct {
	io.ReadCloser

	connection *http.ResponseController
}

func (b *timedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if errors.Is(err, io.EOF) {
		_ = b.connection.SetReadDeadline(time.Time{}) // fails where there are no deadlines
	}
	return n, err
}
