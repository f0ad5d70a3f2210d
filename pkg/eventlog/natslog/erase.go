package natslog

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/eventlog"
)

// Keys returns the ids of a user's keys; see eventlog.Eraser.
func (l *Log) Keys(ctx context.Context, tenant, user string) ([]string, error) {
	subjects, err := l.subjects(ctx, events.StreamKeys, events.UserKeysSubject(tenant, user))
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, subject := range subjects {
		key, err := l.keys.find(ctx, subject)
		switch {
		case err == nil:
			ids = append(ids, key.ID)
		case !errors.Is(err, eventlog.ErrNotFound):
			return nil, err
		}
	}
	return ids, nil
}

// Destroy destroys the keys that a fact names; see eventlog.Eraser. The server
// overwrites them on its disk.
func (l *Log) Destroy(ctx context.Context, forgotten events.Forgotten) error {
	l.keys.forget(forgotten)
	for _, id := range forgotten.Keys {
		subject := events.KeySubject(forgotten.Tenant, events.QuarterOfKey(id), forgotten.User)
		if err := l.eraseKey(ctx, subject, id); err != nil {
			return err
		}
	}
	touches, err := l.subjects(ctx, events.StreamTouches, events.UserTouchesSubject(forgotten.Tenant, forgotten.User))
	if err != nil {
		return err
	}
	for _, subject := range touches {
		if _, err := l.erase(ctx, events.StreamTouches, subject, isBefore(forgotten.EventTimestamp)); err != nil {
			return err
		}
	}
	return nil
}

func (l *Log) eraseKey(ctx context.Context, subject, id string) error {
	_, err := l.erase(ctx, events.StreamKeys, subject, func(m *jetstream.RawStreamMsg) bool {
		key, err := decodeKey(m)
		return err == nil && key.ID == id
	})
	return err
}

// isBefore is for touches, which a user who came back makes again.
func isBefore(moment events.Timestamp) func(*jetstream.RawStreamMsg) bool {
	return func(m *jetstream.RawStreamMsg) bool {
		touch, err := decode(events.StreamTouches, m)
		return err != nil || touch.Event.Occurred() <= moment
	}
}

// OldKeys returns which keys there are of quarters that were over at a moment; see
// eventlog.Eraser.
func (l *Log) OldKeys(ctx context.Context, moment time.Time) ([]eventlog.QuarterKeys, error) {
	state, err := l.State(ctx, events.StreamKeys)
	if err != nil {
		return nil, err
	}
	var old []eventlog.QuarterKeys
	for day := state.Created; events.Quarter(day) < events.Quarter(moment); day = day.AddDate(0, 3, 0) {
		quarter := events.Quarter(day)
		subjects, err := l.subjects(ctx, events.StreamKeys, events.KeysOfQuarterSubject(quarter))
		if err != nil {
			return nil, err
		}
		keys := map[string]int{}
		for _, subject := range subjects {
			if tenant, err := events.KeyTenant(subject); err == nil {
				keys[tenant]++
			}
		}
		for _, tenant := range slices.Sorted(maps.Keys(keys)) {
			old = append(old, eventlog.QuarterKeys{Tenant: tenant, Quarter: quarter, Keys: keys[tenant]})
		}
	}
	return old, nil
}

// DestroyQuarter destroys the keys of a quarter of all users of a tenant; see
// eventlog.Eraser.
func (l *Log) DestroyQuarter(ctx context.Context, tenant, quarter string) (int, error) {
	subjects, err := l.subjects(ctx, events.StreamKeys, events.QuarterKeysSubject(tenant, quarter))
	if err != nil {
		return 0, err
	}
	destroyed := 0
	for _, subject := range subjects {
		done, err := l.erase(ctx, events.StreamKeys, subject, func(*jetstream.RawStreamMsg) bool { return true })
		if err != nil {
			return destroyed, err
		}
		l.keys.known.Remove(subject)
		if done {
			destroyed++
		}
	}
	return destroyed, nil
}

// erase overwrites the message on a subject, if it is the one that is meant, and
// reports whether there was one.
func (l *Log) erase(ctx context.Context, stream, subject string, meant func(*jetstream.RawStreamMsg) bool) (bool, error) {
	m, err := l.fromLeader(ctx, stream, getRequest{LastFor: subject})
	if errors.Is(err, eventlog.ErrNotFound) || err == nil && !meant(m) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	ctx, cancel := bounded(ctx, readTimeout)
	defer cancel()
	handle, err := l.js.Stream(ctx, stream)
	if err == nil {
		err = handle.SecureDeleteMsg(ctx, m.Sequence)
	}
	if err == nil {
		return true, nil
	}
	if _, again := l.fromLeader(ctx, stream, getRequest{Sequence: m.Sequence}); errors.Is(again, eventlog.ErrNotFound) {
		return false, nil // another erased it
	}
	return false, unavailable("erase message of stream "+stream, fmt.Errorf("message %d: %w", m.Sequence, err))
}

// subjects lists the subjects of a stream that match a filter, as the leader knows
// them.
func (l *Log) subjects(ctx context.Context, stream, filter string) ([]string, error) {
	ctx, cancel := bounded(ctx, appendPatience)
	defer cancel()
	handle, err := l.js.Stream(ctx, stream)
	if err != nil {
		return nil, unavailable("look up stream "+stream, l.asked("STREAM.INFO."+stream, err))
	}
	info, err := handle.Info(ctx, jetstream.WithSubjectFilter(filter))
	if err != nil {
		return nil, unavailable("list subjects of stream "+stream, err)
	}
	subjects := make([]string, 0, len(info.State.Subjects))
	for subject := range info.State.Subjects {
		subjects = append(subjects, subject)
	}
	return subjects, nil
}
