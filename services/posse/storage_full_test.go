package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/posse-pos/posse/pkg/eventlog"
	"github.com/posse-pos/posse/pkg/natstest"
	"github.com/posse-pos/posse/services/posse/client"
)

const (
	// manySessions is how many are ended when logins are refused, at least.
	manySessions = 400
	// endTakes is how many bytes one end may take of all streams together, as
	// eventlog.Reserve and docs/operations.md have it.
	endTakes = 2 << 10

	pollEvery = 50 * time.Millisecond
)

// TestSessionsEndWhenTheStorageIsFull fills the NATS inside `posse serve` with logins
// until they are refused. Then sessions still end, gateways refuse them, and with a
// larger limit logins are taken again.
func TestSessionsEndWhenTheStorageIsFull(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	key := backendKey(t, dir)
	posse := startLimited(t, dir, "POSSE_MAX_STORAGE=70", "POSSE_STORAGE_RESERVE=69")
	shop := &fullShop{t: t, api: posse.addresses["api"], gateway: posse.addresses["api"], admin: posse.addresses["admin"], key: key}
	shop.signInUntilRefused()
	shop.endAll()
	if err := posse.end(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if log := posse.log.String(); !strings.Contains(log, "logins are refused") {
		t.Errorf("the log does not say that logins are refused:\n%s", log)
	}
	posse = startLimited(t, dir, "POSSE_MAX_STORAGE=140", "POSSE_STORAGE_RESERVE=69")
	shop.api = posse.addresses["api"]
	shop.signInAgain()
}

// TestSessionsEndWhenNATSIsFull does the same with the configuration of NATS that is
// shipped and a process for each role, of which only NATS starts anew with more room.
func TestSessionsEndWhenNATSIsFull(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	key := backendKey(t, dir)
	posse, ok := newProcesses(t).(*processes)
	if !ok {
		t.Fatal("newProcesses makes something else")
	}
	const unlimited = "store_dir: /data"
	posse.natsPort = natstest.FreePort(t)
	posse.settings = []string{"POSSE_STORAGE_RESERVE=69"}
	posse.edit = []string{unlimited, unlimited + "\n  max_file_store: 70MB"}
	t.Cleanup(func() { _ = posse.end(syscall.SIGKILL) })
	addresses, err := posse.start(dir)
	if err != nil {
		t.Fatal(err)
	}
	shop := &fullShop{t: t, api: addresses["RECORDER"], gateway: addresses["GATEWAY"], admin: addresses["RECORDER_ADMIN"], key: key}
	shop.signInUntilRefused()
	shop.endAll()

	roles := posse.running[1:]
	if err := posse.running[0].end(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	posse.edit[1] = unlimited + "\n  max_file_store: 140MB"
	if _, err := posse.startNATS(dir); err != nil {
		t.Fatal(err)
	}
	posse.running = append(posse.running, roles...)
	shop.signInAgain()
	if err := posse.end(syscall.SIGINT); err != nil {
		t.Error(err)
	}
}

// TestSessionsEndWhenOthersFillTheDisk has something else write to the file system of
// `posse serve`, a small one, until less is left than the reserve; and then delete it.
func TestSessionsEndWhenOthersFillTheDisk(t *testing.T) {
	t.Parallel()
	if err := exec.CommandContext(t.Context(), "unshare", "--map-root-user", "--mount", "true").Run(); err != nil {
		t.Logf("this machine makes no namespace to mount a small file system in (%v); TestSessionsEndWhenTheStorageIsFull "+
			"holds the same with a limit", err)
		return
	}
	dir := t.TempDir()
	key := backendKey(t, dir)
	data := filepath.Join(dir, "data")
	if err := os.Mkdir(data, 0o700); err != nil {
		t.Fatal(err)
	}
	const mounting = `mount -t tmpfs -o size=120m posse "$POSSE_DATA" && exec posse serve`
	posse := startWith(t, dir, append(limits(dir), "POSSE_DATA="+data),
		"unshare", "--map-root-user", "--mount", "sh", "-c", mounting)
	shop := &fullShop{t: t, api: posse.addresses["api"], gateway: posse.addresses["api"], admin: posse.addresses["admin"], key: key}
	shop.signIn(manySessions)

	// The file system is seen through the process that it is mounted for.
	seen := fmt.Sprintf("/proc/%d/root%s", posse.cmd.Process.Pid, data)
	var stat syscall.Statfs_t
	if err := syscall.Statfs(seen, &stat); err != nil {
		t.Fatal(err)
	}
	others := filepath.Join(seen, "others")
	fill := int(stat.Bavail)*int(stat.Bsize) - eventlog.Reserve*3/4
	if err := os.WriteFile(others, make([]byte, fill), 0o600); err != nil {
		t.Fatal(err)
	}
	shop.signInUntilRefused()
	shop.endAll()
	if err := os.Remove(others); err != nil {
		t.Fatal(err)
	}
	shop.signInAgain()
	if err := posse.end(syscall.SIGINT); err != nil {
		t.Error(err)
	}
}

func backendKey(t *testing.T, dir string) string {
	t.Helper()
	key, err := exec.CommandContext(t.Context(), "posse", "keys", "create", "--keys", filepath.Join(dir, "keys")).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(key))
}

// limited is a `posse serve` and where it listens.
type limited struct {
	*child

	addresses map[string]string
}

func limits(dir string, more ...string) []string {
	env := append(slices.Clone(anyPort), "POSSE_DATA="+dir, "POSSE_KEYS="+filepath.Join(dir, "keys"), "POSSE_STALE_POLICY=fail_closed")
	return append(env, more...)
}

func startLimited(t *testing.T, dir string, more ...string) limited {
	t.Helper()
	return startWith(t, dir, limits(dir, more...), "posse", "serve")
}

func startWith(t *testing.T, dir string, env []string, program string, args ...string) limited {
	t.Helper()
	c, addresses, err := spawn(dir, "serve", program, args, env)
	if c != nil {
		t.Cleanup(func() { _ = c.end(syscall.SIGKILL) })
	}
	if err != nil {
		t.Fatal(err)
	}
	return limited{c, addresses}
}

// fullShop signs people in on a posse whose storage fills up.
type fullShop struct {
	t                        *testing.T
	api, gateway, admin, key string

	mu       sync.Mutex
	signedIn []client.Grant
}

func (s *fullShop) backend() *client.Client {
	s.t.Helper()
	return s.client(s.api, s.key)
}

func (s *fullShop) client(base, bearer string) *client.Client {
	s.t.Helper()
	c, err := client.New(base, bearer)
	if err != nil {
		s.t.Fatal(err)
	}
	return c
}

// together calls do with numbers from 0 on, on several goroutines, until it says that
// it was enough.
func together(do func(n int) (more bool)) {
	var next atomic.Int64
	var people sync.WaitGroup
	for range 8 {
		people.Go(func() {
			for do(int(next.Add(1) - 1)) {
			}
		})
	}
	people.Wait()
}

// login signs somebody in whom nobody else is.
func (s *fullShop) login(backend *client.Client, n int) error {
	grant, err := backend.Login(s.t.Context(), client.Login{
		User: fmt.Sprintf("user-%d", n), Platform: "android", AppVersion: "1.9.6",
		Personal: client.Personal{
			Username: fmt.Sprintf("user-%d", n), DisplayName: "Somebody Who Has A Name", DeviceLabel: "Till by the window",
			UserAgent: "Mozilla/5.0 (Linux; Android 14; SM-X200) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
			IP:        "192.0.2.7",
		},
	})
	if err == nil {
		s.mu.Lock()
		s.signedIn = append(s.signedIn, grant)
		s.mu.Unlock()
	}
	return err
}

func (s *fullShop) signIn(many int) {
	s.t.Helper()
	backend := s.backend()
	together(func(n int) bool {
		if n >= many {
			return false
		}
		if err := s.login(backend, n); err != nil {
			s.t.Errorf("login %d: %v", n, err)
		}
		return true
	})
	if s.t.Failed() {
		s.t.FailNow()
	}
}

// signInUntilRefused signs people in until posse has no room for more, and sees what
// it says then.
func (s *fullShop) signInUntilRefused() {
	s.t.Helper()
	backend, first := s.backend(), len(s.signedIn)
	together(func(n int) bool {
		err := s.login(backend, first+n)
		if problem, ok := errors.AsType[*client.Problem](err); ok && problem.Reason == "storage_full" {
			if problem.Status != http.StatusInsufficientStorage || !strings.Contains(problem.Detail, "kept for ending sessions") {
				s.t.Errorf("a login is refused with %+v", problem)
			}
			return false
		}
		if err != nil {
			s.t.Errorf("login %d: %v", n, err)
		}
		return err == nil
	})
	if len(s.signedIn) < manySessions {
		s.t.Fatalf("%d sessions are open when logins are refused, want %d", len(s.signedIn), manySessions)
	}
	// Who is signed in goes on.
	if _, err := backend.Refresh(s.t.Context(), s.signedIn[0], nil); err != nil {
		s.t.Errorf("a refresh while logins are refused: %v", err)
	}
}

// endAll ends all sessions, and sees that the gateway refuses them.
func (s *fullShop) endAll() {
	s.t.Helper()
	if s.t.Failed() {
		s.t.FailNow()
	}
	backend, before := s.backend(), s.left()
	together(func(n int) bool {
		if n >= len(s.signedIn) {
			return false
		}
		if err := s.end(backend, s.signedIn[n].Session); err != nil {
			s.t.Errorf("end of session %d of %d: %v", n, len(s.signedIn), err)
		}
		return true
	})
	if s.t.Failed() {
		s.t.FailNow()
	}
	takes := (before - s.left()) / float64(len(s.signedIn))
	s.t.Logf("%d sessions ended, each takes %.0f bytes", len(s.signedIn), takes)
	if takes > endTakes {
		s.t.Errorf("an end takes %.0f bytes, and eventlog.Reserve counts with %d", takes, endTakes)
	}
	s.refused()
}

// end ends a session. Where machines are slow the read model may not show it yet: then
// it is asked for again, as the answer says.
func (s *fullShop) end(backend *client.Client, session string) error {
	poll := time.NewTicker(pollEvery)
	defer poll.Stop()
	for deadline := time.Now().Add(patience); ; <-poll.C {
		ended, err := backend.End(s.t.Context(), client.End{Session: session, ReasonAdmin: "The till was lost."})
		problem, ok := errors.AsType[*client.Problem](err)
		switch {
		case ok && problem.Reason == "behind" && time.Now().Before(deadline):
		case err == nil && ended.Ended != 1:
			return fmt.Errorf("%d sessions ended", ended.Ended)
		default:
			return err
		}
	}
}

// refused waits until the gateway has heard of everything, and sees that it lets in
// nobody who was signed out.
func (s *fullShop) refused() {
	s.t.Helper()
	together(func(n int) bool {
		if n >= len(s.signedIn) {
			return false
		}
		poll := time.NewTicker(pollEvery)
		defer poll.Stop()
		for deadline := time.Now().Add(patience); ; <-poll.C {
			question := client.Request{Method: http.MethodGet, Path: "/authz/forward-auth"}
			err := s.client(s.gateway, s.signedIn[n].Access).Do(s.t.Context(), question, nil)
			problem, ok := errors.AsType[*client.Problem](err)
			if ok && problem.Reason == "session_revoked" {
				return true
			}
			if time.Now().After(deadline) {
				s.t.Errorf("the gateway answers an ended session %d with %v", n, err)
				return false
			}
		}
	})
}

// signInAgain waits until logins are taken.
func (s *fullShop) signInAgain() {
	s.t.Helper()
	backend, first := s.backend(), len(s.signedIn)
	poll := time.NewTicker(pollEvery)
	defer poll.Stop()
	for deadline := time.Now().Add(patience); ; <-poll.C {
		err := s.login(backend, first)
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("with room again, a login is answered %v", err)
		}
	}
}

var leftMetric = regexp.MustCompile(`(?m)^posse_recorder_storage_left_bytes (\S+)$`)

// left is the metric for the room that is left, once it moves no more than ticks move
// it: it is renewed every second.
func (s *fullShop) left() float64 {
	s.t.Helper()
	last := s.readLeft()
	poll := time.NewTicker(pollEvery)
	defer poll.Stop()
	for same := 0; same < 60; <-poll.C {
		now := s.readLeft()
		if last-now < 1<<10 && now-last < 1<<10 {
			same++
			continue
		}
		last, same = now, 0
	}
	return last
}

func (s *fullShop) readLeft() float64 {
	s.t.Helper()
	request, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, s.admin+"/metrics", http.NoBody)
	if err != nil {
		s.t.Fatal(err)
	}
	response, err := (&http.Client{Timeout: patience}).Do(request)
	if err != nil {
		s.t.Fatal(err)
	}
	defer response.Body.Close()
	metrics, err := io.ReadAll(response.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	match := leftMetric.FindSubmatch(metrics)
	if match == nil {
		s.t.Fatal("there is no metric for the room that is left")
	}
	value, err := strconv.ParseFloat(string(match[1]), 64)
	if err != nil {
		s.t.Fatal(err)
	}
	return value
}
