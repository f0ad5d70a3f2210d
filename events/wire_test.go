package events

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"maps"
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
	for name, message := range sampleMessages(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
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
	if want := len(samples()) + len(auditSamples()); err != nil || len(files) < want {
		t.Fatalf("frozen messages: %d, want at least %d (%v)", len(files), want, err)
	}
	for _, path := range files {
		t.Run(filepath.Base(path), func(t *testing.T) {
			t.Parallel()
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			got, isKnown, err := decodeAny(unmarshalWire(t, data))
			if err != nil {
				t.Fatal(err)
			}
			want, sampled := anySample(strings.TrimSuffix(filepath.Base(path), ".txt"))
			if sampled && fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) {
				t.Errorf("decoded\n got: %+v\nwant: %+v", got, want)
			}
			if !isKnown {
				t.Errorf("%s was published once and is unknown now", path)
			}
		})
	}
}

// decodeAny decodes a fact of any stream, and says whether its type is known.
func decodeAny(m Message) (envelope any, known bool, err error) {
	if strings.HasPrefix(m.Subject, auditPrefix) {
		decoded, err := DecodeAudit(m)
		_, unknown := decoded.Fact.(UnknownAudit)
		return decoded, !unknown, err
	}
	decoded, err := Decode(m)
	_, unknown := decoded.Event.(Unknown)
	return decoded, !unknown, err
}

func TestEveryDecoderHasFrozenBytes(t *testing.T) {
	t.Parallel()
	for _, version := range slices.Concat(slices.Collect(maps.Keys(decoders)), slices.Collect(maps.Keys(auditDecoders))) {
		files, err := filepath.Glob(filepath.Join("testdata", "wire", version+".*.txt"))
		if err != nil || len(files) == 0 {
			t.Errorf("no frozen bytes of %s under testdata/wire (%v)", version, err)
		}
	}
}
