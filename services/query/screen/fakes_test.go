package screen_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/activesessions"
	"github.com/posse-pos/posse/pkg/commands"
	"github.com/posse-pos/posse/pkg/fleet"
	"github.com/posse-pos/posse/pkg/principal"
)

// guard knows people by a header, and forgets them on demand.
type guard struct {
	mu    sync.Mutex
	known map[string]principal.Principal
	away  bool // nobody can tell
	asked int
}

func newGuard() *guard {
	return &guard{known: map[string]principal.Principal{
		"anna":    {Kind: principal.Admin, Tenant: "shop", User: "anna", Session: "anna-1", Roles: []string{"admin"}},
		"otto":    {Kind: principal.Auditor, Tenant: "shop", User: "otto", Session: "otto-1", Roles: []string{"auditor"}},
		"carl":    {Kind: principal.User, Tenant: "shop", User: "carl", Session: "carl-1"},
		"backend": {Kind: principal.Backend, Tenant: "shop", KeyID: "key-1"},
		"zoe":     {Kind: principal.Admin, Tenant: "other", User: "zoe", Session: "zoe-1", Roles: []string{"admin"}},
	}}
}

func (g *guard) Authenticate(r *http.Request) (principal.Principal, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.asked++
	p, ok := g.known[r.Header.Get("X-Test-Who")]
	switch {
	case g.away:
		return p, fmt.Errorf("%w: the store does not answer", principal.ErrUnavailable)
	case !ok:
		return p, fmt.Errorf("%w: %w", principal.ErrUnauthenticated, principal.ErrSessionRevoked)
	}
	return p, nil
}

func (g *guard) Require(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p, err := g.Authenticate(r)
		if err != nil {
			http.Redirect(w, r, "/signin", http.StatusSeeOther)
			return
		}
		next.ServeHTTP(w, r.WithContext(principal.With(r.Context(), p)))
	})
}

func (g *guard) Forget(w http.ResponseWriter) { w.Header().Set("X-Test-Forgotten", "yes") }

func (g *guard) change(change func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	change()
}

func (g *guard) times() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.asked
}

// ender ends sessions in the read model at once, as the recorder and the projector
// would together, unless it is told to do less.
type ender struct {
	commands.Ender // which the screen does not ask for more

	rig *rig

	mu     sync.Mutex
	ones   []commands.EndSession
	users  []commands.EndUser
	away   error
	behind bool   // the read model does not hear of it
	after  func() // happens when it has ended something
}

func (e *ender) EndSession(ctx context.Context, c commands.EndSession) (commands.Ended, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.ones = append(e.ones, c)
	rows, _, err := e.rig.store.Session(ctx, c.Caller.Principal.Tenant, c.Session)
	if err != nil {
		return commands.Ended{}, commands.NewError(commands.ReasonNotFound, "there is no such session")
	}
	return e.end(ctx, c.Caller, c.Reasons, rows[:1])
}

func (e *ender) EndUser(ctx context.Context, c commands.EndUser) (commands.Ended, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.users = append(e.users, c)
	rows, _, err := e.rig.store.Sessions(ctx, activesessions.SessionsQuery{
		Tenant: c.Caller.Principal.Tenant, User: c.User, Now: e.rig.clock.now(),
	})
	if err != nil {
		return commands.Ended{}, err
	}
	others := slices.DeleteFunc(slices.Clone(rows), func(s activesessions.Session) bool { return s.Session == c.Except })
	if c.Except != "" && len(others) == len(rows) {
		return commands.Ended{}, commands.NewError(commands.ReasonNotFound, "the session to be kept is not active")
	}
	return e.end(ctx, c.Caller, c.Reasons, others)
}

func (e *ender) end(
	ctx context.Context, caller commands.Caller, reasons commands.Reasons, rows []activesessions.Session,
) (commands.Ended, error) {
	if e.away != nil {
		return commands.Ended{}, e.away
	}
	ended := commands.Ended{Position: e.rig.at[events.StreamSessions].Sequence}
	for _, row := range rows {
		if row.End != nil {
			continue
		}
		ended.Ended++
		ended.Sessions = append(ended.Sessions, row.Session)
		if e.behind {
			ended.Position++
			continue
		}
		ended.Position = e.rig.apply(ctx, events.StreamSessions, events.Revoked{
			Key: row.Key, EventTimestamp: events.TimestampOf(e.rig.clock.now()), Cause: events.CauseTerminate,
			InitiatingEntity: events.InitiatedByAdmin, Expires: events.TimestampOf(row.Expires), CommandID: "command",
			Actor:    events.Actor{User: caller.Principal.User, Session: caller.Principal.Session},
			Personal: events.RevokedPersonal{ReasonAdmin: reasons.Admin, ReasonUser: reasons.User},
		})
	}
	if e.after != nil {
		e.after()
	}
	return ended, nil
}

// given returns what was asked of the ender.
func (e *ender) given() (ones []commands.EndSession, users []commands.EndUser) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.ones), slices.Clone(e.users)
}

// gateways is a fleet of which the test says what it reports.
type gateways struct {
	mu       sync.Mutex
	report   fleet.Report
	known    []fleet.Gateway
	tenant   string
	position uint64
	within   time.Duration // that the last wait was bounded by
}

func (g *gateways) Wait(ctx context.Context, tenant string, position uint64) fleet.Report {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.tenant, g.position = tenant, position
	if until, ok := ctx.Deadline(); ok {
		g.within = max(0, time.Until(until))
	}
	return g.report
}

func (g *gateways) Gateways(string) []fleet.Gateway {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.known
}

// reader counts the reads of users and sessions, and fails or stalls on demand.
type reader struct {
	activesessions.Reader

	mu    sync.Mutex
	users int
	rows  int
	fails error
	stall bool          // until the request's context ends
	gate  chan struct{} // when it is there, reads of users wait for it
}

var errAway = errors.New("the database is away")

func (s *reader) Users(ctx context.Context, q activesessions.UsersQuery) (activesessions.UsersPage, error) {
	s.mu.Lock()
	s.users++
	gate := s.gate
	s.mu.Unlock()
	if gate != nil {
		<-gate
	}
	if err := s.trouble(ctx); err != nil {
		return activesessions.UsersPage{}, err
	}
	return s.Reader.Users(ctx, q)
}

func (s *reader) Sessions(ctx context.Context, q activesessions.SessionsQuery) ([]activesessions.Session, activesessions.Freshness, error) {
	s.mu.Lock()
	s.rows++
	s.mu.Unlock()
	if err := s.trouble(ctx); err != nil {
		return nil, activesessions.Freshness{}, err
	}
	return s.Reader.Sessions(ctx, q)
}

func (s *reader) Freshness(ctx context.Context) (activesessions.Freshness, error) {
	if err := s.trouble(ctx); err != nil {
		return activesessions.Freshness{}, err
	}
	return s.Reader.Freshness(ctx)
}

func (s *reader) trouble(ctx context.Context) error {
	s.mu.Lock()
	fails, stall := s.fails, s.stall
	s.mu.Unlock()
	if stall {
		<-ctx.Done()
		return ctx.Err()
	}
	return fails
}

func (s *reader) change(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

// counts returns how often users and sessions were read.
func (s *reader) counts() (users, sessions int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.users, s.rows
}

// wire is the bus: announcements arrive when the test says so.
type wire struct {
	mu     sync.Mutex
	handle func(subject string, data []byte)
}

func (w *wire) Subscribe(_ string, handle func(subject string, data []byte)) (func(), error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.handle = handle
	return func() {}, nil
}

func (w *wire) announce(c events.Changed) {
	data, err := json.Marshal(c)
	if err != nil {
		panic(err)
	}
	w.mu.Lock()
	handle := w.handle
	w.mu.Unlock()
	handle(events.ChangedSubject(c.Tenant), data)
}

// logged remembers the errors that were logged.
type logged struct {
	mu   sync.Mutex
	said []string
}

func (l *logged) Enabled(context.Context, slog.Level) bool { return true }
func (l *logged) WithAttrs([]slog.Attr) slog.Handler       { return l }
func (l *logged) WithGroup(string) slog.Handler            { return l }

func (l *logged) Handle(_ context.Context, record slog.Record) error {
	if record.Level >= slog.LevelError {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.said = append(l.said, record.Message)
	}
	return nil
}

func (l *logged) errors() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.said)
}
