package reads_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/posse-pos/posse/pkg/activesessions"
	"github.com/posse-pos/posse/pkg/commands"
	"github.com/posse-pos/posse/services/query/reads"
)

// questions are all that a lens can be asked.
func questions(l *reads.Lens) map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		"users":      func(ctx context.Context) error { _, err := l.Users(ctx, reads.UsersQuery{}); return err },
		"sessions":   func(ctx context.Context) error { _, _, err := l.Sessions(ctx, "carl", false, 0); return err },
		"of several": func(ctx context.Context) error { _, _, err := l.SessionsOf(ctx, []string{"carl"}); return err },
		"session":    func(ctx context.Context) error { _, _, err := l.Session(ctx, "carl-1", ""); return err },
		"own":        func(ctx context.Context) error { _, _, err := l.Own(ctx); return err },
		"freshness":  func(ctx context.Context) error { _, err := l.Freshness(ctx); return err },
		"wait":       func(ctx context.Context) error { return l.WaitFor(ctx, 1) },
	}
}

func TestAStoreThatIsAwayIsUnavailable(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.shop()
	r.reader.fails = errors.New("password of the database is wrong")
	for name, ask := range questions(r.look(anna)) {
		before := r.logged.count()
		e := commands.AsError(ask(t.Context()))
		if e.Reason != commands.ReasonUnavailable || e.RetryAfter != 1 || e.Detail != "the read model does not answer" {
			t.Errorf("%s: the error is %+v", name, e)
		}
		if r.logged.count() != before+1 {
			t.Errorf("%s: %d lines are logged", name, r.logged.count()-before)
		}
	}
}

func TestWhoHasGoneIsNoFailure(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.shop()
	r.reader.fails = fmt.Errorf("read: %w", context.Canceled)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for name, ask := range questions(r.look(anna)) {
		if err := ask(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: the error is %v", name, err)
		}
	}
	if n := r.logged.count(); n != 0 {
		t.Errorf("%d lines are logged", n)
	}
}

func TestExistenceIsAskedOfAStoreThatGoesAway(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.shop()
	l := reads.New(&goesAway{Reader: r.store}, func() time.Time { return afternoon }, slog.New(r.logged)).LookAnyone(anna)
	if _, _, err := l.Sessions(t.Context(), "missing", false, 0); !errors.Is(err, commands.ErrUnavailable) {
		t.Errorf("the error is %v", err)
	}
}

// goesAway answers one question.
type goesAway struct {
	activesessions.Reader

	asked int
}

func (s *goesAway) Sessions(ctx context.Context, q activesessions.SessionsQuery) ([]activesessions.Session, activesessions.Freshness, error) {
	s.asked++
	if s.asked > 1 {
		return nil, activesessions.Freshness{}, errors.New("away")
	}
	return s.Reader.Sessions(ctx, q)
}

func TestAPageTokenThatIsNoneIsInvalid(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.shop()
	_, err := r.look(anna).Users(t.Context(), reads.UsersQuery{PageToken: "nonsense"})
	e := commands.AsError(err)
	if e.Reason != commands.ReasonInvalid || len(e.Fields) != 1 || e.Fields[0].Name != "query.page_token" || r.logged.count() != 0 {
		t.Errorf("the error is %+v", e)
	}
}

func TestWaitFor(t *testing.T) {
	t.Parallel()
	r := setup(t)
	if err := r.reads.WaitFor(t.Context(), 0); err != nil || r.reader.questions() != 0 {
		t.Errorf("nothing is waited for: %v", err)
	}
	r.shop()
	if err := r.reads.WaitFor(t.Context(), r.at); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	e := commands.AsError(r.reads.WaitFor(ctx, r.at+1))
	if e.Reason != commands.ReasonBehind || e.RetryAfter != 1 || r.logged.count() != 0 {
		t.Errorf("the error is %+v", e)
	}
	next := r.at + 1
	done := make(chan error, 1)
	go func() { done <- r.reads.WaitFor(t.Context(), next) }()
	r.record(login("shop", "eve", "eve-1", 0))
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestFreshness(t *testing.T) {
	t.Parallel()
	r := setup(t)
	r.shop()
	if fresh, err := r.reads.Freshness(t.Context()); err != nil || fresh.Position != r.at {
		t.Errorf("it is %+v, %v", fresh, err)
	}
}
