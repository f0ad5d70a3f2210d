package natslog

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/synadia-io/orbit.go/jetstreamext"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/eventlog"
)

// keysAtOnce is for how many keys one request asks: the server answers for at most
// 1,024 (maxAllowedResponses of nats-server 2.15.2).
const keysAtOnce = 1000

// openAll is open, however long the server is away.
func (k *keys) openAll(ctx context.Context, facts []eventlog.Recorded) error {
	wait := backoff.NewExponentialBackOff()
	wait.InitialInterval, wait.MaxInterval = firstRetry, reopenInterval
	_, err := backoff.Retry(ctx, func() (struct{}, error) { return struct{}{}, k.open(ctx, facts) },
		backoff.WithBackOff(wait), backoff.WithMaxElapsedTime(0), backoff.WithNotify(func(err error, _ time.Duration) {
			k.log.logger.Warn("the keys of personal data cannot be read yet", "error", err)
		}))
	return err
}

// open decrypts what facts say about people, where it can: facts in the order of the
// log, for what an events.Forgotten names is not opened behind it. Errors:
// eventlog.ErrUnavailable, and then nothing is opened.
func (k *keys) open(ctx context.Context, facts []eventlog.Recorded) error {
	found, missing := k.needed(facts)
	if err := k.fetch(ctx, missing, found); err != nil {
		return err
	}
	var opening []sealedFact
	for i := range facts {
		if forgotten, ok := facts[i].Event.(events.Forgotten); ok {
			k.forget(forgotten)
			continue
		}
		id := events.SealedWith(facts[i].Event)
		if id == "" {
			continue
		}
		key := found[subjectOfKey(facts[i].Event, id)]
		if key.ID != id || k.destroyed.Contains(id) {
			k.destroyed.Add(id, struct{}{}) // ids do not come back
			k.log.metrics.unopened.WithLabelValues("destroyed").Inc()
			continue
		}
		opening = append(opening, sealedFact{&facts[i], key})
	}
	together(opening, func(sealed sealedFact) { k.openOne(sealed.fact, sealed.key) })
	return nil
}

// sealedFact is a fact and the key that opens it.
type sealedFact struct {
	fact *eventlog.Recorded
	key  events.PersonalKey
}

func (k *keys) openOne(fact *eventlog.Recorded, key events.PersonalKey) {
	opened, err := events.Open(fact.Envelope, key)
	if err != nil {
		k.log.metrics.unopened.WithLabelValues("broken").Inc()
		k.log.logger.Error("personal data of a fact does not open", "stream", fact.Stream, "sequence", fact.Sequence, "error", err)
		return
	}
	fact.Envelope = opened
}

// needed returns the keys by subject that are needed and known, and the subjects of
// those that are needed and not known with the id that is looked for there: "" for
// several.
func (k *keys) needed(facts []eventlog.Recorded) (found map[string]events.PersonalKey, missing map[string]string) {
	found, missing = map[string]events.PersonalKey{}, map[string]string{}
	for i := range facts {
		id := events.SealedWith(facts[i].Event)
		if id == "" || k.destroyed.Contains(id) {
			continue
		}
		subject := subjectOfKey(facts[i].Event, id)
		if found[subject].ID == id {
			continue
		}
		if key, ok := k.get(subject); ok && key.ID == id {
			found[subject] = key
			continue
		}
		if other, ok := missing[subject]; ok && other != id {
			id = ""
		}
		missing[subject] = id
	}
	return found, missing
}

func subjectOfKey(e events.Event, id string) string {
	who := e.SessionKey()
	return events.KeySubject(who.Tenant, events.QuarterOfKey(id), who.User)
}

// fetch adds the keys on some subjects to those that are found, and keeps them. Where
// a replica has not the one that is looked for, the leader is asked, since a replica
// may lag.
func (k *keys) fetch(ctx context.Context, subjects map[string]string, found map[string]events.PersonalKey) error {
	for some := range slices.Chunk(slices.Collect(maps.Keys(subjects)), keysAtOnce) {
		if err := k.fetchSome(ctx, some, found); err != nil {
			return err
		}
	}
	for subject, id := range subjects {
		if found[subject].ID != id {
			if err := k.confirm(ctx, subject, found); err != nil {
				return err
			}
		}
		if key, ok := found[subject]; ok {
			k.keep(subject, key)
		}
	}
	return nil
}

func (k *keys) confirm(ctx context.Context, subject string, found map[string]events.PersonalKey) error {
	key, err := k.find(ctx, subject)
	switch {
	case err == nil:
		found[subject] = key
	case errors.Is(err, eventlog.ErrNotFound):
		delete(found, subject)
	case errors.Is(err, errBrokenKey):
		k.log.logger.Error("a key cannot be read", "error", err)
	default:
		return err
	}
	return nil
}

func (k *keys) fetchSome(ctx context.Context, subjects []string, into map[string]events.PersonalKey) error {
	ctx, cancel := bounded(ctx, readTimeout)
	defer cancel()
	messages, err := jetstreamext.GetLastMsgsFor(ctx, k.log.js, events.StreamKeys, subjects)
	if err != nil {
		return unavailable("read keys", err)
	}
	for m, err := range messages {
		if errors.Is(err, jetstreamext.ErrNoMessages) {
			return nil
		}
		if err != nil {
			return unavailable("read keys", err)
		}
		k.take(m, into)
	}
	return nil
}

func (k *keys) take(m *jetstream.RawStreamMsg, into map[string]events.PersonalKey) {
	key, err := decodeKey(m)
	if err != nil {
		k.log.logger.Error("a key cannot be read", "error", err)
		return
	}
	into[m.Subject] = key
}
