package proof

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/eventlog"
)

// evidence is a log of three events under one checkpoint, made without a server.
type evidence struct {
	key        Key
	verifiers  note.Verifiers
	leaves     [][]byte
	checkpoint Checkpoint
	signed     []byte
	proof      []byte // of the second event
}

// keyText is a key as it lies in a file, and the same in each of the processes that
// share what fuzzing finds.
func keyText(f *testing.F) string {
	f.Helper()
	seed := bytes.Repeat([]byte{7}, ed25519.SeedSize)
	public, err := note.NewEd25519VerifierKey("example.com/pos", ed25519.PublicKey(ed25519.NewKeyFromSeed(seed)[ed25519.SeedSize:]))
	if err != nil {
		f.Fatal(err)
	}
	hash := strings.Split(public, "+")[1]
	private := "PRIVATE+KEY+example.com/pos+" + hash + "+" + base64.StdEncoding.EncodeToString(append([]byte{1}, seed...))
	return private + "\n" + public + "\n"
}

func newEvidence(f *testing.F) evidence {
	f.Helper()
	must := func(err error) {
		if err != nil {
			f.Helper()
			f.Fatal(err)
		}
	}
	var e evidence
	var err error
	e.key, err = parseKey(keyText(f))
	must(err)
	e.verifiers, err = Verifiers(e.key.Public())
	must(err)
	var hashes []tlog.Hash
	reader := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		found := make([]tlog.Hash, len(indexes))
		for i, index := range indexes {
			found[i] = hashes[index]
		}
		return found, nil
	})
	for i := range 3 {
		leaf := Leaf(eventlog.Stored{Sequence: uint64(i + 1), Message: events.Message{Subject: "pos.v1.session.shop.42", Data: []byte{byte('a' + i)}}})
		e.leaves = append(e.leaves, leaf)
		stored, err := tlog.StoredHashes(int64(i), leaf, reader)
		must(err)
		hashes = append(hashes, stored...)
	}
	root, err := tlog.TreeHash(3, reader)
	must(err)
	at := time.Date(2026, 5, 4, 3, 2, 1, 1, time.UTC)
	e.checkpoint = Checkpoint{Origin: "example.com/pos", Size: 3, Root: root, Created: at, Signed: at.Truncate(time.Second)}
	e.signed, err = e.checkpoint.sign(e.key.signer)
	must(err)
	path, err := tlog.ProveRecord(3, 1, reader)
	must(err)
	e.proof = formatProof(e.leaves[1], 1, path, e.signed)
	if _, _, err := CheckProof(e.proof, e.verifiers); err != nil {
		f.Fatalf("the proof to begin with is none: %v", err)
	}
	return e
}

// FuzzOpenCheckpoint holds that a checkpoint says what was signed, whatever else stands
// in the note, and that of one that nobody signed nothing is believed.
func FuzzOpenCheckpoint(f *testing.F) {
	e := newEvidence(f)
	f.Add(e.signed)
	f.Add(bytes.Replace(e.signed, []byte("\n3\n"), []byte("\n4\n"), 1))
	f.Add([]byte(e.checkpoint.text()))
	f.Add([]byte(e.checkpoint.text() + "\n— example.com/pos AAAA\n"))
	f.Fuzz(func(t *testing.T, signed []byte) {
		got, err := OpenCheckpoint(signed, e.verifiers)
		switch {
		case err != nil && got != Checkpoint{}:
			t.Errorf("refused with %v, and yet it says %+v", err, got)
		case err == nil && got.text() != e.checkpoint.text():
			t.Errorf("somebody signed %+v", got)
		}
	})
}

// FuzzParseCheckpoint holds that there is one way to write a checkpoint.
func FuzzParseCheckpoint(f *testing.F) {
	text := newEvidence(f).checkpoint.text()
	f.Add(text)
	f.Add(strings.Replace(text, "\n3\n", "\n03\n", 1))
	f.Add(strings.Replace(text, "Z\n", "+00:00\n", 1))
	f.Add(strings.Repeat("\n", 6))
	f.Fuzz(func(t *testing.T, text string) {
		c, err := parseCheckpoint(text)
		switch {
		case err != nil && c != Checkpoint{}:
			t.Errorf("refused with %v, and yet it says %+v", err, c)
		case err == nil && c.text() != text:
			t.Errorf("%q is read as %q", text, c.text())
		}
	})
}

// FuzzCheckProof holds that a proof shows an event of the log, at its place under the
// checkpoint that was signed, or nothing.
func FuzzCheckProof(f *testing.F) {
	e := newEvidence(f)
	f.Add(e.proof)
	f.Add(bytes.Replace(e.proof, []byte("index 1"), []byte("index 0"), 1))
	f.Add([]byte(proofVersion + "\nextra \nindex 0\n\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		event, under, err := CheckProof(text, e.verifiers)
		if err != nil {
			if event.Sequence != 0 || event.Data != nil || under != (Checkpoint{}) {
				t.Errorf("refused with %v, and yet it shows %+v under %+v", err, event, under)
			}
			return
		}
		if event.Sequence == 0 || event.Sequence > 3 || !bytes.Equal(Leaf(event), e.leaves[event.Sequence-1]) ||
			under.text() != e.checkpoint.text() {
			t.Errorf("it proves %+v under %+v", event, under)
		}
	})
}

// FuzzParseKey holds that the two lines of a key belong together, and that what is
// refused is not repeated: it may be a key with a typing error.
func FuzzParseKey(f *testing.F) {
	text := keyText(f)
	other, _, err := note.GenerateKey(rand.Reader, "example.com/pos")
	if err != nil {
		f.Fatal(err)
	}
	private, public, _ := strings.Cut(text, "\n")
	f.Add(text)
	f.Add(other + "\n" + public)
	f.Add(private[:len(private)-1] + "\n" + public)
	f.Add("PRIVATE+KEY+a+00000000+AQ==\na+00000000+AQ==")
	f.Fuzz(func(t *testing.T, text string) {
		key, err := parseKey(text)
		if err != nil {
			if len(text) > 20 && strings.Contains(err.Error(), text[:20]) {
				t.Errorf("the error has the key: %v", err)
			}
			return
		}
		signed, err := (Checkpoint{Origin: key.Origin()}).sign(key.signer)
		verifiers, verifiersErr := Verifiers(key.Public())
		if err := errors.Join(err, verifiersErr); err != nil {
			t.Fatalf("it is read, and does not sign: %v", err)
		}
		if _, err := OpenCheckpoint(signed, verifiers); err != nil {
			t.Errorf("what the key signs does not verify with its other half: %v", err)
		}
	})
}
