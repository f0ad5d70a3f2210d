package bench

import (
	"context"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/synadia-io/orbit.go/jetstreamext"

	"github.com/posse-pos/posse/events"
)

// history fills a log with users who have the same number of facts each: logins
// on several devices, refreshes, and revocations of the older sessions.
type history struct {
	users, facts int // facts of each user
	since        time.Time
	sealed       bool // as a recorder stores it, with a key for each user
}

func (h history) user(i int) string { return "user-" + strconv.Itoa(i) }

// write stores the history of users first to last, without last, in atomic batches of
// many users, which the port has no use for: it takes a minute where a batch for each
// user takes a quarter of an hour.
func (h history) write(ctx context.Context, js jetstream.JetStream, first, last int) error {
	users := events.MaxActiveSessions / h.facts // of one batch
	return shared((last-first+users-1)/users, 4, func(batch int) error {
		from := first + batch*users
		facts, err := h.factsOfAll(ctx, js, from, min(from+users, last))
		if err != nil {
			return err
		}
		messages := make([]*nats.Msg, len(facts))
		for i, fact := range facts {
			m, err := events.Encode(fact)
			if err != nil {
				return err
			}
			messages[i] = &nats.Msg{Subject: m.Subject, Header: m.Header, Data: m.Data}
		}
		_, err = jetstreamext.PublishMsgBatch(ctx, js, messages)
		return err
	})
}

// factsOfAll are the lives of some users at the same time: the first fact of each, the
// second of each, and so on.
func (h history) factsOfAll(ctx context.Context, js jetstream.JetStream, first, last int) ([]events.Envelope, error) {
	users := last - first
	facts := make([]events.Envelope, users*h.facts)
	for user := range users {
		life := h.factsOf(first + user)
		if h.sealed {
			if err := seal(ctx, js, life); err != nil {
				return nil, err
			}
		}
		for i, fact := range life {
			facts[i*users+user] = fact
		}
	}
	return facts, nil
}

// seal encrypts what a user's facts say of the person with a new key, and stores that.
func seal(ctx context.Context, js jetstream.JetStream, life []events.Envelope) error {
	key := events.NewPersonalKey(events.Quarter(life[0].Time))
	data, err := events.EncodeKey(key)
	if err != nil {
		return err
	}
	who := life[0].Event.SessionKey()
	if _, err := js.Publish(ctx, events.KeySubject(who.Tenant, key.Quarter(), who.User), data); err != nil {
		return err
	}
	for i := range life {
		if life[i], err = events.Seal(life[i], key); err != nil {
			return err
		}
	}
	return nil
}

// factsOf is a user's life: a login, a refresh of it, and so on; every second
// session was revoked, so half of them are active.
func (h history) factsOf(user int) []events.Envelope {
	facts := make([]events.Envelope, 0, h.facts)
	for n := 0; len(facts) < h.facts; n++ {
		i := user*h.facts + n
		at := h.since.Add(time.Duration(i%86400) * time.Second)
		login := loginOf(i, h.user(user), at)
		key := login.Event.SessionKey()
		facts = append(facts, login, refreshOf(key, at.Add(time.Hour)))
		if n%2 == 0 {
			facts = append(facts, revocationOf(key, at.Add(2*time.Hour)))
		}
	}
	return facts[:h.facts]
}

func refreshOf(key events.Key, at time.Time) events.Envelope {
	now := events.TimestampOf(at)
	return events.Envelope{ID: "refresh-" + key.Session, Source: "/posse/bench", Time: at, Event: events.Refreshed{
		Key: key, EventTimestamp: now, Expires: events.TimestampOf(at.Add(30 * 24 * time.Hour)), Generation: 1,
		Personal: events.DevicePersonal{IP: loginDevice.IP},
	}}
}

func revocationOf(key events.Key, at time.Time) events.Envelope {
	now := events.TimestampOf(at)
	return events.Envelope{ID: "revoke-" + key.Session, Source: "/posse/bench", Time: at, Event: events.Revoked{
		Key: key, EventTimestamp: now, Cause: events.CauseTerminate, InitiatingEntity: events.InitiatedByAdmin,
		Expires: events.TimestampOf(at.Add(30 * 24 * time.Hour)), CommandID: "bench",
	}}
}

func touchOf(key events.Key, at time.Time) events.Envelope {
	return events.Envelope{
		ID: "touch-" + key.Session + "-" + strconv.FormatInt(at.UnixMilli(), 36), Source: "/posse/gateway", Time: at,
		Event: events.Touched{Key: key, EventTimestamp: events.TimestampOf(at), Personal: events.DevicePersonal{IP: loginDevice.IP}},
	}
}
