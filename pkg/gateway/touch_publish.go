package gateway

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"log/slog"
	"time"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/gateway/internal/feed"
)

// publish reports whether all touches were stored; those that were not wait
// again, with what is the newest then.
func (t *toucher) publish(ctx context.Context, source feed.Feed, batch []*activity) bool {
	messages := make([]events.Message, 0, len(batch))
	handed := make([]*activity, 0, len(batch))
	for _, a := range batch {
		message, err := t.take(a)
		if err != nil {
			t.cfg.Logger.ErrorContext(ctx, "touch cannot be encoded", slog.Any("error", err))
			continue
		}
		messages, handed = append(messages, message), append(handed, a)
	}
	ctx, cancel := context.WithTimeout(ctx, ackTimeout)
	defer cancel()
	stored := 0
	for i, err := range source.PublishTouches(ctx, messages) {
		if err == nil {
			stored++
			continue
		}
		t.failed.Add(1)
		t.again(handed[i])
	}
	t.sent.Add(uint64(stored))
	t.cfg.Hooks.TouchesSent(stored)
	return stored == len(messages)
}

// take turns the newest activity of a session into a touch.
func (t *toucher) take(a *activity) (events.Message, error) {
	sh := t.shard(a.key)
	sh.mu.Lock()
	a.queued, a.handed = false, time.Now()
	at, origin := events.Timestamp(a.last), a.origin
	sh.mu.Unlock()
	return events.Encode(events.Envelope{
		ID: touchID(a.key, at), Source: t.source, Time: at.Time(),
		Event: events.Touched{
			Key: a.key, EventTimestamp: at,
			// The stream keeps only the last touch of a session, so each one has to say
			// all there is to say.
			Personal: events.DevicePersonal{IP: origin.IP, UserAgent: origin.UserAgent},
		},
	})
}

func (t *toucher) again(a *activity) {
	sh := t.shard(a.key)
	sh.mu.Lock()
	waits := a.queued
	a.queued = true
	sh.mu.Unlock()
	if !waits {
		t.push(a, time.Now())
	}
}

// touchID is the same for the same request, so that a touch that was stored
// without our knowing is stored once.
func touchID(key events.Key, at events.Timestamp) string {
	h := sha256.New()
	for _, id := range []string{key.Tenant, key.User, key.Session} {
		_, _ = h.Write([]byte(events.EncodeToken(id) + "."))
	}
	_ = binary.Write(h, binary.BigEndian, int64(at))
	return "touch-" + base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:16])
}
