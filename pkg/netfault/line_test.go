package netfault_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/posse-pos/posse/pkg/netfault"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// echo is a server that sends back what it gets.
func echo(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				_, _ = io.Copy(conn, conn)
			}()
		}
	}()
	return listener.Addr().String()
}

func newLine(t *testing.T) *netfault.Line {
	t.Helper()
	target := echo(t)
	line, err := netfault.Listen("127.0.0.1:0", func() string { return target })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(line.Close)
	return line
}

// peer is somebody at the near end.
type peer struct {
	t    *testing.T
	conn net.Conn
	in   *bufio.Reader
}

func dial(t *testing.T, line *netfault.Line) *peer {
	t.Helper()
	conn, err := net.Dial("tcp", line.Address())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return &peer{t, conn, bufio.NewReader(conn)}
}

func (p *peer) send(word string) {
	p.t.Helper()
	if _, err := fmt.Fprintln(p.conn, word); err != nil {
		p.t.Fatal(err)
	}
}

// hear returns the next word, or an error after so long.
func (p *peer) hear(within time.Duration) (string, error) {
	p.t.Helper()
	if err := p.conn.SetReadDeadline(time.Now().Add(within)); err != nil {
		p.t.Fatal(err)
	}
	line, err := p.in.ReadString('\n')
	if err != nil {
		return "", err
	}
	return line[:len(line)-1], nil
}

const (
	patience = 10 * time.Second
	moment   = 100 * time.Millisecond
)

func TestCutLineEndsConnections(t *testing.T) {
	t.Parallel()
	line := newLine(t)
	if _, err := dial(t, line).hear(patience); err == nil {
		t.Error("a new line carries something")
	}
	line.Open()
	p := dial(t, line)
	p.send("before")
	if got, err := p.hear(patience); got != "before" {
		t.Fatalf("an open line carries %q, %v", got, err)
	}
	line.Cut()
	if got, err := p.hear(patience); err == nil {
		t.Errorf("a cut line carries %q", got)
	}
	if tried, made := line.Connections(); tried != 2 || made != 1 {
		t.Errorf("%d connections were wanted and %d made, want 2 and 1", tried, made)
	}
}

func TestFrozenLineLosesNothing(t *testing.T) {
	t.Parallel()
	line := newLine(t)
	line.Open()
	p := dial(t, line)
	p.send("before")
	if got, err := p.hear(patience); got != "before" {
		t.Fatalf("an open line carries %q, %v", got, err)
	}
	line.Freeze()
	p.send("meanwhile")
	late := dial(t, line)
	late.send("from another")
	for _, each := range []*peer{p, late} {
		if got, err := each.hear(moment); err == nil {
			t.Errorf("a frozen line carries %q", got)
		}
	}
	line.Open()
	for want, each := range map[string]*peer{"meanwhile": p, "from another": late} {
		if got, err := each.hear(patience); got != want {
			t.Errorf("a line that moves again carries %q, %v, want %q", got, err, want)
		}
	}
}

func TestHalfOpenLineIsFrozenOneWay(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	line, err := netfault.Listen("127.0.0.1:0", func() string { return listener.Addr().String() })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(line.Close)
	line.Open()
	near := dial(t, line)
	accepted, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = accepted.Close() })
	far := &peer{t, accepted, bufio.NewReader(accepted)}
	for name, c := range map[string]struct {
		freeze        func()
		frozen, moves [2]*peer
	}{
		"there": {line.FreezeThere, [2]*peer{near, far}, [2]*peer{far, near}},
		"back":  {line.FreezeBack, [2]*peer{far, near}, [2]*peer{near, far}},
	} {
		c.freeze()
		c.frozen[0].send("later")
		c.moves[0].send("now")
		if got, err := c.moves[1].hear(patience); got != "now" {
			t.Errorf("frozen %s, the other way carries %q, %v", name, got, err)
		}
		if got, err := c.frozen[1].hear(moment); err == nil {
			t.Errorf("frozen %s, it carries %q", name, got)
		}
		line.Open()
		if got, err := c.frozen[1].hear(patience); got != "later" {
			t.Errorf("open again after it was frozen %s, it carries %q, %v", name, got, err)
		}
	}
}

func TestWhatComesBackIsReadThroughTheReader(t *testing.T) {
	t.Parallel()
	target := echo(t)
	line, err := netfault.Listen("127.0.0.1:0", func() string { return target }, netfault.Through(func(r io.Reader) io.Reader {
		return io.MultiReader(strings.NewReader("first\n"), r)
	}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(line.Close)
	line.Open()
	p := dial(t, line)
	p.send("second")
	for _, want := range []string{"first", "second"} {
		if got, err := p.hear(patience); got != want {
			t.Errorf("it carries %q, %v, want %q", got, err, want)
		}
	}
}

func TestSlowLineKeepsTheOrder(t *testing.T) {
	t.Parallel()
	line := newLine(t)
	line.Open()
	line.Delay(moment)
	p := dial(t, line)
	began := time.Now()
	for i := range 3 {
		p.send(strconv.Itoa(i))
	}
	for i := range 3 {
		if got, err := p.hear(patience); got != strconv.Itoa(i) {
			t.Errorf("word %d is %q, %v", i, got, err)
		}
	}
	if took := time.Since(began); took < 2*moment {
		t.Errorf("there and back took %v, less than %v each way", took, moment)
	}
}

func TestListenSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	if _, err := netfault.Listen("nowhere", nil); err == nil {
		t.Error("it listens on an address that is none")
	}
}
