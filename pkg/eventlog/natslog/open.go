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
	_, err := backoff.Retry(ctx, func() (struct{}, error) { return struct{}{}, k.open(ctx, facts) },
		append(forever(firstRetry, reopenInterval), backoff.WithNotify(func(err error, _ time.Duration) {
			k.log.logger.Warn("the keys of personal data cannot be read yet", "error", err)
		}))...)
	return err
}

// open decrypts what facts say about people, where it can: facts in the order of the
// log, for what an events.Forgotten names is not opened behind it. Errors:
// eventlog.ErrUnavailable, and then nothing is opened.
func (k *keys) open(ctx context.Context, facts []eventlog.Recorded) error {
	openers, missing := k.needed(facts)
	if err := k.fetch(ctx, missing, openers); err != nil {
		return err
	}
	var opening []sealedFact
	for i := range facts {
		if forgotten, ok := facts[i].Event.(events.Forgotten); ok {
			k.forget(forgotten)
			for _, id := range forgotten.Keys {
				delete(openers, id)
			}
			continue
		}
		id := events.SealedWith(facts[i].Event)
		if id == "" {
			continue
		}
		opener, ok := openers[id]
		if !ok {
			k.destroyed.Add(id, struct{}{}) // ids do not come back
			k.log.metrics.unopened.WithLabelValues("destroyed").Inc()
			continue
		}
		opening = append(opening, sealedFact{&facts[i], opener})
	}
	together(opening, func(sealed sealedFact) { k.openOne(sealed.fact, sealed.opener) })
	return nil
}

// sealedFact is a fact and what opens it.
type sealedFact struct {
	fact   *eventlog.Recorded
	opener events.Opener
}

func (k *keys) openOne(fact *eventlog.Recorded, opener events.Opener) {
	opened, err := opener.Open(fact.Envelope)
	if err != nil {
		k.log.metrics.unopened.WithLabelValues("broken").Inc()
		k.log.logger.Error("personal data of a fact does not open", "stream", fact.Stream, "sequence", fact.Sequence, "error", err)
		return
	}
	fact.Envelope = opened
}

// needed returns what opens the facts, by the ids of the keys, where it is known, and
// the subjects of the other keys by id.
func (k *keys) needed(facts []eventlog.Recorded) (openers map[string]events.Opener, missing map[string]string) {
	openers, missing = map[string]events.Opener{}, map[string]string{}
	seen := ""
	for i := range facts {
		id := events.SealedWith(facts[i].Event)
		if id == "" || id == seen {
			continue
		}
		seen = id
		if _, ok := openers[id]; ok || missing[id] != "" || k.destroyed.Contains(id) {
			continue
		}
		subject := subjectOfKey(facts[i].Event, id)
		if known, ok := k.get(subject); ok && known.ID == id {
			openers[id] = known.opener
			continue
		}
		missing[id] = subject
	}
	return openers, missing
}

func subjectOfKey(e events.Event, id string) string {
	who := e.SessionKey()
	return events.KeySubject(who.Tenant, events.QuarterOfKey(id), who.User)
}

// fetch adds to the openers those of the keys that are missing, subjects by id, where
// the keys are still there, and keeps them. Where a replica has not the one that is
// looked for, the leader is asked, since a replica may lag.
func (k *keys) fetch(ctx context.Context, missing map[string]string, openers map[string]events.Opener) error {
	subjects := slices.Compact(slices.Sorted(maps.Values(missing)))
	found := make(map[string]events.PersonalKey, len(subjects))
	for some := range slices.Chunk(subjects, keysAtOnce) {
		if err := k.fetchSome(ctx, some, found); err != nil {
			return err
		}
	}
	for id, subject := range missing {
		if found[subject].ID != id {
			if err := k.confirm(ctx, subject, found); err != nil {
				return err
			}
		}
		if key := found[subject]; key.ID == id {
			openers[id] = k.keep(subject, key).opener
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
