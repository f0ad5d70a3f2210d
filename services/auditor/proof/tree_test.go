package proof_test

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"
	"pgregory.net/rapid"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/eventlog"
	"github.com/posse-pos/posse/services/auditor/proof"
)

// Stored hashes, edge and root are what tlog makes of the same leaves.
func TestTheTreeIsThatOfTlog(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		leaves := rapid.SliceOfN(rapid.SliceOfN(rapid.Byte(), 0, 8), 0, 200).Draw(t, "leaves")
		var grown proof.Grown
		var stored []tlog.Hash
		reader := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
			hashes := make([]tlog.Hash, len(indexes))
			for i, index := range indexes {
				hashes[i] = stored[index]
			}
			return hashes, nil
		})
		for i, leaf := range leaves {
			want, err := tlog.StoredHashes(int64(i), leaf, reader)
			if err != nil {
				t.Fatal(err)
			}
			if got := grown.Add(tlog.RecordHash(leaf)); !slices.Equal(got, want) {
				t.Fatalf("leaf %d stores %v, tlog %v", i, got, want)
			}
			stored = append(stored, want...)
		}
		if want, err := tlog.TreeHash(int64(len(leaves)), reader); err != nil || grown.Root() != want {
			t.Fatalf("%d leaves have the root %s, tlog says %s: %v", len(leaves), grown.Root(), want, err)
		}
		edge, err := reader.ReadHashes(proof.EdgeIndexes(uint64(len(leaves))))
		if err != nil || !slices.Equal(edge, grown.Subtrees()) {
			t.Fatalf("the edge of %d leaves lies at %v: %v", len(leaves), proof.EdgeIndexes(uint64(len(leaves))), err)
		}
	})
}

func drawMessage(t *rapid.T, name string) eventlog.Stored {
	text := rapid.StringOfN(rapid.RuneFrom([]rune("ab\x00é")), 0, 3, -1)
	return eventlog.Stored{
		Sequence: rapid.Uint64Range(1, 3).Draw(t, name+" sequence"),
		Time:     time.Unix(0, rapid.Int64Range(0, 3).Draw(t, name+" time")).UTC(),
		Message: events.Message{
			Subject: text.Draw(t, name+" subject"),
			Header:  rapid.MapOfN(text, rapid.SliceOfN(text, 1, 2), 0, 2).Draw(t, name+" header"),
			Data:    []byte(text.Draw(t, name+" data")),
		},
	}
}

// A leaf gives back the message it was made of, so no two messages share one.
func TestALeafIsOfOneMessage(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		message := drawMessage(t, "a")
		leaf := proof.Leaf(message)
		parsed, err := proof.ParseLeaf(leaf)
		if err != nil {
			t.Fatalf("the leaf of %+v is none: %v", message, err)
		}
		if !bytes.Equal(proof.Leaf(parsed), leaf) || parsed.Subject != message.Subject || parsed.Sequence != message.Sequence ||
			!parsed.Time.Equal(message.Time) || !bytes.Equal(parsed.Data, message.Data) || len(parsed.Header) != len(message.Header) {
			t.Fatalf("%+v comes back as %+v", message, parsed)
		}
		for name, values := range message.Header {
			if !slices.Equal(parsed.Header[name], values) {
				t.Fatalf("header %q comes back as %q, was %q", name, parsed.Header[name], values)
			}
		}
	})
}

func FuzzParseLeaf(f *testing.F) {
	f.Add(proof.Leaf(eventlog.Stored{}))
	f.Add(proof.Leaf(eventlog.Stored{Sequence: 7, Message: events.Message{Subject: "s", Header: map[string][]string{"a": {"b", "c"}}, Data: []byte("d")}}))
	f.Add([]byte("posse leaf v1\n"))
	f.Fuzz(func(t *testing.T, leaf []byte) {
		message, err := proof.ParseLeaf(leaf)
		if err == nil && !bytes.Equal(proof.Leaf(message), leaf) {
			t.Errorf("%x is taken for %+v", leaf, message)
		}
	})
}
