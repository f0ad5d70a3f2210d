package events

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var freeze = flag.Bool("freeze", false, "write the wire bytes of samples that have none yet; what is frozen is never rewritten")

// A frozen message is its subject, its headers sorted by name, an empty line and
// its payload.
func marshalWire(m Message) []byte {
	var b strings.Builder
	fmt.Fprintln(&b, m.Subject)
	names := make([]string, 0, len(m.Header))
	for name := range m.Header {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		for _, value := range m.Header[name] {
			fmt.Fprintf(&b, "%s: %s\n", name, value)
		}
	}
	fmt.Fprintf(&b, "\n%s\n", m.Data)
	return []byte(b.String())
}

func unmarshalWire(t *testing.T, data []byte) Message {
	t.Helper()
	head, payload, ok := strings.Cut(string(data), "\n\n")
	if !ok {
		t.Fatal("frozen message has no empty line before its payload")
	}
	lines := strings.Split(head, "\n")
	m := Message{Subject: lines[0], Header: map[string][]string{}, Data: []byte(strings.TrimSuffix(payload, "\n"))}
	for _, line := range lines[1:] {
		name, value, _ := strings.Cut(line, ": ")
		m.Header[name] = append(m.Header[name], value)
	}
	return m
}

func TestEncodeWritesTheFrozenBytes(t *testing.T) {
	t.Parallel()
	for name, envelope := range samples() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			message, err := Encode(envelope)
			if err != nil {
				t.Fatal(err)
			}
			got := marshalWire(message)
			path := filepath.Join("testdata", "wire", name+".txt")
			want, err := os.ReadFile(path)
			if errors.Is(err, fs.ErrNotExist) && *freeze {
				err = os.WriteFile(path, got, 0o600)
				want = got
			}
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("wire bytes of %s changed\n got: %s\nwant: %s", name, got, want)
			}
		})
	}
}

func TestDecodeReadsEveryVersionEverPublished(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join("testdata", "wire", "*.txt"))
	if err != nil || len(files) < len(samples()) {
		t.Fatalf("frozen messages: %d, want at least %d (%v)", len(files), len(samples()), err)
	}
	for _, path := range files {
		t.Run(filepath.Base(path), func(t *testing.T) {
			t.Parallel()
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			got, err := Decode(unmarshalWire(t, data))
			if err != nil {
				t.Fatal(err)
			}
			want, known := samples()[strings.TrimSuffix(filepath.Base(path), ".txt")]
			if known && fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) {
				t.Errorf("decoded\n got: %+v\nwant: %+v", got, want)
			}
			if _, unknown := got.Event.(Unknown); unknown {
				t.Errorf("%s was published once and is unknown now", path)
			}
		})
	}
}

func TestEveryDecoderHasFrozenBytes(t *testing.T) {
	t.Parallel()
	for version := range decoders {
		files, err := filepath.Glob(filepath.Join("testdata", "wire", version+".*.txt"))
		if err != nil || len(files) == 0 {
			t.Errorf("no frozen bytes of %s under testdata/wire (%v)", version, err)
		}
	}
}
