package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/bus"
	"github.com/posse-pos/posse/pkg/eventlog"
	"github.com/posse-pos/posse/pkg/eventlog/natslog"
	"github.com/posse-pos/posse/pkg/pgtest"
	"github.com/posse-pos/posse/services/posse/client"
	"github.com/posse-pos/posse/services/posse/embedded"
)

// What `make release-data` gives the test that records.
var (
	recordRelease = flag.String("record-release", "", "name of the release to record in testdata/releases")
	releasedPosse = flag.String("posse", "posse", "the release's program")
)

const releasesDir = "testdata/releases"

// released is what a release knew when it was recorded: expected.json.
type released struct {
	// UpdateStreams says that the release's streams have to be changed once, with
	// --update-streams, as the changelog says.
	UpdateStreams bool   `json:"update_streams"`
	BackendKey    string `json:"backend_key"`
	// Sessions are those of each user that were active, and Ended why others ended,
	// by their ids.
	Sessions map[string][]string          `json:"sessions"`
	Ended    map[string]map[string]string `json:"ended"`
	// Access are access tokens by session, and Refresh a token to redeem of one that
	// is active.
	Access  map[string]string `json:"access"`
	Refresh client.Grant      `json:"refresh"`
	// Facts are the types of POS_SESSIONS, and Wire is the SHA-256 over all of what lies
	// there: subjects, headers and bodies.
	Facts []string `json:"facts"`
	Wire  string   `json:"wire"`
}

// environmentOfRelease lets what is recorded be good for ten years, the longest that
// posse knows.
func environmentOfRelease(t *testing.T, dir string, more ...string) []string {
	t.Helper()
	policies := filepath.Join(t.TempDir(), "policies.json")
	if err := os.WriteFile(policies, []byte(`{"default": {"absolute_lifetime": "87600h"}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	return limits(dir, append(more, "POSSE_POLICIES="+policies, "POSSE_ACCESS_LIFETIME=87600h", "POSSE_RETENTION=36500d")...)
}

// TestReleasesStart starts this posse on the data directory of every release, in memory
// and with the release's database, and sees that all is there and goes on.
func TestReleasesStart(t *testing.T) {
	t.Parallel()
	folders, err := filepath.Glob(filepath.Join(releasesDir, "*", "expected.json"))
	if err != nil || len(folders) < 2 {
		t.Fatalf("%s has %d releases, %v; want two at least", releasesDir, len(folders), err)
	}
	for _, file := range folders {
		folder := filepath.Dir(file)
		for _, store := range []string{"memory", "postgres"} {
			t.Run(filepath.Base(folder)+"/"+store, func(t *testing.T) {
				t.Parallel()
				dir := filepath.Join(t.TempDir(), "data")
				unpack(t, filepath.Join(folder, "data.tar.gz"), dir)
				want := readReleased(t, file)
				holdWire(t, dir, want)
				env := environmentOfRelease(t, dir, fmt.Sprintf("POSSE_UPDATE_STREAMS=%t", want.UpdateStreams))
				if store == "postgres" {
					env = append(env, "POSSE_POSTGRES="+restored(t, filepath.Join(folder, "postgres.sql.gz")))
				}
				holdRelease(t, dir, env, want)
			})
		}
	}
}

// holdRelease starts posse and compares what it knows with what the release knew.
func holdRelease(t *testing.T, dir string, env []string, want released) {
	t.Helper()
	posse := startWith(t, dir, env, "posse", "serve")
	shop := &fullShop{t: t, api: posse.addresses["api"], key: want.BackendKey}
	shop.awaitKnown(func(active map[string][]string, ended map[string]map[string]string) string {
		return cmp.Diff(want.Sessions, active) + cmp.Diff(want.Ended, ended)
	})
	for _, ended := range want.Ended {
		for session := range ended {
			if problem := shop.forwardAuth(want.Access[session]); problem == nil || problem.Reason != "session_revoked" {
				t.Errorf("the gateway lets the ended session %s in: %v", session, problem)
			}
		}
	}
	if problem := shop.forwardAuth(want.Access[want.Refresh.Session]); problem != nil {
		t.Errorf("the access token of an active session: %v", problem)
	}
	renewed, err := shop.backend().Refresh(t.Context(), want.Refresh, nil)
	if err != nil {
		t.Fatalf("the refresh token of an active session: %v", err)
	}
	if problem := shop.forwardAuth(renewed.Access); problem != nil {
		t.Errorf("what it was redeemed for: %v", problem)
	}
	if _, err := shop.backend().End(t.Context(), client.End{Session: renewed.Session, WaitGateways: true}); err != nil {
		t.Errorf("ending a session of the release: %v", err)
	}
	if problem := shop.forwardAuth(renewed.Access); problem == nil || problem.Reason != "session_revoked" {
		t.Errorf("the gateway lets in what was just ended: %v", problem)
	}
	if err := posse.end(syscall.SIGINT); err != nil {
		t.Error(err)
	}
	out, err := exec.CommandContext(t.Context(), "posse", "audit", "verify", "--data", dir, "--keys", filepath.Join(dir, "keys"),
		"--audit-dir", filepath.Join(dir, "audit"), "--checkpoints", filepath.Join(dir, "checkpoints")).CombinedOutput()
	if err != nil {
		t.Errorf("posse audit verify: %v\n%s", err, out)
	}
}

// awaitKnown asks as an administrator until what posse shows is right: until wrong
// returns "".
func (s *fullShop) awaitKnown(wrong func(active map[string][]string, ended map[string]map[string]string) string) {
	s.t.Helper()
	admin, err := s.backend().Login(s.t.Context(), client.Login{User: "root", Roles: []string{"admin"}})
	s.must(err)
	c := s.client(s.api, admin.Access)
	poll := time.NewTicker(pollEvery)
	defer poll.Stop()
	for deadline := time.Now().Add(patience); ; <-poll.C {
		diff := wrong(s.known(c))
		if diff == "" {
			return
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("it does not show what it is to show (-want +got):\n%s", diff)
		}
	}
}

// known is what posse shows of everybody but the administrator: active sessions, and
// the causes of those that ended.
func (s *fullShop) known(c *client.Client) (active map[string][]string, ended map[string]map[string]string) {
	s.t.Helper()
	active, ended = map[string][]string{}, map[string]map[string]string{}
	for _, user := range []string{"ann", "ben", "carl"} {
		active[user], ended[user] = []string{}, map[string]string{}
		sessions, _, err := c.Sessions(s.t.Context(), user, "active")
		if problem, ok := errors.AsType[*client.Problem](err); ok && problem.Status == http.StatusNotFound {
			continue // not read yet
		}
		s.must(err)
		for _, session := range sessions {
			active[user] = append(active[user], session.Session)
		}
		slices.Sort(active[user])
		sessions, _, err = c.Sessions(s.t.Context(), user, "ended")
		s.must(err)
		for _, session := range sessions {
			ended[user][session.Session] = session.Ended.Cause
		}
	}
	return active, ended
}

func (s *fullShop) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// forwardAuth asks the gateway about an access token; nil means that it lets it in.
func (s *fullShop) forwardAuth(access string) *client.Problem {
	s.t.Helper()
	err := s.client(s.api, access).Do(s.t.Context(), client.Request{Method: http.MethodGet, Path: "/authz/forward-auth"}, nil)
	problem, ok := errors.AsType[*client.Problem](err)
	if err != nil && !ok && !strings.Contains(err.Error(), "something else than posse") {
		s.t.Fatal(err)
	}
	return problem
}

// TestRecordRelease records a release when it is told to: CONTRIBUTING.md.
func TestRecordRelease(t *testing.T) {
	t.Parallel()
	if *recordRelease == "" {
		return // only `make release-data` records
	}
	dir, database := filepath.Join(t.TempDir(), "data"), pgtest.New(t)
	out, err := exec.CommandContext(t.Context(), *releasedPosse, "keys", "create", "--keys", filepath.Join(dir, "keys")).Output()
	if err != nil {
		t.Fatal(err)
	}
	want := released{BackendKey: strings.TrimSpace(string(out)), Access: map[string]string{}}
	posse := startWith(t, dir, environmentOfRelease(t, dir, "POSSE_POSTGRES="+database), *releasedPosse, "serve")
	shop := &fullShop{t: t, api: posse.addresses["api"], key: want.BackendKey}
	shop.play(&want)
	shop.awaitKnown(func(active map[string][]string, ended map[string]map[string]string) string {
		want.Sessions, want.Ended = active, ended
		if len(active["ann"]) == 2 && len(active["ben"]) == 1 && len(active["carl"]) == 0 && len(ended["ann"]) == 1 && len(ended["carl"]) == 2 {
			return ""
		}
		return fmt.Sprint(active, ended)
	})
	shop.must(posse.end(syscall.SIGINT))
	for _, file := range []string{"lock", "serve.ready"} {
		_ = os.Remove(filepath.Join(dir, file)) // they say nothing
	}

	folder := filepath.Join(releasesDir, *recordRelease)
	shop.must(os.MkdirAll(folder, 0o750))
	pack(t, dir, filepath.Join(folder, "data.tar.gz"))
	want.Facts, want.Wire = wire(t, dir)
	dump, err := exec.CommandContext(t.Context(), "pg_dump", "--inserts", "--no-owner", "--no-privileges", database).Output()
	shop.must(err)
	shop.must(os.WriteFile(filepath.Join(folder, "postgres.sql.gz"), gzipped(t, dump), 0o600))
	expected, err := json.MarshalIndent(want, "", "  ")
	shop.must(err)
	shop.must(os.WriteFile(filepath.Join(folder, "expected.json"), append(expected, '\n'), 0o600))
}

// play has a small shop do one of everything.
func (s *fullShop) play(want *released) {
	s.t.Helper()
	backend, grants := s.backend(), map[string][]client.Grant{}
	for _, user := range []string{"ann", "ann", "ann", "ben", "carl", "carl"} {
		grant, err := backend.Login(s.t.Context(), client.Login{
			User: user, Platform: "android", AppVersion: "1.9.6",
			Personal: client.Personal{
				Username: user, DisplayName: strings.ToUpper(user), DeviceLabel: "Till", UserAgent: "POS/1.9.6", IP: "192.0.2.7",
			},
		})
		s.must(err)
		want.Access[grant.Session] = grant.Access
		grants[user] = append(grants[user], grant)
		if problem := s.forwardAuth(grant.Access); problem != nil { // and so touches it
			s.t.Fatal(problem)
		}
	}
	var err error
	want.Refresh, err = backend.Refresh(s.t.Context(), grants["ben"][0], nil)
	s.must(err)
	lost := grants["ann"][0].Session
	_, err = backend.End(s.t.Context(), client.End{Session: lost, ReasonAdmin: "The till was lost.", WaitGateways: true})
	s.must(err)
	_, err = backend.End(s.t.Context(), client.End{User: "carl", WaitGateways: true})
	s.must(err)
}

// wire starts a NATS on a copy of a data directory, and returns what lies in
// POS_SESSIONS, the types of its facts and a hash over all bytes.
func wire(t *testing.T, dir string) (facts []string, hash string) {
	t.Helper()
	files := t.TempDir()
	if err := os.CopyFS(filepath.Join(files, "nats"), os.DirFS(filepath.Join(dir, "nats"))); err != nil {
		t.Fatal(err)
	}
	nats, err := embedded.Start(t.Context(), embedded.Config{Dir: files, Volatile: true, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer nats.Close()
	conn, err := bus.Connect(t.Context(), bus.Config{URL: nats.URL(), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	log, err := natslog.Open(t.Context(), conn, natslog.Config{})
	if err != nil {
		t.Fatal(err)
	}
	stored, err := log.Stored(t.Context(), events.StreamSessions, 1, 1000)
	if err != nil {
		t.Fatal(err)
	}
	return typesAndHash(t, stored)
}

func typesAndHash(t *testing.T, stored []eventlog.Stored) (facts []string, hash string) {
	t.Helper()
	sum := sha256.New()
	for _, m := range stored {
		line, err := json.Marshal([]any{m.Sequence, m.Subject, m.Header, m.Data}) // the keys of a map in order
		if err != nil {
			t.Fatal(err)
		}
		sum.Write(line)
		fact, err := events.Decode(m.Message)
		if err != nil {
			t.Fatalf("message %d does not decode: %v", m.Sequence, err)
		}
		if _, unknown := fact.Event.(events.Unknown); unknown {
			t.Errorf("message %d is unknown: %s", m.Sequence, fact.Event.EventType())
		}
		facts = append(facts, string(fact.Event.EventType()))
	}
	return facts, hex.EncodeToString(sum.Sum(nil))
}

func holdWire(t *testing.T, dir string, want released) {
	t.Helper()
	facts, hash := wire(t, dir)
	if !slices.Equal(facts, want.Facts) || hash != want.Wire {
		t.Errorf("the log has %v and the hash %s, want %v and %s", facts, hash, want.Facts, want.Wire)
	}
}

func readReleased(t *testing.T, file string) (want released) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &want); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return want
}

// notForAll are lines of pg_dump that psql alone reads, or servers of one version.
var notForAll = regexp.MustCompile(`(?m)^(\\.*|SET transaction_timeout.*)$`)

// restored is a database with what a dump holds.
func restored(t *testing.T, file string) (url string) {
	t.Helper()
	dump := notForAll.ReplaceAllString(string(gunzipped(t, file)), "")
	url = pgtest.New(t)
	if err := pgtest.Execute(t.Context(), url, dump); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return url
}

func gzipped(t *testing.T, data []byte) []byte {
	t.Helper()
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, err := w.Write(data)
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return packed.Bytes()
}

func gunzipped(t *testing.T, file string) []byte {
	t.Helper()
	packed, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	r, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	data, err := io.ReadAll(r)
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return data
}

func pack(t *testing.T, dir, file string) {
	t.Helper()
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	if err := errors.Join(w.AddFS(os.DirFS(dir)), w.Close()); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, gzipped(t, archive.Bytes()), 0o600); err != nil {
		t.Fatal(err)
	}
}

func unpack(t *testing.T, file, dir string) {
	t.Helper()
	r := tar.NewReader(bytes.NewReader(gunzipped(t, file)))
	for {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		if !filepath.IsLocal(header.Name) {
			t.Fatalf("%s: %q lies elsewhere", file, header.Name)
		}
		unpackOne(t, r, header, filepath.Join(dir, header.Name))
	}
}

func unpackOne(t *testing.T, r io.Reader, header *tar.Header, path string) {
	t.Helper()
	mode := header.FileInfo().Mode()
	if mode.IsDir() {
		if err := os.MkdirAll(path, mode.Perm()|fs.FileMode(0o700)); err != nil {
			t.Fatal(err)
		}
		return
	}
	data, err := io.ReadAll(r)
	if err := errors.Join(err, os.MkdirAll(filepath.Dir(path), 0o700)); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, mode.Perm()); err != nil {
		t.Fatal(err)
	}
	_ = os.Chtimes(path, time.Time{}, header.ModTime)
}
