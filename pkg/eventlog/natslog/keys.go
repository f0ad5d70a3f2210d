package natslog

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v5"
	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/eventlog"
)

const (
	// knownKeys is how many keys are kept in memory, and destroyedKeys of how many it
	// is remembered that they are gone for good.
	knownKeys     = 1 << 16
	destroyedKeys = 1 << 16
	// keyLife is how long a key is used without looking again: for so long another
	// process may seal with one that was destroyed, which loses what it seals.
	keyLife = 10 * time.Second
)

// keys finds the keys of people, and makes those that are missing.
type keys struct {
	log       *Log
	known     *lru.Cache[string, knownKey] // by subject
	destroyed *lru.Cache[string, struct{}] // ids
}

type knownKey struct {
	events.PersonalKey

	opener events.Opener
	until  time.Time
}

func newKeys(l *Log) *keys {
	known, err := lru.New[string, knownKey](knownKeys)
	if err != nil {
		panic("natslog: " + err.Error()) // only for a size below one
	}
	destroyed, err := lru.New[string, struct{}](destroyedKeys)
	if err != nil {
		panic("natslog: " + err.Error())
	}
	return &keys{log: l, known: known, destroyed: destroyed}
}

// seal encrypts what the facts of one user say about the person.
func (k *keys) seal(ctx context.Context, facts []events.Envelope) ([]events.Envelope, error) {
	sealed := make([]events.Envelope, len(facts))
	for i, fact := range facts {
		sealed[i] = fact
		if !events.IsPersonal(fact.Event) {
			continue
		}
		key, err := k.current(ctx, fact.Event.SessionKey(), events.Quarter(k.log.config.Now()))
		if err != nil {
			return nil, err
		}
		if sealed[i], err = events.Seal(fact, key); err != nil {
			return nil, fmt.Errorf("%w: fact %d: %w", ErrInvalidAppend, i, err)
		}
	}
	return sealed, nil
}

// current returns a user's key of a quarter, and makes it if there is none.
func (k *keys) current(ctx context.Context, who events.Key, quarter string) (events.PersonalKey, error) {
	subject := events.KeySubject(who.Tenant, quarter, who.User)
	if known, ok := k.get(subject); ok {
		return known.PersonalKey, nil
	}
	key, err := backoff.Retry(ctx, func() (events.PersonalKey, error) {
		key, err := k.find(ctx, subject)
		if err == nil && k.destroyed.Contains(key.ID) {
			err = k.log.eraseKey(ctx, subject, key.ID) // whoever was to do so did not come to it yet
			err = cmp.Or(err, eventlog.ErrNotFound)
		}
		if errors.Is(err, eventlog.ErrNotFound) {
			key, err = k.make(ctx, subject, quarter)
		}
		if err != nil && (isRefusal(err) && !isConflict(err) || errors.Is(err, errBrokenKey)) {
			err = backoff.Permanent(err)
		}
		return key, err
	}, forever(firstRetry, lastRetry)...)
	if errors.Is(err, errBrokenKey) {
		return events.PersonalKey{}, err
	}
	if err != nil {
		return events.PersonalKey{}, notStored("key on "+subject, errors.Join(err, context.Cause(ctx)))
	}
	k.keep(subject, key)
	return key, nil
}

// errBrokenKey says that what lies in POS_KEYS is no key.
var errBrokenKey = errors.New("natslog: broken key")

// find returns the key on a subject as the leader has it, or eventlog.ErrNotFound.
func (k *keys) find(ctx context.Context, subject string) (events.PersonalKey, error) {
	stored, err := k.log.fromLeader(ctx, events.StreamKeys, getRequest{LastFor: subject})
	if err != nil {
		return events.PersonalKey{}, err
	}
	return decodeKey(stored)
}

func decodeKey(stored *jetstream.RawStreamMsg) (events.PersonalKey, error) {
	key, err := events.DecodeKey(stored.Data)
	if err != nil {
		return events.PersonalKey{}, fmt.Errorf("%w: message %d of %s: %w", errBrokenKey, stored.Sequence, events.StreamKeys, err)
	}
	return key, nil
}

// make stores a new key of the quarter that the subject names. A conflict says that
// somebody else did.
func (k *keys) make(ctx context.Context, subject, quarter string) (events.PersonalKey, error) {
	key := events.NewPersonalKey(quarter)
	data, err := events.EncodeKey(key)
	if err != nil {
		return events.PersonalKey{}, err
	}
	ctx, cancel := bounded(ctx, attemptTimeout)
	defer cancel()
	header := nats.Header{jetstream.ExpectedLastSubjSeqHeader: {"0"}}
	_, err = k.log.js.PublishMsg(ctx, &nats.Msg{Subject: subject, Header: header, Data: data})
	return key, err
}

func isConflict(err error) bool { return hasCode(err, codeConflict, codeConflictInFlight) }

func (k *keys) get(subject string) (knownKey, bool) {
	known, ok := k.known.Get(subject)
	if !ok || !time.Now().Before(known.until) || k.destroyed.Contains(known.ID) {
		return knownKey{}, false
	}
	return known, true
}

func (k *keys) keep(subject string, key events.PersonalKey) knownKey {
	known := knownKey{key, decoder.Opener(key), time.Now().Add(keyLife)}
	k.known.Add(subject, known)
	return known
}

// note remembers which keys the facts say are destroyed.
func (k *keys) note(facts []events.Envelope) {
	for _, fact := range facts {
		if forgotten, ok := fact.Event.(events.Forgotten); ok {
			k.forget(forgotten)
		}
	}
}

func (k *keys) forget(forgotten events.Forgotten) {
	for _, id := range forgotten.Keys {
		k.destroyed.Add(id, struct{}{})
		subject := events.KeySubject(forgotten.Tenant, events.QuarterOfKey(id), forgotten.User)
		if known, ok := k.known.Peek(subject); ok && known.ID == id {
			k.known.Remove(subject)
		}
	}
}
