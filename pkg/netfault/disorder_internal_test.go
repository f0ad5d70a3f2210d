package netfault

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// stream is what a server sends: numbered messages, with and without headers, a payload
// that looks like the protocol, and what is no message.
func stream(messages int) string {
	var all strings.Builder
	all.WriteString("INFO {}\r\n")
	for n := range messages {
		payload := fmt.Sprintf("<%d>\r\nPING\r\n", n)
		if n%2 == 0 {
			fmt.Fprintf(&all, "MSG a.b 7 reply %d\r\n%s\r\n", len(payload), payload)
		} else {
			const header = "NATS/1.0\r\nA: b\r\n\r\n"
			fmt.Fprintf(&all, "HMSG a.b 7 %d %d\r\n%s%s\r\n", len(header), len(header)+len(payload), header, payload)
		}
		if n%5 == 0 {
			all.WriteString("PING\r\n")
		}
	}
	return all.String()
}

func TestDisorderIsOffAtFirst(t *testing.T) {
	t.Parallel()
	sent := stream(100)
	got, err := io.ReadAll(NewDisorder(1).Reader(iotest.OneByteReader(strings.NewReader(sent))))
	if err != nil || string(got) != sent {
		t.Errorf("%v; it carries\n%q, want\n%q", err, got, sent)
	}
}

func TestDisorderTearsNoMessage(t *testing.T) {
	t.Parallel()
	const messages = 500
	sent := stream(messages)
	d := NewDisorder(1)
	d.Set(true)
	got, err := io.ReadAll(d.Reader(strings.NewReader(sent)))
	if err != nil {
		t.Fatal(err)
	}
	in := &deliveries{in: bufio.NewReader(bytes.NewReader(got))}
	seen, twice, late, others := map[string]int{}, 0, 0, 0
	highest := -1
	for {
		frame, isMessage, err := in.frame()
		if err != nil {
			break
		}
		if !isMessage {
			others++
			continue
		}
		var n int
		if _, err := fmt.Sscanf(string(frame[bytes.IndexByte(frame, '<'):]), "<%d>", &n); err != nil || !strings.Contains(sent, string(frame)) {
			t.Fatalf("it carries %q, %v", frame, err)
		}
		seen[string(frame)]++
		if seen[string(frame)] > 1 {
			twice++
		} else if n < highest {
			late++
		}
		highest = max(highest, n)
	}
	if len(seen) != messages || twice == 0 || late == 0 || others != messages/5+1 {
		t.Errorf("of %d messages %d came, %d twice, %d late, and %d other lines", messages, len(seen), twice, late, others)
	}
}
