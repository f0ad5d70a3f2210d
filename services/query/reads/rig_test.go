package reads_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/activesessions"
	"github.com/posse-pos/posse/pkg/activesessions/memstore"
	"github.com/posse-pos/posse/pkg/eventlog"
	"github.com/posse-pos/posse/pkg/principal"
	"github.com/posse-pos/posse/services/query/reads"
)

// afternoon is when everybody looks.
var afternoon = time.Date(2026, 11, 20, 14, 5, 0, 0, time.UTC)

// The people who look.
var (
	anna    = principal.Principal{Kind: principal.Admin, Tenant: "shop", User: "anna", Session: "anna-1"}
	otto    = principal.Principal{Kind: principal.Auditor, Tenant: "shop", User: "otto", Session: "otto-1"}
	carl    = principal.Principal{Kind: principal.User, Tenant: "shop", User: "carl", Session: "carl-1"}
	zoe     = principal.Principal{Kind: principal.Admin, Tenant: "other", User: "zoe", Session: "zoe-1"}
	backend = principal.Principal{Kind: principal.Backend, Tenant: "shop", KeyID: "key-1"}
	nobody  = principal.Principal{}
)

// rig is answers from a read model that the test writes.
type rig struct {
	*testing.T

	store  *memstore.Store
	reader *reader
	reads  *reads.Reads
	logged *logged
	at     uint64
}

func setup(t *testing.T) *rig {
	t.Helper()
	r := &rig{T: t, logged: &logged{}, store: memstore.New(memstore.Config{Now: func() time.Time { return afternoon }})}
	r.reader = &reader{Reader: r.store}
	r.reads = reads.New(r.reader, func() time.Time { return afternoon }, slog.New(r.logged))
	return r
}

// look is somebody's lens: on now, or on a past moment.
func (r *rig) look(viewer principal.Principal, moment ...time.Time) *reads.Lens {
	r.Helper()
	var at time.Time
	if len(moment) > 0 {
		at = moment[0]
	}
	l, err := r.reads.Look(viewer, at)
	if err != nil {
		r.Fatal(err)
	}
	return l
}

func (r *rig) record(facts ...events.Event) uint64 {
	r.Helper()
	from := eventlog.Position{Stream: events.StreamSessions, Sequence: r.at}
	if r.at > 0 {
		from.ID, from.Created = fmt.Sprint("fact-", r.at), afternoon
	}
	batch := activesessions.Batch{From: from}
	for _, fact := range facts {
		r.at++
		batch.Facts = append(batch.Facts, eventlog.Recorded{
			Envelope: events.Envelope{ID: fmt.Sprint("fact-", r.at), Source: "/test", Time: afternoon, Event: fact},
			Stream:   events.StreamSessions, Sequence: r.at, Time: afternoon,
		})
	}
	batch.To = eventlog.Position{Stream: events.StreamSessions, Sequence: r.at, ID: fmt.Sprint("fact-", r.at), Created: afternoon}
	if _, err := r.store.Apply(r.Context(), batch); err != nil {
		r.Fatal(err)
	}
	return r.at
}

// login is that of somebody who signed in a while ago and did nothing since.
func login(tenant, user, session string, ago time.Duration) events.LoggedIn {
	return events.LoggedIn{
		Key:            events.Key{Tenant: tenant, User: user, Session: session},
		EventTimestamp: events.TimestampOf(afternoon.Add(-ago)), Created: events.TimestampOf(afternoon.Add(-ago)),
		Expires:  events.TimestampOf(afternoon.Add(24 * time.Hour)),
		Personal: events.LoginPersonal{Username: user + ".n", DisplayName: "The " + user, AvatarURL: "https://pictures.example/" + user},
	}
}

func revoked(user, session string, ago time.Duration) events.Revoked {
	return events.Revoked{
		Key:            events.Key{Tenant: "shop", User: user, Session: session},
		EventTimestamp: events.TimestampOf(afternoon.Add(-ago)), Expires: events.TimestampOf(afternoon.Add(24 * time.Hour)),
		Cause: events.CauseTerminate, InitiatingEntity: events.InitiatedByAdmin, CommandID: "command",
		Actor:    events.Actor{User: "anna", Session: "anna-1"},
		Personal: events.RevokedPersonal{ActorIP: "192.0.2.9", ReasonAdmin: "stolen", ReasonUser: "call us"},
	}
}

// shop is anna, carl with two sessions and one that was ended, otto, and zoe of
// another tenant.
func (r *rig) shop() {
	r.Helper()
	r.record(
		login("shop", "anna", "anna-1", 3*time.Hour), login("shop", "carl", "carl-1", 2*time.Hour), login("shop", "carl", "carl-2", time.Hour),
		login("shop", "otto", "otto-1", 3*time.Minute), login("other", "zoe", "zoe-1", time.Minute),
		login("shop", "carl", "carl-0", 5*time.Hour), revoked("carl", "carl-0", 4*time.Hour),
	)
}

// reader remembers the questions that the store was asked, and fails on demand.
type reader struct {
	activesessions.Reader

	mu    sync.Mutex
	asked []string
	fails error
}

func (s *reader) ask(question string, user ...string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, fmt.Sprint(question, user))
	return s.fails
}

func (s *reader) questions() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.asked)
}

func (s *reader) Users(ctx context.Context, q activesessions.UsersQuery) (activesessions.UsersPage, error) {
	if err := s.ask("users", q.User); err != nil {
		return activesessions.UsersPage{}, err
	}
	return s.Reader.Users(ctx, q)
}

func (s *reader) Sessions(ctx context.Context, q activesessions.SessionsQuery) ([]activesessions.Session, activesessions.Freshness, error) {
	if err := s.ask("sessions", q.User); err != nil {
		return nil, activesessions.Freshness{}, err
	}
	return s.Reader.Sessions(ctx, q)
}

func (s *reader) SessionsOf(
	ctx context.Context, q activesessions.SessionsOfQuery,
) (map[string][]activesessions.Session, activesessions.Freshness, error) {
	if err := s.ask("sessions of", q.Users...); err != nil {
		return nil, activesessions.Freshness{}, err
	}
	return s.Reader.SessionsOf(ctx, q)
}

func (s *reader) Session(ctx context.Context, tenant, session string) ([]activesessions.Session, activesessions.Freshness, error) {
	if err := s.ask("session", session); err != nil {
		return nil, activesessions.Freshness{}, err
	}
	return s.Reader.Session(ctx, tenant, session)
}

func (s *reader) Freshness(ctx context.Context) (activesessions.Freshness, error) {
	if err := s.ask("freshness"); err != nil {
		return activesessions.Freshness{}, err
	}
	return s.Reader.Freshness(ctx)
}

func (s *reader) WaitFor(ctx context.Context, sequence uint64) error {
	if err := s.ask("wait"); err != nil {
		return err
	}
	return s.Reader.WaitFor(ctx, sequence)
}

// logged counts what was logged.
type logged struct {
	mu    sync.Mutex
	lines int
}

func (l *logged) Enabled(context.Context, slog.Level) bool { return true }
func (l *logged) WithAttrs([]slog.Attr) slog.Handler       { return l }
func (l *logged) WithGroup(string) slog.Handler            { return l }

func (l *logged) Handle(context.Context, slog.Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines++
	return nil
}

func (l *logged) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lines
}
