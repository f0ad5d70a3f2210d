package conformance

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/posse-pos/posse/pkg/gateway"
)

const (
	askTimeout = 10 * time.Second
	pollEvery  = 50 * time.Millisecond
	maxBody    = 64 << 10
)

// answer is what the gateway said to one request. Status 0 means that it did not.
type answer struct {
	status int
	header http.Header
	body   []byte
	failed error // why there is no answer
}

// String is the answer in one line, without what a stranger's gateway may put into
// the rest of it.
func (a answer) String() string {
	if a.failed != nil {
		return "no answer: " + a.failed.Error()
	}
	text := strconv.Itoa(a.status) + " " + http.StatusText(a.status)
	if reason := a.problem().Reason; reason != "" {
		text += fmt.Sprintf(" (%.40q)", string(reason))
	}
	return text
}

func (a answer) admitted() bool { return a.status >= 200 && a.status < 300 }
func (a answer) refused() bool  { return a.status == http.StatusUnauthorized }

func (a answer) problem() gateway.Problem {
	var p gateway.Problem
	if json.Unmarshal(a.body, &p) != nil {
		return gateway.Problem{}
	}
	return p
}

// asker asks the gateway.
type asker struct {
	url    string
	client *http.Client
}

func newAsker(to string) *asker {
	return &asker{url: to, client: &http.Client{
		Timeout:       askTimeout,
		Transport:     &http.Transport{MaxIdleConnsPerHost: floodWidth},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

func (a *asker) close() { a.client.CloseIdleConnections() }

// ask asks with an Authorization header; "" means none.
func (a *asker) ask(ctx context.Context, authorization string, header http.Header) answer {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, a.url, http.NoBody)
	if err != nil {
		return answer{failed: err}
	}
	if header != nil {
		request.Header = header.Clone()
	}
	if authorization != "" {
		request.Header.Set("Authorization", authorization)
	}
	request.Header.Set("User-Agent", "posse gateway-conformance")
	response, err := a.client.Do(request)
	if err != nil {
		return answer{failed: withoutURL(err)}
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxBody))
	if err != nil {
		return answer{failed: err}
	}
	return answer{status: response.StatusCode, header: response.Header, body: body}
}

func withoutURL(err error) error {
	if u, ok := err.(*url.Error); ok { //nolint:errorlint // it is the client's own
		return u.Err
	}
	return err
}

// unauthorizedFault says what is wrong with a 401, which is RFC 6750 §3's.
func unauthorizedFault(a answer, reason gateway.Reason, problems bool) error {
	challenge := a.header.Get("WWW-Authenticate")
	if scheme, _, _ := strings.Cut(challenge, " "); !strings.EqualFold(scheme, "Bearer") {
		return fmt.Errorf("a 401 has WWW-Authenticate %.80q, not a Bearer challenge", challenge)
	}
	return bodyFault(a, []gateway.Reason{
		gateway.ReasonRevoked, gateway.ReasonExpired, gateway.ReasonInvalid, gateway.ReasonMissing,
	}, reason, problems)
}

// unavailableFault says what is wrong with a 503 (RFC 9110 §15.6.4).
func unavailableFault(a answer, problems bool) error {
	retry := a.header.Get("Retry-After")
	if _, err := strconv.ParseUint(retry, 10, 32); err != nil {
		return fmt.Errorf("a 503 has Retry-After %.40q, not a number of seconds", retry)
	}
	return bodyFault(a, []gateway.Reason{gateway.ReasonStale, gateway.ReasonNotReady, gateway.ReasonKeys}, "", problems)
}

func bodyFault(a answer, reasons []gateway.Reason, wanted gateway.Reason, problems bool) error {
	for _, name := range identityHeaders {
		if value := a.header.Get(name); value != "" {
			return fmt.Errorf("a %d has %s %.80q", a.status, name, value)
		}
	}
	if !problems {
		return nil
	}
	kind, _, err := mime.ParseMediaType(a.header.Get("Content-Type"))
	if err != nil || kind != "application/problem+json" {
		return fmt.Errorf("a %d has the content type %.80q, not application/problem+json", a.status, a.header.Get("Content-Type"))
	}
	p := a.problem()
	switch {
	case !slices.Contains(reasons, p.Reason):
		return fmt.Errorf("a %d has the reason %.80q, not one of %q", a.status, string(p.Reason), reasons)
	case wanted != "" && p.Reason != wanted:
		return fmt.Errorf("a %d has the reason %q, not %q", a.status, p.Reason, wanted)
	case p.Status != a.status || p.Type != "urn:posse:problem:"+string(p.Reason):
		return fmt.Errorf("a %d has a problem of the status %d and the type %.80q", a.status, p.Status, p.Type)
	}
	return nil
}

// identityFault says what is wrong with the headers that tell who is asking.
func identityFault(a answer, who someone) error {
	for name, id := range map[string]string{
		gateway.HeaderSession: who.Session, gateway.HeaderUser: who.User, gateway.HeaderTenant: who.Tenant,
	} {
		values := a.header.Values(name)
		if len(values) != 1 {
			return fmt.Errorf("%s occurs %d times, want once", name, len(values))
		}
		if decoded, err := url.PathUnescape(values[0]); err != nil || decoded != id || !printable(values[0]) {
			return fmt.Errorf("%s is %.200q, want %q percent-encoded", name, values[0], id)
		}
	}
	return nil
}

func printable(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' })
}
