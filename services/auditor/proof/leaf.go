package proof

import (
	"bytes"
	"encoding/binary"
	"errors"
	"maps"
	"slices"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/eventlog"
)

// leafVersion begins every leaf, so that another encoding can never be taken for
// this one.
const leafVersion = "posse leaf v1\n"

var errLeaf = errors.New("proof: these bytes are not a stored message")

// Leaf returns the bytes of a stored message that are hashed: everything that the
// stream holds of it, in an encoding that no two messages share.
//
//	"posse leaf v1\n"
//	sequence                     8 bytes, big-endian as all numbers
//	stored                       8 bytes, ns since 1970
//	subject                      text
//	number of header lines       4 bytes
//	per line: name, value        text, text; by name, then in the order stored
//	payload                      text
//
// where a text is its length in 4 bytes and then itself.
func Leaf(m eventlog.Stored) []byte {
	b := make([]byte, 0, len(leafVersion)+512+len(m.Data))
	b = append(b, leafVersion...)
	b = binary.BigEndian.AppendUint64(b, m.Sequence)
	b = binary.BigEndian.AppendUint64(b, uint64(m.Time.UnixNano()))
	b = appendText(b, m.Subject)
	lines := 0
	for _, values := range m.Header {
		lines += len(values)
	}
	b = binary.BigEndian.AppendUint32(b, uint32(lines))
	for _, name := range slices.Sorted(maps.Keys(m.Header)) {
		for _, value := range m.Header[name] {
			b = appendText(appendText(b, name), value)
		}
	}
	return appendText(b, m.Data)
}

func appendText[T ~string | ~[]byte](b []byte, text T) []byte {
	return append(binary.BigEndian.AppendUint32(b, uint32(len(text))), text...)
}

// leafHash is what the tree holds of a message.
func leafHash(m eventlog.Stored) tlog.Hash { return tlog.RecordHash(Leaf(m)) }

// ParseLeaf returns the message of a leaf. Bytes that Leaf would not have made of
// it are an error.
func ParseLeaf(leaf []byte) (eventlog.Stored, error) {
	rest, ok := bytes.CutPrefix(leaf, []byte(leafVersion))
	if !ok || len(rest) < 16 {
		return eventlog.Stored{}, errLeaf
	}
	m := eventlog.Stored{
		Sequence: binary.BigEndian.Uint64(rest),
		Time:     time.Unix(0, int64(binary.BigEndian.Uint64(rest[8:]))).UTC(),
	}
	reader := leafReader{rest: rest[16:]}
	m.Message = events.Message{Subject: string(reader.text()), Header: map[string][]string{}}
	for lines := reader.number(); lines > 0 && !reader.failed; lines-- {
		name := string(reader.text())
		m.Header[name] = append(m.Header[name], string(reader.text()))
	}
	m.Data = reader.text()
	if reader.failed || !bytes.Equal(Leaf(m), leaf) {
		return eventlog.Stored{}, errLeaf
	}
	return m, nil
}

// leafReader takes a leaf apart; failed says that it was too short.
type leafReader struct {
	rest   []byte
	failed bool
}

func (r *leafReader) number() uint32 {
	if len(r.rest) < 4 {
		r.failed, r.rest = true, nil
		return 0
	}
	n := binary.BigEndian.Uint32(r.rest)
	r.rest = r.rest[4:]
	return n
}

func (r *leafReader) text() []byte {
	length := r.number()
	if uint64(length) > uint64(len(r.rest)) {
		r.failed, r.rest = true, nil
		return nil
	}
	text := r.rest[:length]
	r.rest = r.rest[length:]
	return text
}
