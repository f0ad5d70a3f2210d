package screen

import (
	"context"
	"fmt"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/sync/singleflight"

	"github.com/posse-pos/posse/pkg/activesessions"
)

const (
	// sharedFor is how old a shared read may be, for those who hear of no pulse.
	sharedFor = 2 * time.Second
	// maxShared is how many reads are kept to be shared.
	maxShared = 256
	// sharedTimeout bounds a read that nobody in particular waits for.
	sharedTimeout = 10 * time.Second
)

// sharedReads has one read serve all the screens that ask the same after the same
// pulse. An answer that was read after a pulse shows everything that the pulse
// told of, so it is as good as a read of one's own.
type sharedReads struct {
	activesessions.Reader

	live   *live
	flight singleflight.Group

	known *lru.Cache[string, sharedRead]
}

type sharedRead struct {
	answer answer
	until  time.Time
}

// Users implements activesessions.Reader.
func (s *sharedReads) Users(ctx context.Context, query activesessions.UsersQuery) (activesessions.UsersPage, error) {
	if query.PageToken != "" || !query.At.IsZero() {
		return s.Reader.Users(ctx, query)
	}
	key := fmt.Sprintf("users %q %q %d %d", query.User, query.Filter, query.PageSize, query.CountAtMost)
	read, err := shared(ctx, s, query.Tenant, key, func(ctx context.Context) (usersRead, error) {
		page, err := s.Reader.Users(ctx, query)
		return usersRead{page}, err
	})
	return read.page, err
}

type atLeastKey struct{}

// atLeast has a shared read be used only if it shows a position of POS_SESSIONS:
// what a screen has shown once must not become undone.
func atLeast(ctx context.Context, position uint64) context.Context {
	return context.WithValue(ctx, atLeastKey{}, position)
}

// sessionsRead is what Sessions returns.
type sessionsRead struct {
	rows  []activesessions.Session
	fresh activesessions.Freshness
}

func (r sessionsRead) position() uint64 { return r.fresh.Position }

// usersRead is what Users returns.
type usersRead struct{ page activesessions.UsersPage }

func (r usersRead) position() uint64 { return r.page.Position }

type answer interface{ position() uint64 }

// Sessions implements activesessions.Reader.
func (s *sharedReads) Sessions(
	ctx context.Context, query activesessions.SessionsQuery,
) ([]activesessions.Session, activesessions.Freshness, error) {
	if !query.At.IsZero() {
		return s.Reader.Sessions(ctx, query)
	}
	key := fmt.Sprintf("sessions %q %t %d", query.User, query.Ended, query.Limit)
	read, err := shared(ctx, s, query.Tenant, key, func(ctx context.Context) (sessionsRead, error) {
		rows, fresh, err := s.Reader.Sessions(ctx, query)
		return sessionsRead{rows, fresh}, err
	})
	return read.rows, read.fresh, err
}

func shared[A answer](ctx context.Context, s *sharedReads, tenant, question string, read func(context.Context) (A, error)) (A, error) {
	number, watched := s.live.pulseOf(tenant)
	if !watched {
		return read(ctx)
	}
	least, _ := ctx.Value(atLeastKey{}).(uint64)
	key := fmt.Sprintf("%q %d %s", tenant, number, question)
	if found, ok := s.find(key).(A); ok && found.position() >= least {
		return found, nil
	}
	flown, err, _ := s.flight.Do(key, func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), sharedTimeout)
		defer cancel()
		answer, err := read(ctx)
		if err == nil {
			s.keep(key, answer)
		}
		return answer, err
	})
	if found, ok := flown.(A); err != nil || ok && found.position() >= least {
		return found, err
	}
	return read(ctx)
}

// find returns a read that can be shared, nil if there is none.
func (s *sharedReads) find(key string) answer {
	read, ok := s.known.Get(key)
	if !ok || !time.Now().Before(read.until) {
		return nil
	}
	return read.answer
}

func (s *sharedReads) keep(key string, read answer) {
	s.known.Add(key, sharedRead{read, time.Now().Add(sharedFor)})
}
