package recorder_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/activesessions"
	"github.com/posse-pos/posse/pkg/activesessions/memstore"
	"github.com/posse-pos/posse/pkg/bus"
	"github.com/posse-pos/posse/pkg/commands"
	"github.com/posse-pos/posse/pkg/eventlog"
	"github.com/posse-pos/posse/pkg/eventlog/natslog"
	"github.com/posse-pos/posse/pkg/natstest"
	"github.com/posse-pos/posse/services/recorder"
)

// rig is a real NATS with a log, a read model that follows it, and the bus.
type rig struct {
	t     *testing.T
	conn  *bus.Conn
	log   *natslog.Log
	store *memstore.Store
}

func openRig(t *testing.T) *rig {
	t.Helper()
	server := natstest.Start(t)
	quiet := slog.New(slog.DiscardHandler)
	conn, err := bus.Connect(t.Context(), bus.Config{URL: server.URL(), Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	log, err := natslog.New(t.Context(), conn, natslog.Config{Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, conn: conn, log: log, store: memstore.New(memstore.Config{})}
	for _, stream := range []string{events.StreamSessions, events.StreamTouches} {
		r.background(func(ctx context.Context) error { return r.follow(ctx, stream) })
	}
	return r
}

// background runs something until the test ends.
func (r *rig) background(run func(ctx context.Context) error) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(r.t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- run(ctx) }()
	r.t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			r.t.Error(err)
		}
	})
}

func (r *rig) follow(ctx context.Context, stream string) error {
	config := eventlog.FollowConfig{Name: "test_" + stream, Stream: stream, Idle: func(ctx context.Context, end eventlog.Position) error {
		return r.store.Current(ctx, stream, time.Now())
	}}
	return r.log.Follow(ctx, config, func(ctx context.Context, batch eventlog.Batch) error {
		from, err := r.store.Checkpoint(ctx, stream)
		if err != nil {
			return err
		}
		from.Stream = stream
		_, err = r.store.Apply(ctx, activesessions.Batch{Facts: batch.Events, From: from, To: batch.End})
		return err
	})
}

// recorder starts another replica.
func (r *rig) recorder(change ...func(*recorder.Config)) *recorder.Recorder {
	r.t.Helper()
	config := recorder.Config{Log: r.log, Reader: r.store, Bus: r.conn}
	for _, c := range change {
		c(&config)
	}
	made, err := recorder.New(config)
	if err != nil {
		r.t.Fatal(err)
	}
	r.background(made.Run)
	return made
}

// client asks the recorders once one of them answers.
func (r *rig) client() *commands.Client {
	r.t.Helper()
	client := commands.NewClient(r.conn, 0)
	deadline := time.Now().Add(10 * time.Second)
	for {
		_, err := client.EndSession(r.t.Context(), commands.EndSession{Caller: admin(), Session: "none"})
		if commands.AsError(err).Reason == commands.ReasonNotFound {
			return client
		}
		if time.Now().After(deadline) {
			r.t.Fatalf("no recorder answers: %v", err)
		}
	}
}

func TestOverNATS(t *testing.T) {
	t.Parallel()
	r := openRig(t)
	at := &clock{at: time.Now().UTC()}
	r.recorder(minting(t, at))
	client := r.client()
	first, err := client.Login(t.Context(), commands.Login{Caller: backend(), User: "ada", Session: "till"})
	if err != nil || first.Tokens == nil {
		t.Fatalf("%+v, %v", first, err)
	}
	renewed, err := client.Refresh(t.Context(), commands.Refresh{Token: first.Tokens.Refresh})
	if err != nil || renewed.Generation != 1 {
		t.Fatalf("%+v, %v", renewed, err)
	}
	recorded, err := client.RecordRefresh(t.Context(), commands.RecordRefresh{Caller: backend(), User: "ada", Session: "till"})
	if err != nil || recorded.Generation != 2 {
		t.Fatalf("%+v, %v", recorded, err)
	}
	touch := commands.Touches{Caller: backend(), Touches: []commands.Touch{{User: "ada", Session: "till"}}}
	if err := client.Touch(t.Context(), touch); err != nil {
		t.Fatal(err)
	}
	ended, err := client.EndSession(t.Context(), commands.EndSession{Caller: admin(), Session: "till"})
	if err != nil || ended.Ended != 1 {
		t.Fatalf("%+v, %v", ended, err)
	}
	_, err = client.Refresh(t.Context(), commands.Refresh{Token: renewed.Tokens.Refresh})
	wantError(t, err, commands.ErrSessionEnded)
	_, err = client.Login(t.Context(), commands.Login{Caller: backend(), User: strings.Repeat("x", 200)})
	wantError(t, err, commands.ErrInvalid)
	if e := commands.AsError(err); len(e.Fields) != 1 || e.Fields[0].Name != "user" {
		t.Errorf("the field did not travel: %+v", e)
	}
}

func TestAnswersOutliveTheRecorder(t *testing.T) {
	t.Parallel()
	r := openRig(t)
	one, two := r.recorder(), r.recorder()
	for _, id := range []string{"a", "b"} {
		if _, err := one.Login(t.Context(), commands.Login{Caller: backend(), User: "ada", Session: id}); err != nil {
			t.Fatal(err)
		}
	}
	c := commands.EndUser{Caller: admin("key"), User: "ada", Except: "b"}
	first, err := one.EndUser(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	// The kept session ends: only what was stored knows the first answer in full.
	if _, err := one.EndUser(t.Context(), commands.EndUser{Caller: admin(), User: "ada"}); err != nil {
		t.Fatal(err)
	}
	again, err := two.EndUser(t.Context(), c)
	if diff := cmp.Diff(first, again); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
	c.Except = ""
	_, err = two.EndUser(t.Context(), c)
	wantError(t, err, commands.ErrIdempotencyReused)
	// Nothing was ended: the facts do not know this answer, the bucket does.
	none := commands.EndUser{Caller: admin("none"), User: "ada"}
	if first, err = one.EndUser(t.Context(), none); err != nil || first.Ended != 0 {
		t.Fatalf("%+v, %v", first, err)
	}
	if _, err := one.Login(t.Context(), commands.Login{Caller: backend(), User: "ada", Session: "c"}); err != nil {
		t.Fatal(err)
	}
	if again, err = two.EndUser(t.Context(), none); err != nil || again.Ended != 0 || again.Position != first.Position {
		t.Errorf("%+v, %v; want %+v", again, err, first)
	}
}

func TestLogoutAllRacesLoginOverNATS(t *testing.T) {
	t.Parallel()
	r := openRig(t)
	var all sync.WaitGroup
	for writer := range 8 {
		replica := r.recorder()
		all.Go(func() {
			for i := range 15 {
				name := fmt.Sprintf("user-%d", i%2)
				var err error
				if writer%2 == 0 {
					_, err = replica.Login(t.Context(), commands.Login{Caller: backend(), User: name})
				} else {
					_, err = replica.EndUser(t.Context(), commands.EndUser{Caller: admin(), User: name})
				}
				if reason := commands.AsError(err).Reason; err != nil && reason != commands.ReasonNotFound && reason != commands.ReasonBusy {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	for i := range 2 {
		recorded, err := r.log.User(t.Context(), "shop", fmt.Sprintf("user-%d", i), 0)
		if err != nil {
			t.Fatal(err)
		}
		history := make([]events.Event, len(recorded))
		for i := range recorded {
			history[i] = recorded[i].Event
		}
		check(t, history)
	}
}

func TestRunServesHTTP(t *testing.T) {
	t.Parallel()
	r := openRig(t)
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r.background(func(ctx context.Context) error {
		return recorder.Run(ctx, recorder.Config{
			Log: r.log, Reader: r.store, Bus: r.conn, Authenticator: bearers{}, Listener: listener,
		})
	})
	for _, step := range []struct {
		method, path, body string
		want               int
	}{
		{http.MethodPost, "/v1/sessions", `{"user":"ada","session":"till"}`, http.StatusCreated},
		{http.MethodDelete, "/v1/sessions/till", "", http.StatusOK},
		{http.MethodGet, "/openapi.json", "", http.StatusOK},
	} {
		q, err := http.NewRequestWithContext(t.Context(), step.method, "http://"+listener.Addr().String()+step.path, strings.NewReader(step.body))
		if err != nil {
			t.Fatal(err)
		}
		q.Header.Set("Authorization", "Bearer backend:k1")
		answer, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(q)
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
		if answer.StatusCode != step.want {
			t.Errorf("%s %s: %d, want %d", step.method, step.path, answer.StatusCode, step.want)
		}
	}
}
