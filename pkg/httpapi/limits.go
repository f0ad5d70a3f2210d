package httpapi

import "time"

const (
	// MaxBody is the largest request body that most operations read, in bytes.
	MaxBody = 64 << 10
	// bodyReadTimeout bounds how long a client may take to send its body.
	bodyReadTimeout = 10 * time.Second
)
