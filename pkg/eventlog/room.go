package eventlog

import (
	"context"
	"errors"
)

// Reserve is how many bytes of a log's storage are kept for ending sessions, if
// nobody says otherwise. An end takes about two kilobytes in all streams together, so
// that half of it, which nothing else is given, holds the ends of 16,000 sessions. The
// other half is more than a log takes in the second that passes between two looks.
const Reserve = 64 << 20

// ErrRoomUnknown says that nobody tells how much room a log has.
var ErrRoomUnknown = errors.New("eventlog: nobody tells how much room is left")

// Room is how much a log can still store.
type Room struct {
	// Left is how many bytes, 0 at least.
	Left int64
	// Where says what has so little, for people: the account, a server, a file system.
	Where string
}

// Gauge says how much room a log has: the least of all that it knows of. Errors:
// ErrRoomUnknown, ErrUnavailable.
type Gauge interface {
	Room(ctx context.Context) (Room, error)
}

// Least is the smaller of two.
func Least(a, b Room) Room {
	if b.Left < a.Left {
		return b
	}
	return a
}
