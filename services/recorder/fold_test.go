package recorder_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/posse-pos/posse/pkg/activesessions"
	"github.com/posse-pos/posse/pkg/commands"
	"github.com/posse-pos/posse/services/recorder"
)

// away is a read model that does not answer.
type away struct{ activesessions.Reader }

var errAway = errors.New("the database is away")

func (away) History(context.Context, string, string, time.Time) ([]activesessions.Session, activesessions.Freshness, error) {
	return nil, activesessions.Freshness{}, errAway
}

func (away) Session(context.Context, string, string) ([]activesessions.Session, activesessions.Freshness, error) {
	return nil, activesessions.Freshness{}, errAway
}

func TestWithoutItsReadModelTheRecorderReadsTheLog(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.signIn("ada", "till", "phone")
	r := s.another(func(c *recorder.Config) { c.Reader = away{} })
	if _, err := r.Login(t.Context(), commands.Login{Caller: backend(), User: "ada", Session: "tablet"}); err != nil {
		t.Error(err)
	}
	_, err := r.Login(t.Context(), commands.Login{Caller: backend(), User: "ada", Session: "till", Platform: "ios"})
	wantError(t, err, commands.ErrSessionExists)
	if _, err := r.Login(t.Context(), commands.Login{Caller: backend(), User: "ada"}); err != nil {
		t.Error(err)
	}
	_, err = r.EndSession(t.Context(), commands.EndSession{Caller: admin(), Session: "till"})
	wantError(t, err, commands.ErrUnavailable)
	ended, err := r.EndUser(t.Context(), commands.EndUser{Caller: admin(), User: "ada"})
	if err != nil || ended.Ended != 4 {
		t.Errorf("%+v, %v", ended, err)
	}
}

func TestAReadModelOfAnotherLogIsNotDecidedOn(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.signIn("ada", "till")
	r := s.another(func(c *recorder.Config) { c.Log = newMemlog(s.clock.now) })
	wantError(t, r.Run(t.Context()), recorder.ErrReadModelAhead)
}

// The rows show a session as expired that was refreshed since; what follows
// them in the log gives it away.
func TestARefreshThatTheRowsHaveNotSeenKeepsItsSession(t *testing.T) {
	t.Parallel()
	s := open(t)
	if _, err := s.Login(t.Context(), commands.Login{Caller: backend(), User: "ada", Session: "till", Expires: nine.Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	s.log.hold()
	longer := commands.RecordRefresh{Caller: backend(), User: "ada", Session: "till", Expires: nine.Add(3 * time.Hour)}
	if _, err := s.RecordRefresh(t.Context(), longer); err != nil {
		t.Fatal(err)
	}
	s.clock.forward(2 * time.Hour)
	ended, err := s.another().EndUser(t.Context(), commands.EndUser{Caller: admin(), User: "ada"})
	if err != nil || ended.Ended != 1 {
		t.Errorf("%+v, %v", ended, err)
	}
}
