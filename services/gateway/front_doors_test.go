package gateway_test

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/posse-pos/posse/events"
	sdk "github.com/posse-pos/posse/pkg/gateway"
	"github.com/posse-pos/posse/pkg/netfault"
	"github.com/posse-pos/posse/services/gateway"
)

// frontDoor is a way into a shop.
type frontDoor struct {
	// open starts what stands before the backend, with the configuration that is
	// shipped, and returns its address.
	open func(*testing.T, *shop) string
	// What it says in the place of a posse that does not answer: without a reason it
	// has no body.
	status int
	reason sdk.Reason
	// What two Authorization headers are answered with: nginx asks nobody about them.
	twice int
}

// frontDoors are the ways into a shop. `make traefik` adds Traefik, which is built
// for it.
func frontDoors() map[string]frontDoor {
	doors := map[string]frontDoor{
		"nginx": {startNginx, http.StatusServiceUnavailable, "gateway_unreachable", http.StatusBadRequest},
		"caddy": {startCaddy, http.StatusServiceUnavailable, "gateway_unreachable", http.StatusUnauthorized},
		"proxy": {open: func(_ *testing.T, s *shop) string { return s.posse }, twice: http.StatusUnauthorized},
	}
	if program := os.Getenv("POSSE_TEST_TRAEFIK"); program != "" {
		doors["traefik"] = frontDoor{func(t *testing.T, s *shop) string {
			t.Helper()
			return startTraefik(t, s, program)
		}, http.StatusInternalServerError, "", http.StatusUnauthorized}
	}
	return doors
}

// TestFrontDoors holds that a till meets the same, whatever posse runs behind.
func TestFrontDoors(t *testing.T) {
	t.Parallel()
	for name, door := range frontDoors() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShop(t, name == "proxy")
			s.door = door.open(t, s)
			other := s.door != s.posse // otherwise there is nobody left to answer
			t.Run("admits", s.admits)
			t.Run("refuses", s.refuses)
			t.Run("finds the token", func(t *testing.T) { s.findsTheToken(t, door) })
			t.Run("leaves the backend's answers alone", s.leavesAnswersAlone)
			t.Run("upgrades", s.upgrades)
			t.Run("streams a large body", s.streams)
			t.Run("HEAD", s.head)
			if other {
				t.Run("posse is silent", func(t *testing.T) { s.silent(t, door) })
			}
			// What follows does not come back.
			t.Run("stale", s.stale)
			if other {
				t.Run("posse is away", func(t *testing.T) { s.away(t, door) })
			}
		})
	}
}

// shop is a gateway and a POS backend, with a front door before them.
type shop struct {
	*rig
	posse, backend string         // addresses of the gateway and the backend
	door           string         // address where tills come in
	line           *netfault.Line // to the gateway

	mu        sync.Mutex
	served    []*http.Request // what the backend got
	bodies    int             // questions to the gateway that had a body
	uploading chan struct{}   // hears when an upload begins to arrive
}

func newShop(t *testing.T, proxied bool) *shop {
	t.Helper()
	s := &shop{uploading: make(chan struct{}, 1)}
	backend := httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(backend.Close)
	s.rig = setup(t, nil, func(c *gateway.Config) {
		c.TokenSources = []gateway.TokenSource{{}, {Cookie: "pos_token"}, {Parameter: "authorization"}}
		c.TrustedProxies = nil
		c.Gateway.StaleAfter = time.Minute // nobody ticks
		if proxied {
			c.Upstream = mustParse(t, backend.URL)
		}
	})
	doors := s.Handler()
	posse := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/authz/") && r.ContentLength != 0 {
			s.mu.Lock()
			s.bodies++
			s.mu.Unlock()
		}
		doors.ServeHTTP(w, r)
	}))
	t.Cleanup(posse.Close)
	var err error
	if s.line, err = netfault.Listen("127.0.0.1:0", posse.Listener.Addr().String); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.line.Close)
	s.line.Open()
	s.posse, s.backend = s.line.Address(), backend.Listener.Addr().String()
	s.client = &http.Client{
		// Traefik waits for posse for half of that.
		Timeout: 2 * patience, Transport: &http.Transport{DisableKeepAlives: true, DisableCompression: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return s
}

// serve is the POS backend.
func (s *shop) serve(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.served = append(s.served, r)
	s.mu.Unlock()
	name, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	switch name {
	case "socket":
		echo(w, r)
	case "upload":
		first := make([]byte, 1)
		_, _ = io.ReadFull(r.Body, first)
		s.uploading <- struct{}{}
		sum := sha256.New()
		sum.Write(first)
		_, _ = io.Copy(sum, r.Body)
		fmt.Fprintf(w, "%x", sum.Sum(nil))
	case "image":
		w.Header().Set("ETag", `"x"`)
		w.Header().Set("Content-Length", "12345")
		if r.Method != http.MethodHead {
			_, _ = w.Write(make([]byte, 12345))
		}
	case "status":
		status, _ := strconv.Atoi(rest)
		w.Header().Set("WWW-Authenticate", "Backend")
		w.WriteHeader(status)
		fmt.Fprint(w, "the backend says ", status)
	default:
		fmt.Fprint(w, "welcome")
	}
}

// take returns what the backend got since it was asked last.
func (s *shop) take() []*http.Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	served := s.served
	s.served = nil
	return served
}

// token returns one for a session of anna's.
func (s *shop) token(session string) string { return s.issuer.Token("shop", "anna", session) }

// revoked returns a token of a session that was ended.
func (s *shop) revoked(t *testing.T) string {
	t.Helper()
	session := rand.Text()
	s.feed.Revoke("shop", session)
	return s.token(session)
}

// isUp tells whether a front door leads to the backend.
func (s *shop) isUp(t *testing.T) func(address string) bool {
	t.Helper()
	return func(address string) bool {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+"/", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", "Bearer "+s.token("s1"))
		response, err := s.client.Do(request)
		if err != nil {
			return false
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		return err == nil && string(body) == "welcome"
	}
}

// ask sends a request to the front door, with a token unless it is "".
func (s *shop) ask(t *testing.T, method, path, token string, body io.Reader) *http.Request {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, "http://"+s.door+path, body)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("User-Agent", "WCPOS/1.8.1 (ios; build 231)")
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	return request
}

func (s *shop) admits(t *testing.T) {
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodDelete, http.MethodOptions, "PROPFIND"} {
		s.take()
		request := s.ask(t, method, "/wp-json/products?page=2&q=a%2Fb", s.issuer.Token("shop", "zoë 100%", "s1"), http.NoBody)
		for _, name := range []string{
			"X-User-Id", "x-session-id", "X-TENANT-ID", "X_User_Id", "x_user_id", "X-User_Id", "X_User-Id",
			"X_Session_Id", "X_Session-Id", "X-Session_Id", "X_Tenant_Id", "X-Tenant_Id", "X_Tenant-Id",
		} {
			request.Header[name] = []string{"forged", "twice"}
		}
		got := s.do(t, request)
		served := s.take()
		if got.code != http.StatusOK || got.body != "welcome" || len(served) != 1 {
			t.Fatalf("%s: %s %q, the backend got %d requests", method, got.status, got.body, len(served))
		}
		if seen := served[0]; seen.Method != method || seen.RequestURI != "/wp-json/products?page=2&q=a%2Fb" {
			t.Errorf("the backend saw %s %s", seen.Method, seen.RequestURI)
		}
		identity := http.Header{}
		for name, values := range served[0].Header {
			if sdk.IsIdentityHeader(name) {
				identity[name] = values
			}
		}
		want := http.Header{"X-Session-Id": {"s1"}, "X-User-Id": {"zo%C3%AB%20100%25"}, "X-Tenant-Id": {"shop"}}
		if fmt.Sprint(identity) != fmt.Sprint(want) {
			t.Errorf("%s: the backend saw %v, want %v", method, identity, want)
		}
	}
	eventually(t, "touch of the till", func() bool {
		return slices.ContainsFunc(s.feed.Touches(), func(touch events.Touched) bool {
			return touch.Session == "s1" && touch.Personal.UserAgent == "WCPOS/1.8.1 (ios; build 231)"
		})
	})
}

func (s *shop) refuses(t *testing.T) {
	for _, test := range []struct {
		token     string
		reason    sdk.Reason
		challenge string
	}{
		{s.revoked(t), sdk.ReasonRevoked, `error="invalid_token"`},
		{s.expired(), sdk.ReasonExpired, `error="invalid_token"`},
		{"e30.e30.e30", sdk.ReasonInvalid, `error="invalid_token"`},
		{"", sdk.ReasonMissing, `Bearer realm="posse"`},
	} {
		s.take()
		got := s.do(t, s.ask(t, http.MethodPost, "/orders", test.token, strings.NewReader("{}")))
		s.refused(t, got, http.StatusUnauthorized, test.reason)
		if values := got.header.Values("WWW-Authenticate"); len(values) != 1 || !strings.Contains(values[0], test.challenge) {
			t.Errorf("%s: WWW-Authenticate = %q, want one with %s", test.reason, values, test.challenge)
		}
	}
}

// refused checks that a till was given posse's answer, and the backend nothing.
func (s *shop) refused(t *testing.T, got answer, status int, reason sdk.Reason) {
	t.Helper()
	var problem sdk.Problem
	if err := json.Unmarshal([]byte(got.body), &problem); err != nil {
		t.Errorf("%s: %v: %q", reason, err, got.body)
	}
	if got.code != status || problem.Status != status || problem.Reason != reason || problem.Detail == "" {
		t.Errorf("%s %+v, want %d %s", got.status, problem, status, reason)
	}
	for name, want := range map[string]string{"Content-Type": "application/problem+json", "Cache-Control": "no-store"} {
		if values := got.header.Values(name); len(values) != 1 || values[0] != want {
			t.Errorf("%s: %s = %q, want %q", reason, name, values, want)
		}
	}
	for _, name := range []string{"X-Session-Id", "X-User-Id", "X-Tenant-Id"} {
		if got.header.Get(name) != "" {
			t.Errorf("%s: the answer has %s", reason, name)
		}
	}
	if served := s.take(); len(served) > 0 {
		t.Errorf("%s: the backend got %s %s", reason, served[0].Method, served[0].RequestURI)
	}
}

func (s *shop) findsTheToken(t *testing.T, door frontDoor) {
	t.Helper()
	token := s.token("s1")
	for name, test := range map[string]struct {
		query  string
		header http.Header
		status int
	}{
		"in a cookie":                {"", http.Header{"Cookie": {"a=b; pos_token=" + token}}, 200},
		"in the URL":                 {"?page=2&authorization=" + token, nil, 200},
		"in the URL with its scheme": {"?authorization=Bearer%20" + token, nil, 200},
		"in two places":              {"?authorization=" + token, http.Header{"Authorization": {"Bearer " + token}}, 401},
		"in two headers":             {"", http.Header{"Authorization": {"Bearer " + token, "Bearer " + token}}, door.twice},
		"in two cookies":             {"", http.Header{"Cookie": {"pos_token=" + token + "; pos_token=" + token}}, 401},
		"twice in the URL":           {"?authorization=" + token + "&authorization=" + token, nil, 401},
		"beside another scheme":      {"?authorization=" + token, http.Header{"Authorization": {"Basic YTpi"}}, 401},
		"where no token stands":      {"?access_token=" + token, http.Header{"Cookie": {"token=" + token}}, 401},
		"where the client says it does": {"", http.Header{
			"X-Forwarded-Uri": {"/?authorization=" + token}, "X-Original-Uri": {"/?authorization=" + token},
		}, 401},
	} {
		request := s.ask(t, http.MethodGet, "/orders"+test.query, "", http.NoBody)
		maps.Copy(request.Header, test.header)
		if got := s.do(t, request); got.code != test.status {
			t.Errorf("%s: %s %s", name, got.status, got.body)
		}
	}
	s.take()
}

// leavesAnswersAlone holds that what the backend says of itself is not taken for a
// word of posse's.
func (s *shop) leavesAnswersAlone(t *testing.T) {
	for _, status := range []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusInternalServerError, http.StatusServiceUnavailable} {
		got := s.do(t, s.ask(t, http.MethodGet, "/status/"+strconv.Itoa(status), s.token("s1"), http.NoBody))
		if got.code != status || got.body != fmt.Sprint("the backend says ", status) || got.header.Get("WWW-Authenticate") != "Backend" {
			t.Errorf("%d became %s %q %v", status, got.status, got.body, got.header)
		}
	}
	s.take()
}

func (s *shop) upgrades(t *testing.T) {
	conn, reader, got := s.dial(t, s.token("s1"))
	if got.code != http.StatusSwitchingProtocols {
		t.Fatalf("upgrade: %s", got.status)
	}
	fmt.Fprintln(conn, "hello")
	if line, err := reader.ReadString('\n'); err != nil || line != "HELLO\n" {
		t.Errorf("through the upgraded connection: %q, %v", line, err)
	}
	s.take()
	_, _, got = s.dial(t, s.revoked(t))
	if got.code != http.StatusUnauthorized || got.header.Get("WWW-Authenticate") == "" || len(s.take()) > 0 {
		t.Errorf("upgrade of a revoked session: %s %v", got.status, got.header)
	}
}

// dial asks for a WebSocket as browsers do, which cannot send Authorization.
func (s *shop) dial(t *testing.T, token string) (net.Conn, *bufio.Reader, answer) {
	t.Helper()
	conn, err := net.Dial("tcp", s.door)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(patience))
	request := s.ask(t, http.MethodGet, "/socket?authorization="+token, "", http.NoBody)
	for name, value := range map[string]string{
		"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
	} {
		request.Header.Set(name, value)
	}
	if err := request.Write(conn); err != nil {
		t.Fatal(err)
	}
	reader := bufio.NewReader(conn)
	response, err := http.ReadResponse(reader, request)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close() // the connection stays: its bytes are not the body's
	return conn, reader, answer{status: response.Status, code: response.StatusCode, header: response.Header}
}

// streams sends the end of a body when the beginning has arrived at the backend.
func (s *shop) streams(t *testing.T) {
	const size, beginning = 48 << 20, 1 << 20
	data := make([]byte, size)
	_, _ = rand.Read(data)
	sum := sha256.Sum256(data)
	body, sender := io.Pipe()
	go func() {
		_, _ = sender.Write(data[:beginning])
		select {
		case <-s.uploading:
			_, _ = sender.Write(data[beginning:])
			sender.Close()
		case <-time.After(patience):
			sender.CloseWithError(fmt.Errorf("nothing arrived at the backend after %v", patience))
		}
	}()
	request := s.ask(t, http.MethodPut, "/upload", s.token("s1"), body)
	request.ContentLength = size
	got := s.do(t, request)
	if got.code != http.StatusOK || got.body != hex.EncodeToString(sum[:]) {
		t.Errorf("%s %.80q", got.status, got.body)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.bodies > 0 {
		t.Errorf("%d questions to posse had a body", s.bodies)
	}
}

func (s *shop) head(t *testing.T) {
	got := s.do(t, s.ask(t, http.MethodHead, "/image", s.token("s1"), http.NoBody))
	if got.code != http.StatusOK || got.length != 12345 || got.header.Get("ETag") != `"x"` || got.body != "" {
		t.Errorf("%s, length %d, %v", got.status, got.length, got.header)
	}
	s.take()
	got = s.do(t, s.ask(t, http.MethodHead, "/image", s.revoked(t), http.NoBody))
	if got.code != http.StatusUnauthorized || got.header.Get("WWW-Authenticate") == "" || got.body != "" || len(s.take()) > 0 {
		t.Errorf("revoked: %s %v %q", got.status, got.header, got.body)
	}
}

func (s *shop) stale(t *testing.T) {
	revoked := s.revoked(t)
	s.feed.SendUnreadable("shop")
	s.take()
	got := s.do(t, s.ask(t, http.MethodPost, "/orders", s.token("s1"), bytes.NewReader([]byte("{}"))))
	s.refused(t, got, http.StatusServiceUnavailable, sdk.ReasonStale)
	if got.header.Get("Retry-After") != "1" || got.header.Get("WWW-Authenticate") != "" {
		t.Errorf("the answer has %v", got.header)
	}
	s.refused(t, s.do(t, s.ask(t, http.MethodGet, "/orders", revoked, http.NoBody)), http.StatusUnauthorized, sdk.ReasonRevoked)
}

// silent holds that a till waits for seconds when posse takes questions and never
// answers one, and goes on when it does again.
func (s *shop) silent(t *testing.T, door frontDoor) {
	t.Helper()
	s.line.Freeze()
	s.unreachable(t, door)
	s.line.Open()
	eventually(t, "admitted when posse answers again", func() bool { return s.isUp(t)(s.door) })
	s.take()
}

// away has nobody listen where posse was.
func (s *shop) away(t *testing.T, door frontDoor) {
	t.Helper()
	s.line.Close()
	s.unreachable(t, door)
}

// unreachable holds that a posse that does not answer lets nobody pass, and signs
// nobody out.
func (s *shop) unreachable(t *testing.T, door frontDoor) {
	t.Helper()
	s.take()
	got := s.do(t, s.ask(t, http.MethodGet, "/orders", s.token("s1"), http.NoBody))
	if got.header.Get("WWW-Authenticate") != "" {
		t.Errorf("%s %v", got.status, got.header)
	}
	if door.reason != "" {
		s.refused(t, got, door.status, door.reason)
		if got.header.Get("Retry-After") != "1" {
			t.Errorf("the answer has %v", got.header)
		}
	} else if got.code != door.status || got.body != "" || len(s.take()) > 0 {
		t.Errorf("%s %q, want %d without a body", got.status, got.body, door.status)
	}
}
