package gateway_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/posse-pos/posse/pkg/process"
	"github.com/posse-pos/posse/services/gateway"
)

// upload sends the headers of a request through the proxy, and what of its body there
// is, and returns the answer.
func (r *rig) upload(t *testing.T, headers string, body io.Reader) (status int, said string) {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(r.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "POST /files HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n%s\r\n", r.issuer.Token("shop", "anna", "s1"), headers)
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		_, _ = io.Copy(conn, body) // ends when the proxy has heard enough
	}()
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	problem, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	<-sent
	return response.StatusCode, string(problem)
}

// chunks is a body without an end, as chunks of 64 KiB.
type chunks struct{ sent atomic.Int64 }

func (c *chunks) Read(p []byte) (int, error) {
	const size = 64 << 10
	n := copy(p, fmt.Sprintf("%x\r\n%s\r\n", size, strings.Repeat("x", size)))
	c.sent.Add(int64(n))
	return n, nil
}

// WriteTo has io.Copy write whole chunks.
func (c *chunks) WriteTo(w io.Writer) (total int64, err error) {
	chunk := make([]byte, 64<<10+16)
	for err == nil {
		var n int
		read, _ := c.Read(chunk)
		n, err = w.Write(chunk[:read])
		total += int64(n)
	}
	return total, err
}

// whole reads a body to its end. An upstream that got a part of one does not answer.
func whole(body io.Reader) int64 {
	n, err := io.Copy(io.Discard, body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	return n
}

func TestProxyBoundsBodies(t *testing.T) {
	t.Parallel()
	const most = 1 << 20
	var asked, passed atomic.Int64
	r := setup(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		passed.Add(whole(r.Body))
	}), func(c *gateway.Config) { c.MaxBody = most })

	if status, said := r.upload(t, "Content-Length: 1073741824\r\n", strings.NewReader("")); status != http.StatusRequestEntityTooLarge ||
		!strings.Contains(said, `"reason":"too_large"`) || asked.Load() != 0 {
		t.Errorf("a body of a gigabyte is answered %d %s, and the upstream was asked %d times", status, said, asked.Load())
	}
	status, said := r.upload(t, "Transfer-Encoding: chunked\r\n", &chunks{})
	if status != http.StatusRequestEntityTooLarge || !strings.Contains(said, `"reason":"too_large"`) || passed.Load() > 0 {
		t.Errorf("a body without an end is answered %d %s, and the upstream had %d bytes of it as a whole", status, said, passed.Load())
	}
	status, _ = r.upload(t, fmt.Sprintf("Content-Length: %d\r\n", most), strings.NewReader(strings.Repeat("x", most)))
	if status != http.StatusOK {
		t.Errorf("the largest body is answered %d", status)
	}
}

func TestProxyDoesNotWaitForABody(t *testing.T) {
	t.Parallel()
	r := setup(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { whole(r.Body) }), func(c *gateway.Config) {
		c.Limits = process.Limits{BodyTime: 50 * time.Millisecond}
	})
	status, said := r.upload(t, "Content-Length: 1000\r\n", strings.NewReader("some of it"))
	if status != http.StatusRequestTimeout || !strings.Contains(said, `"reason":"slow_body"`) {
		t.Errorf("it is answered %d %s", status, said)
	}
}
