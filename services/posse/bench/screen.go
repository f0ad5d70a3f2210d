package bench

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/activesessions"
	"github.com/posse-pos/posse/pkg/activesessions/pgstore"
	"github.com/posse-pos/posse/pkg/commands"
	"github.com/posse-pos/posse/pkg/device"
	"github.com/posse-pos/posse/pkg/eventlog"
	"github.com/posse-pos/posse/pkg/principal"
	"github.com/posse-pos/posse/pkg/process"
	"github.com/posse-pos/posse/services/query/changes"
	"github.com/posse-pos/posse/services/query/screen"
)

const (
	screenSessions = 5    // of each user
	screenSamples  = 1000 // of each question
)

// question is something that somebody does on the Sessions screen.
type question struct {
	name   string
	path   func(i int) string // that a browser asks for, the ith time
	target string             // element that the answer is for; "" is the page
	shows  string             // what is in every answer
}

// measureScreen asks the screen over HTTP what browsers ask, at several sizes: the
// figures of one row are to be equal.
func measureScreen(ctx context.Context, r *run) error {
	if err := r.needPostgres(); err != nil {
		return err
	}
	r.section(fmt.Sprintf("Sessions screen over HTTP, active sessions in PostgreSQL, %d of each user, %s samples",
		screenSessions, grouped(screenSamples)))
	var names, sizes []string
	latencies := map[string][]string{}
	for _, sessions := range r.Sessions {
		sizes = append(sizes, grouped(float64(sessions)))
		err := r.askScreen(ctx, sessions, func(name string, samples []time.Duration) {
			if !slices.Contains(names, name) {
				names = append(names, name)
			}
			latencies[name] = append(latencies[name], latencyOf(samples))
		})
		if err != nil {
			return err
		}
	}
	r.row("active sessions", columns(sizes), "")
	for _, name := range names {
		r.row(name, columns(latencies[name]), "p99 ≤ 50ms")
	}
	return nil
}

// columns stand below one another.
func columns(figures []string) string {
	var line strings.Builder
	for _, figure := range figures {
		fmt.Fprintf(&line, "%24s", figure)
	}
	return line.String()
}

// askScreen fills a schema with sessions and asks each question many times.
func (r *run) askScreen(ctx context.Context, sessions int, report func(name string, samples []time.Duration)) error {
	schema := fmt.Sprintf("bench_screen_%d", sessions)
	store, err := pgstore.Open(ctx, pgstore.Config{URL: r.Postgres, Schema: schema, Logger: quiet})
	if err != nil {
		return err
	}
	defer store.Close()
	if err := signEverybodyIn(ctx, store, sessions); err != nil {
		return err
	}
	handler, err := screenOf(store) //nolint:contextcheck // its requests have contexts of their own
	if err != nil {
		return err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer inBackground(ctx, process.HTTPServer{Name: "screen", Listener: listener, Handler: handler, Logger: quiet}.Serve)()
	asking := &browser{base: "http://" + listener.Addr().String()}
	defer asking.client.CloseIdleConnections()
	for _, q := range questionsOf(max(sessions/screenSessions, 1)) {
		samples, err := sampled(screenSamples, func(i int) error { return q.ask(ctx, asking, i) })
		if err != nil {
			return fmt.Errorf("%s of %d sessions: %w", q.name, sessions, err)
		}
		report(q.name, samples)
	}
	return nil
}

// screenOf is the Sessions screen of an administrator. What it would end or follow
// is not asked of it.
func screenOf(store activesessions.Reader) (http.Handler, error) {
	s, err := screen.New(screen.Config{
		Store: store, Changes: changes.NewHub(changes.Config{Store: store}), Logger: quiet,
		Ender: struct{ commands.Ender }{}, Fleet: struct{ screen.Fleet }{},
	})
	if err != nil {
		return nil, err
	}
	router := chi.NewRouter()
	s.Register(router, everyone(admin), http.NewCrossOriginProtection())
	return router, nil
}

// everyone has all requests come from a principal.
type everyone principal.Principal

func (e everyone) Require(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r.WithContext(principal.With(r.Context(), principal.Principal(e))))
	})
}

func (e everyone) Authenticate(*http.Request) (principal.Principal, error) {
	return principal.Principal(e), nil
}

func (e everyone) Forget(http.ResponseWriter) {}

// questionsOf are what people do who look for somebody.
func questionsOf(users int) []question {
	filters := keystrokes()
	rand.New(rand.NewPCG(1, 2)).Shuffle(len(filters), func(i, j int) { filters[i], filters[j] = filters[j], filters[i] })
	return []question{
		{
			name: "first page of users", shows: `data-user="`,
			path: func(int) string { return "/" },
		},
		{
			name: "keystroke in the filter", target: "div#user-list-pane", shows: `id="user-list-pane"`,
			path: func(i int) string { return "/users?" + url.Values{"q": {filters[i%len(filters)]}}.Encode() },
		},
		{
			name: "selecting a user", target: "section#sessions", shows: `data-session="`,
			path: func(i int) string { return "/?" + url.Values{"user": {history{}.user(i * 7919 % users)}}.Encode() },
		},
	}
}

// ask is as long as the answer takes.
func (q *question) ask(ctx context.Context, b *browser, i int) error {
	var header []string
	if q.target != "" {
		header = []string{"Hx-Request", "true", "Hx-Target", q.target}
	}
	answer, err := b.get(ctx, q.path(i), header...)
	if err == nil && !bytes.Contains(answer, []byte(q.shows)) {
		err = fmt.Errorf("%s is answered without %s", q.path(i), q.shows)
	}
	return err
}

// signEverybodyIn fills an empty store with active sessions, in no order. One that
// is full stays as it is.
func signEverybodyIn(ctx context.Context, store *pgstore.Store, sessions int) error {
	from, err := store.Checkpoint(ctx, events.StreamSessions)
	if err != nil || from.Sequence > 0 {
		return err
	}
	now, parsed := time.Now(), map[string]device.Device{}
	for chunk := range slices.Chunk(rand.New(rand.NewPCG(3, 4)).Perm(sessions), bareBatch) {
		batch := activesessions.Batch{Devices: parsed, From: from, To: from}
		for _, i := range chunk {
			batch.To.Sequence++
			login := personLogin(now, i/screenSessions, i)
			batch.Facts = append(batch.Facts, eventlog.Recorded{
				Envelope: login, Stream: from.Stream, Sequence: batch.To.Sequence, Time: now,
			})
			batch.To.ID = login.ID
		}
		if _, err := store.Apply(ctx, batch); err != nil {
			return err
		}
		from = batch.To
	}
	return nil
}
