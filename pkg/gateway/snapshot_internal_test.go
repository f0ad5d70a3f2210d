package gateway

import (
	"bytes"
	"crypto/sha256"
	"testing"

	"github.com/posse-pos/posse/pkg/gateway/internal/denyset"
)

func FuzzSnapshot(f *testing.F) {
	set := denyset.New()
	set.Add("shop", "s1", 1)
	set.Add("other", "s1", 2)
	var file bytes.Buffer
	if err := encodeSnapshot(&file, snapshotHeader{Applied: 7}, set); err != nil {
		f.Fatal(err)
	}
	f.Add(file.Bytes()[:file.Len()-sha256.Size])
	f.Add([]byte(snapshotMagic + "{}\n\x01\x01"))
	f.Fuzz(func(t *testing.T, body []byte) {
		sum := sha256.Sum256(body)
		header, set, err := decodeSnapshot(append(body, sum[:]...))
		if err == nil && set.Len() != header.Entries {
			t.Errorf("%d entries are said to be %d", set.Len(), header.Entries)
		}
	})
}
