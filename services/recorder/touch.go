package recorder

import (
	"context"
	"strconv"
	"time"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/commands"
)

// touch records activity without looking at the sessions: a touch of one that
// has ended is absorbed by the read model's merge and revives nothing.
func (r *Recorder) touch(ctx context.Context, c commands.Touches) error {
	if !c.Caller.Principal.MayRecord() {
		return commands.NewError(commands.ReasonForbidden, "only a POS backend records activity")
	}
	if err := r.room.forActivity(); err != nil {
		return err
	}
	now := r.config.now()
	if err := checkTouches(c.Touches, now); err != nil {
		return err
	}
	envelopes := make([]events.Envelope, len(c.Touches))
	for i, t := range c.Touches {
		envelopes[i] = touchEnvelope(c.Caller.Principal.Tenant, t, now)
	}
	return r.log.Touch(ctx, envelopes)
}

func touchEnvelope(tenant string, t commands.Touch, now time.Time) events.Envelope {
	at := millis(t.At)
	if t.At.IsZero() {
		at = now
	}
	key := events.Key{Tenant: tenant, User: t.User, Session: t.Session}
	return events.Envelope{
		ID:     "t-" + digest(key.Tenant, key.User, key.Session, strconv.FormatInt(at.UnixMilli(), 10)),
		Source: source,
		Time:   at,
		Event: events.Touched{
			Key: key, EventTimestamp: events.TimestampOf(at),
			Personal: events.DevicePersonal{IP: t.IP, UserAgent: t.UserAgent},
		},
	}
}
