package wcpos_test

import (
	"bytes"
	"context"
	"fmt"
	"sync"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/activesessions"
	"github.com/posse-pos/posse/pkg/activesessions/memstore"
	"github.com/posse-pos/posse/pkg/commands"
	"github.com/posse-pos/posse/pkg/device"
	"github.com/posse-pos/posse/pkg/eventlog"
	"github.com/posse-pos/posse/pkg/principal"
)

type bearers map[string]principal.Principal

func (b bearers) Authenticate(_ context.Context, bearer string) (principal.Principal, error) {
	switch p, ok := b[bearer]; {
	case ok:
		return p, nil
	case bearer == "unavailable":
		return p, principal.ErrUnavailable
	case bearer == "revoked":
		return p, fmt.Errorf("%w: %w", principal.ErrUnauthenticated, principal.ErrSessionRevoked)
	default:
		return p, principal.ErrUnauthenticated
	}
}

// parser compiles its thousand rules once.
var parser = sync.OnceValue(func() *device.Parser { return device.NewParser(64) })

// watched is a read model that can be made to fail, and says when it is read.
type watched struct {
	*memstore.Store

	mu sync.Mutex
	at eventlog.Position

	fail     func(question string) error // nil: never
	read     func(question string, rows int)
	waitedTo uint64
}

// record applies facts, each at the next sequence, and returns the last.
func (s *watched) record(facts ...events.Event) uint64 {
	return s.apply(context.Background(), facts...)
}

func (s *watched) apply(ctx context.Context, facts ...events.Event) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	batch := activesessions.Batch{From: s.at, To: s.at, Devices: map[string]device.Device{}}
	for _, fact := range facts {
		batch.To.Sequence++
		batch.To.ID = fmt.Sprintf("fact-%d", batch.To.Sequence)
		batch.To.Created = now
		if in, ok := fact.(events.LoggedIn); ok {
			batch.Devices[activesessions.DeviceHash(in)] = parser().Parse(activesessions.Declared(in), in.Personal.UserAgent)
		}
		batch.Facts = append(batch.Facts, eventlog.Recorded{
			Envelope: events.Envelope{ID: batch.To.ID, Source: "/test", Time: now, Event: fact},
			Stream:   events.StreamSessions, Sequence: batch.To.Sequence, Time: now,
		})
	}
	if _, err := s.Apply(ctx, batch); err != nil {
		panic(err)
	}
	s.at = batch.To
	return batch.To.Sequence
}

func (s *watched) ask(question string) error {
	if s.fail == nil {
		return nil
	}
	return s.fail(question)
}

func (s *watched) answered(question string, rows int) {
	if s.read != nil {
		s.read(question, rows)
	}
}

func (s *watched) Users(ctx context.Context, q activesessions.UsersQuery) (activesessions.UsersPage, error) {
	if err := s.ask("users"); err != nil {
		return activesessions.UsersPage{}, err
	}
	page, err := s.Store.Users(ctx, q)
	s.answered("users", len(page.Users))
	return page, err
}

func (s *watched) SessionsOf(
	ctx context.Context, q activesessions.SessionsOfQuery,
) (map[string][]activesessions.Session, activesessions.Freshness, error) {
	if err := s.ask("sessions of"); err != nil {
		return nil, activesessions.Freshness{}, err
	}
	rows, fresh, err := s.Store.SessionsOf(ctx, q)
	n := 0
	for _, list := range rows {
		n += len(list)
	}
	s.answered("sessions of", n)
	return rows, fresh, err
}

func (s *watched) Sessions(ctx context.Context, q activesessions.SessionsQuery) ([]activesessions.Session, activesessions.Freshness, error) {
	if err := s.ask("sessions"); err != nil {
		return nil, activesessions.Freshness{}, err
	}
	return s.Store.Sessions(ctx, q)
}

func (s *watched) Session(ctx context.Context, tenant, session string) ([]activesessions.Session, activesessions.Freshness, error) {
	if err := s.ask("session"); err != nil {
		return nil, activesessions.Freshness{}, err
	}
	return s.Store.Session(ctx, tenant, session)
}

func (s *watched) WaitFor(ctx context.Context, position uint64) error {
	s.mu.Lock()
	s.waitedTo = position
	s.mu.Unlock()
	if err := s.ask("wait"); err != nil {
		return err
	}
	return s.Store.WaitFor(ctx, position)
}

// recorder ends sessions as the real one does: the active ones, of whoever has
// the id. It shows them in the read model at once unless it is told not to.
type recorder struct {
	commands.Ender // of which no more is asked

	store *watched

	one       []commands.EndSession
	all       []commands.EndUser
	err       error
	late      bool   // the read model shows it later
	meanwhile func() // happens before it ends anything
}

func (e *recorder) EndSession(ctx context.Context, c commands.EndSession) (commands.Ended, error) {
	e.one = append(e.one, c)
	if e.err != nil {
		return commands.Ended{}, e.err
	}
	if e.meanwhile != nil {
		e.meanwhile()
	}
	rows, _, err := e.store.Store.Session(ctx, c.Caller.Principal.Tenant, c.Session)
	if err != nil {
		return commands.Ended{}, commands.NewError(commands.ReasonNotFound, "there is no session %q", c.Session)
	}
	return e.end(ctx, rows, ""), nil
}

func (e *recorder) EndUser(ctx context.Context, c commands.EndUser) (commands.Ended, error) {
	e.all = append(e.all, c)
	if e.err != nil {
		return commands.Ended{}, e.err
	}
	rows, _, err := e.store.History(ctx, c.Caller.Principal.Tenant, c.User, now)
	if err != nil || len(rows) == 0 {
		return commands.Ended{}, commands.NewError(commands.ReasonNotFound, "there is no user %q", c.User)
	}
	return e.end(ctx, rows, c.Except), nil
}

func (e *recorder) end(ctx context.Context, rows []activesessions.Session, except string) commands.Ended {
	answer := commands.Ended{Position: e.store.at.Sequence}
	for i := range rows {
		if !rows[i].Open(now) || rows[i].Session == except {
			continue
		}
		answer.Ended++
		answer.Sessions = append(answer.Sessions, rows[i].Session)
		if e.late {
			answer.Position++
		} else {
			answer.Position = e.store.apply(ctx, revoked(rows[i].Tenant, rows[i].User, rows[i].Session))
		}
	}
	return answer
}

// logged keeps what was logged.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
