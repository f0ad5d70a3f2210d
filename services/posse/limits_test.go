package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/posse-pos/posse/services/posse/client"
)

const (
	gigabyte = 1 << 30
	// taken is how much of it a server may take: the largest body that anything
	// reads here, and what the kernel holds between the two.
	taken = 64 << 20
)

// strangers are clients of every listener of an installation.
type strangers struct {
	addresses map[string]string // host:port by name
	admins    []string          // the names of those for operators
	backend   *client.Client
	key       string
}

// openEverything starts a posse that listens wherever it can.
func openEverything(t *testing.T, env ...string) *strangers {
	t.Helper()
	dir := t.TempDir()
	key, err := exec.CommandContext(t.Context(), "posse", "keys", "create", "--keys", filepath.Join(dir, "keys")).Output()
	if err != nil {
		t.Fatal(err)
	}
	upstream := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }))
	t.Cleanup(upstream.Close)
	env = append(append(slices.Clone(anyPort), "POSSE_DATA="+dir, "POSSE_KEYS="+filepath.Join(dir, "keys"), "POSSE_STALE_POLICY=fail_closed",
		"POSSE_UPSTREAM="+upstream.URL, "POSSE_PROXY_LISTEN=127.0.0.1:0", "POSSE_EXT_AUTHZ_LISTEN=127.0.0.1:0"), env...)
	posse, addresses, err := spawn(dir, "serve", "posse", []string{"serve"}, env)
	if posse != nil {
		t.Cleanup(func() { _ = posse.end(syscall.SIGKILL) })
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"api", "proxy", "ext_authz", "admin"} {
		if addresses[name] == "" {
			t.Fatalf("posse does not listen as %s: %v", name, addresses)
		}
	}
	return meet(t, addresses, strings.TrimSpace(string(key)), addresses["api"], "admin")
}

// openRoles starts a process for each role.
func openRoles(t *testing.T) *strangers {
	t.Helper()
	dir, p := t.TempDir(), newProcesses(t)
	key, err := exec.CommandContext(t.Context(), "posse", "keys", "create", "--keys", filepath.Join(dir, "keys")).Output()
	if err != nil {
		t.Fatal(err)
	}
	variables, err := p.start(dir)
	t.Cleanup(func() { _ = p.end(syscall.SIGKILL) })
	if err != nil {
		t.Fatal(err)
	}
	addresses, admins := map[string]string{}, []string{}
	for name, address := range variables {
		if strings.HasPrefix(address, "http://") {
			addresses[name] = address
		}
		if strings.HasSuffix(name, "_ADMIN") {
			admins = append(admins, name)
		}
	}
	return meet(t, addresses, strings.TrimSpace(string(key)), variables["RECORDER"], admins...)
}

func meet(t *testing.T, addresses map[string]string, key, recorder string, admins ...string) *strangers {
	t.Helper()
	backend, err := client.New(recorder, key)
	if err != nil {
		t.Fatal(err)
	}
	s := &strangers{addresses: map[string]string{}, admins: admins, backend: backend, key: key}
	for name, address := range addresses {
		_, s.addresses[name], _ = strings.Cut(address, "://")
	}
	return s
}

func (s *strangers) dial(t *testing.T, name string) *net.TCPConn {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", s.addresses[name])
	if err != nil {
		t.Fatal(err)
	}
	tcp, _ := conn.(*net.TCPConn)
	_ = tcp.SetLinger(0) // thousands of these leave no ports behind that wait
	t.Cleanup(func() { _ = tcp.Close() })
	return tcp
}

// get asks for a page on a connection of its own.
func (s *strangers) get(t *testing.T, name, path string) int {
	t.Helper()
	conn := s.dial(t, name)
	defer conn.Close()
	_, _ = fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", path)
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Errorf("%s%s is not answered: %v", name, path, err)
		return 0
	}
	_ = response.Body.Close()
	return response.StatusCode
}

// works holds posse to serving everybody else.
func (s *strangers) works(t *testing.T) {
	t.Helper()
	for _, name := range s.admins {
		if status := s.get(t, name, "/livez"); status != http.StatusOK {
			t.Errorf("/livez of %s is answered %d", name, status)
		}
	}
	if _, err := s.backend.Login(t.Context(), client.Login{User: "ann"}); err != nil {
		t.Errorf("signing in: %v", err)
	}
}

// cutOff waits until a connection was closed by the other end.
func cutOff(t *testing.T, conn net.Conn) {
	t.Helper()
	if _, err := io.Copy(io.Discard, conn); err != nil && !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("connection was not closed: %v", err)
	}
}

// TestEveryListenerIsBounded has strangers be slow and endless at every address of
// every process.
func TestEveryListenerIsBounded(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func(*testing.T) *strangers{
		"serve": func(t *testing.T) *strangers { t.Helper(); return openEverything(t, "POSSE_MAX_BODY=1048576") },
		"roles": openRoles,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := open(t)
			var all sync.WaitGroup
			for _, listener := range slices.Sorted(maps.Keys(s.addresses)) {
				all.Go(func() { s.dribbles(t, listener) })
				if listener != "ext_authz" {
					all.Go(func() { s.sendsAGigabyte(t, listener) })
				}
			}
			all.Wait()
			s.works(t)
		})
	}
}

// dribbles sends the beginning of a request byte by byte.
func (s *strangers) dribbles(t *testing.T, listener string) {
	t.Helper()
	conn := s.dial(t, listener)
	go func() {
		_, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\nX: ")
		for err == nil {
			<-time.After(10 * time.Millisecond)
			_, err = io.WriteString(conn, "x")
		}
	}()
	cutOff(t, conn)
}

// sendsAGigabyte sends bodies that are too large, of known and of unknown length,
// wherever something reads one and where nothing does.
func (s *strangers) sendsAGigabyte(t *testing.T, listener string) {
	t.Helper()
	grant, err := s.backend.Login(t.Context(), client.Login{User: "bob"})
	if err != nil {
		t.Error(err)
		return
	}
	for _, path := range []string{
		"/v1/sessions", "/v1/touches", "/v1/token", "/v1/introspect", "/v1/revoke", "/v1/sessions/x/refresh",
		"/sign-in", "/end", "/wp-json/wcpos/v1/auth/refresh", "/authz/forward-auth", "/metrics", "/nowhere",
	} {
		for _, token := range []string{s.key, grant.Access} {
			for _, length := range []string{fmt.Sprintf("Content-Length: %d", gigabyte), "Transfer-Encoding: chunked"} {
				status, sent := s.pours(t, listener, path, token, length)
				if status < 200 || status >= 500 || sent > taken {
					t.Errorf("%s%s with %s is answered %d, and %d MiB were taken", listener, path, length, status, sent>>20)
				}
				reads := path == "/v1/sessions" || path == "/v1/touches" || path == "/v1/introspect"
				if reads && listener == "api" && token == s.key && status != http.StatusRequestEntityTooLarge {
					t.Errorf("%s%s with %s is answered %d, want 413", listener, path, length, status)
				}
			}
		}
	}
}

// pours sends a body until it is answered, and returns what was taken of it.
func (s *strangers) pours(t *testing.T, listener, path, token, header string) (status, sent int) {
	t.Helper()
	conn := s.dial(t, listener)
	defer conn.Close()
	kind := "application/json"
	if path == "/v1/token" || path == "/v1/introspect" || path == "/v1/revoke" || path == "/sign-in" {
		kind = "application/x-www-form-urlencoded"
	}
	_, _ = fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: %s\r\n%s\r\n\r\n", path, token, kind, header)
	poured := make(chan int)
	go func() {
		const size = 64 << 10
		piece := strings.Repeat("x", size)
		if strings.Contains(header, "chunked") {
			piece = fmt.Sprintf("%x\r\n%s\r\n", size, piece)
		}
		total := 0
		for total < gigabyte {
			n, err := io.WriteString(conn, piece)
			if total += n; err != nil {
				break
			}
		}
		poured <- total
	}()
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Errorf("%s%s is not answered: %v", listener, path, err)
	} else {
		status = response.StatusCode
		_ = response.Body.Close()
	}
	_ = conn.Close()
	return status, <-poured
}

// TestGigabytesAreNotKept sends many large bodies at once, and looks at the memory.
func TestGigabytesAreNotKept(t *testing.T) {
	t.Parallel()
	s := openEverything(t)
	before := s.memory(t)
	grant, err := s.backend.Login(t.Context(), client.Login{User: "ann"})
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() { s.pours(t, "api", "/v1/touches", s.key, "Transfer-Encoding: chunked") })
		all.Go(func() { s.pours(t, "proxy", "/files", grant.Access, "Transfer-Encoding: chunked") })
	}
	all.Wait()
	if after := s.memory(t); after > before+256<<20 {
		t.Errorf("32 bodies of a gigabyte took posse from %d to %d MiB", before>>20, after>>20)
	}
	s.works(t)
}

var residentMemory = regexp.MustCompile(`(?m)^process_resident_memory_bytes (\S+)$`)

// memory is how much the process has, in bytes.
func (s *strangers) memory(t *testing.T) int {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+s.addresses["admin"]+"/metrics", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	metrics, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	found := residentMemory.FindSubmatch(metrics)
	if found == nil {
		t.Fatal("the metrics do not say how much memory posse has")
	}
	bytes, err := strconv.ParseFloat(string(found[1]), 64)
	if err != nil {
		t.Fatal(err)
	}
	return int(bytes)
}

// TestTenThousandIdleConnections opens as many connections, or half as many as it may,
// and uses none of them.
func TestTenThousandIdleConnections(t *testing.T) {
	t.Parallel()
	var files syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err != nil {
		t.Fatal(err)
	}
	many := min(10_000, int(files.Cur)/2) // the tests beside this one open files too
	s := openEverything(t)
	for range many {
		s.dial(t, "api")
	}
	s.works(t)
}

// TestAFullListenerLeavesTheAdministratorsTheirs fills an address with requests that
// are under way.
func TestAFullListenerLeavesTheAdministratorsTheirs(t *testing.T) {
	t.Parallel()
	const most = 8
	s := openEverything(t, fmt.Sprintf("POSSE_MAX_CONNECTIONS=%d", most))
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var busy []net.Conn
	for range most {
		conn := s.dial(t, "api")
		// The server asks for the body, which never comes, once a handler reads it.
		_, _ = fmt.Fprintf(conn, "POST /v1/touches HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: 10\r\n"+
			"Expect: 100-continue\r\n\r\n", s.key)
		if line, err := bufio.NewReader(conn).ReadString('\n'); err != nil || !strings.HasPrefix(line, "HTTP/1.1 100 ") {
			t.Fatalf("the server says %q, %v", line, err)
		}
		busy = append(busy, conn)
	}
	cutOff(t, s.dial(t, "api"))
	if status := s.get(t, "admin", "/livez"); status != http.StatusOK {
		t.Errorf("/livez is answered %d", status)
	}
	if status := s.get(t, "proxy", "/"); status != http.StatusUnauthorized {
		t.Errorf("the proxy, an address of its own, answers %d", status)
	}
	for _, conn := range busy {
		_ = conn.Close()
	}
	for {
		if _, err := s.backend.Login(ctx, client.Login{User: "ann"}); err == nil {
			return
		}
		if ctx.Err() != nil {
			t.Fatal("nobody can sign in once there is room again")
		}
	}
}
