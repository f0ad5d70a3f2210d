package bench

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/activesessions"
	"github.com/posse-pos/posse/pkg/activesessions/pgstore"
	"github.com/posse-pos/posse/pkg/device"
	"github.com/posse-pos/posse/pkg/eventlog"
)

const (
	screenSessions = 5    // of each user
	screenSamples  = 1000 // of each question
	screenCounts   = 1000 // users that the screen counts at most
)

// question is something that somebody does on the Sessions screen.
type question struct {
	name string
	path func(i int) string // that a browser asks for, the ith time
	ask  func(ctx context.Context, path string) error
}

// measureScreen asks PostgreSQL what the Sessions screen asks, at several sizes:
// the figures of one row are to be equal.
func measureScreen(ctx context.Context, r *run) error {
	if r.Postgres == "" {
		return errors.New("needs the URL of a PostgreSQL database")
	}
	r.section(fmt.Sprintf("Sessions screen, active sessions in PostgreSQL, %d of each user, %s samples",
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

// latencyOf is the median and the 99th percentile.
func latencyOf(samples []time.Duration) string {
	slices.Sort(samples)
	return fmt.Sprintf("%s, p99 %s", short(percentile(samples, 50)), short(percentile(samples, 99)))
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
	for _, q := range questionsTo(store, max(sessions/screenSessions, 1)) {
		samples, err := sampled(screenSamples, func(i int) error { return q.ask(ctx, q.path(i)) })
		if err != nil {
			return fmt.Errorf("%s of %d sessions: %w", q.name, sessions, err)
		}
		report(q.name, samples)
	}
	return nil
}

// questionsTo are what people do who look for somebody.
func questionsTo(store activesessions.Reader, users int) []question {
	filters := keystrokes()
	rand.New(rand.NewPCG(1, 2)).Shuffle(len(filters), func(i, j int) { filters[i], filters[j] = filters[j], filters[i] })
	return []question{
		{"first page of users", func(int) string { return "/" }, readUsers(store)},
		{"keystroke in the filter", func(i int) string {
			return "/?" + url.Values{"q": {filters[i%len(filters)]}}.Encode()
		}, readUsers(store)},
		{"selecting a user", func(i int) string {
			return "/?" + url.Values{"user": {history{}.user(i * 7919 % users)}}.Encode()
		}, readSessions(store)},
	}
}

// readUsers reads the list that a path shows.
func readUsers(store activesessions.Reader) func(context.Context, string) error {
	return func(ctx context.Context, path string) error {
		address, err := url.Parse(path)
		if err != nil {
			return err
		}
		page, err := store.Users(ctx, activesessions.UsersQuery{
			Tenant: tenant, Filter: address.Query().Get("q"), Now: time.Now(), CountAtMost: screenCounts,
		})
		if err == nil && page.Sessions == 0 {
			err = errors.New("nobody is signed in")
		}
		return err
	}
}

// readSessions reads the sessions that a path shows.
func readSessions(store activesessions.Reader) func(context.Context, string) error {
	return func(ctx context.Context, path string) error {
		address, err := url.Parse(path)
		if err != nil {
			return err
		}
		user := address.Query().Get("user")
		sessions, _, err := store.Sessions(ctx, activesessions.SessionsQuery{Tenant: tenant, User: user, Now: time.Now()})
		if err == nil && len(sessions) == 0 {
			err = fmt.Errorf("%s is not signed in", user)
		}
		return err
	}
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
