package activesessionstest

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/activesessions"
	"github.com/posse-pos/posse/pkg/device"
	"github.com/posse-pos/posse/pkg/eventlog"
)

// opening is when every story begins.
var opening = time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)

const (
	tenant = "bakery"
	shift  = 12 * time.Hour
)

// clock is the time in a story.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
	return c.now
}

// shop is a store and the log that feeds it.
type shop struct {
	*clock
	t        *testing.T
	store    Store
	sessions eventlog.Position
	touches  eventlog.Position
}

func open(t *testing.T, factory Factory) *shop {
	t.Helper()
	c := &clock{now: opening}
	return &shop{
		clock: c, t: t, store: factory(t, c.Now),
		sessions: eventlog.Position{Stream: events.StreamSessions},
		touches:  eventlog.Position{Stream: events.StreamTouches},
	}
}

func key(user, session string) events.Key {
	return events.Key{Tenant: tenant, User: user, Session: session}
}

func stamp(t time.Time) events.Timestamp { return events.TimestampOf(t) }

// login is a fact with sensible content.
func (s *shop) login(user, session string) events.LoggedIn {
	now := s.Now()
	return events.LoggedIn{
		Key:            key(user, session),
		EventTimestamp: stamp(now),
		Created:        stamp(now),
		Expires:        stamp(now.Add(shift)),
		Platform:       "ios",
		AppVersion:     "1.8.1",
		Build:          "231",
		Personal: events.LoginPersonal{
			Username:    user,
			DisplayName: "Till " + user,
			AvatarURL:   "https://shop.example/" + user + ".png",
			DeviceLabel: "front",
			UserAgent:   "WCPOS/1.8.1 (ios; build 231)",
			ClientHints: map[string]string{"Sec-CH-UA-Mobile": "?1"},
			IP:          "192.0.2.1",
		},
	}
}

func (s *shop) touch(user, session string) events.Touched {
	return events.Touched{
		Key: key(user, session), EventTimestamp: stamp(s.Now()),
		Personal: events.DevicePersonal{IP: "192.0.2.2"},
	}
}

func (s *shop) refresh(user, session string, life time.Duration) events.Refreshed {
	return events.Refreshed{
		Key: key(user, session), EventTimestamp: stamp(s.Now()),
		Expires: stamp(s.Now().Add(life)), Generation: 1,
	}
}

func (s *shop) end(user, session string) events.Revoked {
	return events.Revoked{
		Key: key(user, session), EventTimestamp: stamp(s.Now()),
		Cause: events.CauseTerminate, InitiatingEntity: events.InitiatedByAdmin,
		Actor:     events.Actor{User: "boss", Session: "office"},
		Expires:   stamp(opening.Add(shift)),
		CommandID: "command-1",
		Personal:  events.RevokedPersonal{ActorIP: "192.0.2.9", ReasonAdmin: "lost", ReasonUser: "see the boss"},
	}
}

// happens applies facts, each stream's in one batch, and returns the users that
// the store says changed.
func (s *shop) happens(facts ...events.Event) []activesessions.UserRef {
	s.t.Helper()
	var changed []activesessions.UserRef
	for _, batch := range s.batches(facts) {
		refs, err := s.store.Apply(s.t.Context(), batch)
		if err != nil {
			s.t.Fatalf("apply: %v", err)
		}
		changed = append(changed, refs...)
	}
	return changed
}

// batches appends the facts to the log and returns what a projector reads.
func (s *shop) batches(facts []events.Event) []activesessions.Batch {
	sessions, touches := activesessions.Batch{From: s.sessions}, activesessions.Batch{From: s.touches}
	for _, fact := range facts {
		batch, position := &sessions, &s.sessions
		if fact.EventType() == events.TypeTouched {
			batch, position = &touches, &s.touches
		}
		*position = next(*position)
		batch.Facts = append(batch.Facts, recorded(fact, *position, s.Now()))
	}
	sessions.To, touches.To = s.sessions, s.touches
	sessions.Devices = devicesOf(sessions.Facts)
	var batches []activesessions.Batch
	for _, batch := range []activesessions.Batch{sessions, touches} {
		if len(batch.Facts) > 0 {
			batches = append(batches, batch)
		}
	}
	return batches
}

func next(p eventlog.Position) eventlog.Position {
	p.Sequence++
	p.Created = opening.Add(-time.Hour).Add(123456789 * time.Nanosecond)
	p.ID = fmt.Sprintf("%s-%d", p.Stream, p.Sequence)
	return p
}

func recorded(fact events.Event, at eventlog.Position, now time.Time) eventlog.Recorded {
	return eventlog.Recorded{
		Envelope: events.Envelope{ID: at.ID, Source: "/posse/test", Time: now, Event: fact},
		Stream:   at.Stream, Sequence: at.Sequence, Time: now,
	}
}

// devicesOf stands in for the parser: every hash has a device of its own.
func devicesOf(facts []eventlog.Recorded) map[string]device.Device {
	devices := map[string]device.Device{}
	for _, fact := range facts {
		if login, ok := fact.Event.(events.LoggedIn); ok {
			hash := activesessions.DeviceHash(login)
			devices[hash] = device.Device{Application: device.IOSApp, Browser: "b" + hash[:6], OS: "iOS", Type: device.Tablet}
		}
	}
	return devices
}

// users reads a page, now unless the query says otherwise.
func (s *shop) users(query activesessions.UsersQuery) activesessions.UsersPage {
	s.t.Helper()
	if query.Tenant == "" {
		query.Tenant = tenant
	}
	if query.Now.IsZero() {
		query.Now = s.Now()
	}
	page, err := s.store.Users(s.t.Context(), query)
	if err != nil {
		s.t.Fatalf("users %+v: %v", query, err)
	}
	return page
}

// walk reads all pages and calls between after each.
func (s *shop) walk(query activesessions.UsersQuery, between func()) []activesessions.User {
	s.t.Helper()
	var all []activesessions.User
	for {
		page := s.users(query)
		all = append(all, page.Users...)
		if page.NextToken == "" {
			return all
		}
		query.PageToken = page.NextToken
		between()
	}
}

func (s *shop) list(query activesessions.SessionsQuery) []activesessions.Session {
	s.t.Helper()
	query.Tenant, query.Now = tenant, s.Now()
	sessions, _, err := s.store.Sessions(s.t.Context(), query)
	if err != nil {
		s.t.Fatalf("sessions %+v: %v", query, err)
	}
	return sessions
}

func (s *shop) dump() string {
	s.t.Helper()
	return Dump(s.t, s.store)
}
