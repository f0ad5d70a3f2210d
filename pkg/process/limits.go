package process

import (
	"cmp"
	"time"
)

// Limits of an HTTP server, which a client runs into that is slow, idle, or one too
// many. The zero value means the defaults. There is no limit for a whole answer:
// event streams and upgraded connections live long.
type Limits struct {
	// MaxConnections is how many connections are open at once; 0 means
	// DefaultMaxConnections(). When one more comes, that is closed which has waited
	// longest for its next request, and the new one if none waits.
	MaxConnections int
	// HeaderTime is how long a request may take until its headers are there; 0 means
	// 5 s.
	HeaderTime time.Duration
	// BodyTime is how long the body may take after that, unless the handler gives it
	// another deadline with http.ResponseController; 0 means 30 s.
	BodyTime time.Duration
	// WriteTime is how long a client may take to read 64 KiB of an answer, unless the
	// handler gives it another deadline; 0 means 30 s.
	WriteTime time.Duration
	// IdleTime is how long a connection may be open without a request; 0 means 2
	// minutes.
	IdleTime time.Duration
}

// maxHeaderBytes is how long the headers of a request may be, together.
const maxHeaderBytes = 64 << 10

const (
	mostConnections = 10_000
	fewConnections  = 256
)

// DefaultMaxConnections is how many connections a listener has open at once: 10,000,
// or a quarter of the files that the process may open, if that is less.
func DefaultMaxConnections() int {
	most := mostConnections
	if files, known := openFiles(); known && files/4 < mostConnections {
		most = int(files / 4)
	}
	return max(most, fewConnections)
}

func (l Limits) withDefaults() Limits {
	if l.MaxConnections <= 0 {
		l.MaxConnections = DefaultMaxConnections()
	}
	l.HeaderTime = cmp.Or(l.HeaderTime, 5*time.Second)
	l.BodyTime = cmp.Or(l.BodyTime, 30*time.Second)
	l.WriteTime = cmp.Or(l.WriteTime, 30*time.Second)
	l.IdleTime = cmp.Or(l.IdleTime, 2*time.Minute)
	return l
}
