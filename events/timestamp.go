package events

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// ErrInvalidTimestamp says that a JSON value is not a time that posse can hold.
var ErrInvalidTimestamp = errors.New("events: invalid timestamp")

// maxSeconds keeps a Timestamp within the years that RFC 3339 can write.
const maxSeconds = 253402300799

// Timestamp is a moment in milliseconds since 1970-01-01T00:00:00Z. On the wire
// it is a NumericDate (RFC 7519 §2, as in OpenID CAEP): a JSON number of seconds
// with at most three decimals. It is read without going through a float, so
// what was written comes back exactly.
type Timestamp int64

// TimestampOf rounds a time down to the millisecond.
func TimestampOf(t time.Time) Timestamp {
	if t.IsZero() {
		return 0
	}
	return Timestamp(t.UnixMilli())
}

// Time returns the moment in UTC, and the zero time for the zero Timestamp.
func (t Timestamp) Time() time.Time {
	if t == 0 {
		return time.Time{}
	}
	return time.UnixMilli(int64(t)).UTC()
}

// MarshalJSON writes the moment as a NumericDate.
func (t Timestamp) MarshalJSON() ([]byte, error) {
	if t < 0 {
		return nil, fmt.Errorf("%w: %d ms lies before 1970", ErrInvalidTimestamp, int64(t))
	}
	seconds := strconv.AppendInt(nil, int64(t)/1000, 10)
	if ms := int64(t) % 1000; ms != 0 {
		seconds = append(seconds, '.', '0'+byte(ms/100), '0'+byte(ms/10%10), '0'+byte(ms%10))
	}
	return seconds, nil
}

// UnmarshalJSON reads a NumericDate of at most three decimals.
func (t *Timestamp) UnmarshalJSON(data []byte) error {
	whole, fraction, _ := strings.Cut(string(data), ".")
	seconds, err := strconv.ParseUint(whole, 10, 63)
	if err != nil || seconds > maxSeconds || len(fraction) > 3 {
		return fmt.Errorf("%w: %.40q is not a number of seconds since 1970 with at most three decimals", ErrInvalidTimestamp, data)
	}
	ms, err := parseMillis(fraction)
	if err != nil {
		return fmt.Errorf("%w: %.40q: %w", ErrInvalidTimestamp, data, err)
	}
	*t = Timestamp(int64(seconds)*1000 + ms)
	return nil
}

func parseMillis(fraction string) (int64, error) {
	if fraction == "" {
		return 0, nil
	}
	ms, err := strconv.ParseUint((fraction + "00")[:3], 10, 16)
	return int64(ms), err
}
