package netfault

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
)

// Disorder delivers messages of NATS twice or after the next one, while it is on. It
// reads what a server sends to a client.
type Disorder struct {
	mu     sync.Mutex
	random *rand.Rand
	on     bool
}

// likely is one in how many messages comes twice, and one in how many comes late.
const likely = 8

// NewDisorder returns one that is off, and the same for each seed.
func NewDisorder(seed uint64) *Disorder {
	return &Disorder{random: rand.New(rand.NewPCG(seed, 0))} //nolint:gosec // it has to be repeatable
}

// Set turns it on or off.
func (d *Disorder) Set(on bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.on = on
}

// dice says what to do with a message.
func (d *Disorder) dice() (twice, late bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.on {
		return false, false
	}
	return d.random.IntN(likely) == 0, d.random.IntN(likely) == 0
}

// Reader returns what a connection sends, in disorder: see [Through].
func (d *Disorder) Reader(r io.Reader) io.Reader {
	return &deliveries{Disorder: d, in: bufio.NewReaderSize(r, 64<<10)}
}

// deliveries is what a server of NATS sends on one connection. A message is never held
// back for one that is not there yet.
type deliveries struct {
	*Disorder

	in  *bufio.Reader
	out []byte
}

func (d *deliveries) Read(p []byte) (int, error) {
	for len(d.out) == 0 {
		frame, isMessage, err := d.frame()
		if err != nil {
			return 0, err
		}
		d.out = frame
		if !isMessage {
			continue
		}
		twice, late := d.dice()
		if twice {
			d.out = append(d.out, frame...)
		}
		if late && d.in.Buffered() > 0 {
			next, _, err := d.frame()
			if err != nil {
				return 0, err
			}
			d.out = append(next, d.out...)
		}
	}
	n := copy(p, d.out)
	d.out = d.out[n:]
	return n, nil
}

// frame returns the next line of the protocol, and the message if it begins one.
// https://docs.nats.io/reference/reference-protocols/nats-protocol
func (d *deliveries) frame() (frame []byte, isMessage bool, err error) {
	line, err := d.in.ReadBytes('\n')
	if err != nil {
		return nil, false, err
	}
	words := bytes.Fields(line)
	if len(words) == 0 || !bytes.EqualFold(words[0], []byte("MSG")) && !bytes.EqualFold(words[0], []byte("HMSG")) {
		return line, false, nil
	}
	size, err := strconv.Atoi(string(words[len(words)-1]))
	if err != nil {
		return nil, false, fmt.Errorf("netfault: NATS sends %q: %w", line, err)
	}
	frame = slices.Concat(line, make([]byte, size+len("\r\n")))
	_, err = io.ReadFull(d.in, frame[len(line):])
	return frame, true, err
}
