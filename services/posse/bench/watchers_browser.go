package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/posse-pos/posse/services/query/signin"
)

const (
	// requestTimeout is how long an answer may take.
	requestTimeout = stillLive
	// browserConnections is how many a browser makes to a host.
	browserConnections = 6
)

// browser is one in which somebody has signed in.
type browser struct {
	base   string // URL of the query service
	client http.Client
	cookie string
}

// newBrowser redeems a link.
func newBrowser(ctx context.Context, base, link string) (*browser, error) {
	b := &browser{base: base, client: http.Client{
		Transport: &http.Transport{MaxConnsPerHost: browserConnections, MaxIdleConnsPerHost: browserConnections},
		// Where a sign-in leads is of no interest.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	form := strings.NewReader(url.Values{"link": {link}}.Encode())
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, base+signin.PathSignIn, form)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	answer, err := b.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	err = b.keepCookie(answer)
	return b, err
}

// keepCookie does by hand what a jar does not: the cookie is for https.
func (b *browser) keepCookie(answer *http.Response) error {
	for _, cookie := range answer.Cookies() {
		if cookie.Name == signin.CookieName {
			b.cookie = cookie.Name + "=" + cookie.Value
			return nil
		}
	}
	return fmt.Errorf("signing in is answered with %s and no cookie", answer.Status)
}

// get returns a page, or what a script asks for with the names and values of
// headers.
func (b *browser) get(ctx context.Context, path string, header ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	answer, err := b.ask(ctx, path, "text/html", header...)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	return io.ReadAll(answer.Body)
}

// ask leaves the answer to be read. The client asks for gzip by itself.
func (b *browser) ask(ctx context.Context, path, accept string, header ...string) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, b.base+path, http.NoBody)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", accept)
	request.Header.Set("Cookie", b.cookie)
	for i := 0; i < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	answer, err := b.client.Do(request)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = errors.Join(fmt.Errorf("%s is answered with %s", path, answer.Status), answer.Body.Close())
	}
	return answer, err
}
