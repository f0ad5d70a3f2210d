package proof

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/eventlog"
)

// proofVersion begins a proof: c2sp.org/tlog-proof.
const proofVersion = "c2sp.org/tlog-proof@v1"

// MaxProof is the most bytes of a proof: a message of the stream in base64, 64
// hashes and a checkpoint.
const MaxProof = 1 << 20

var errProof = errors.New("proof: this is not a proof")

// Evidence says where the proof of an event comes from.
type Evidence struct {
	Log       eventlog.RawReader // Required.
	Place     Place              // of the checkpoints. Required.
	Dir       string             // of the auditor. Required.
	Verifiers note.Verifiers     // Required.
}

// Prove returns a proof that the event of a sequence is in the log, under the
// first checkpoint that covers it, as a text in the form of c2sp.org/tlog-proof;
// its extra data are the event's leaf, so the proof holds everything that the event
// says. The error is ErrNotFound if there is no such event or no checkpoint of it
// yet.
func Prove(ctx context.Context, from Evidence, sequence uint64) ([]byte, error) {
	signed, c, err := covering(ctx, from, sequence)
	if err != nil {
		return nil, err
	}
	page, err := from.Log.Stored(ctx, events.StreamSessions, sequence, 1)
	if err != nil {
		return nil, err
	}
	if len(page) == 0 || page[0].Sequence != sequence {
		return nil, fmt.Errorf("%w: there is no event %d in the log, though one was signed", eventlog.ErrNotFound, sequence)
	}
	tree, err := readTree(from.Dir)
	if err != nil {
		return nil, err
	}
	defer tree.Close()
	path, err := tlog.ProveRecord(int64(c.Size), int64(sequence-1), tree)
	if err != nil {
		return nil, fmt.Errorf("proof: event %d: %w", sequence, err)
	}
	leaf := Leaf(page[0])
	if err := tlog.CheckRecord(path, int64(c.Size), c.Root, int64(sequence-1), tlog.RecordHash(leaf)); err != nil {
		return nil, fmt.Errorf("proof: event %d is not under the checkpoint of %d; `posse audit verify` says what differs: %w",
			sequence, c.Size, err)
	}
	return formatProof(leaf, sequence-1, path, signed), nil
}

// covering returns the first checkpoint that covers an event.
func covering(ctx context.Context, from Evidence, sequence uint64) ([]byte, Checkpoint, error) {
	sizes, err := from.Place.Sizes(ctx)
	if err != nil {
		return nil, Checkpoint{}, err
	}
	i, _ := slices.BinarySearch(sizes, sequence)
	if sequence == 0 || i == len(sizes) {
		return nil, Checkpoint{}, fmt.Errorf("%w: no checkpoint in %s covers event %d", eventlog.ErrNotFound, from.Place, sequence)
	}
	c, err := readCheckpoint(ctx, from.Place, sizes[i], from.Verifiers)
	if err != nil {
		return nil, Checkpoint{}, err
	}
	signed, err := from.Place.Read(ctx, sizes[i])
	return signed, c, err
}

func formatProof(leaf []byte, index uint64, path tlog.RecordProof, signed []byte) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\nextra %s\nindex %d\n", proofVersion, base64.StdEncoding.EncodeToString(leaf), index)
	for _, hash := range path {
		b.WriteString(base64.StdEncoding.EncodeToString(hash[:]) + "\n")
	}
	b.WriteString("\n")
	b.Write(signed)
	return []byte(b.String())
}

// CheckProof returns the event that a proof is of and the checkpoint that covers
// it. It needs nothing else than the public key, and returns no event whose proof
// fails.
func CheckProof(text []byte, verifiers note.Verifiers) (eventlog.Stored, Checkpoint, error) {
	if len(text) > MaxProof {
		return eventlog.Stored{}, Checkpoint{}, fmt.Errorf("%w: it is larger than %d bytes", errProof, MaxProof)
	}
	p, err := parseProof(string(text))
	if err != nil {
		return eventlog.Stored{}, Checkpoint{}, err
	}
	c, err := OpenCheckpoint([]byte(p.signed), verifiers)
	if err != nil {
		return eventlog.Stored{}, Checkpoint{}, err
	}
	m, err := ParseLeaf(p.leaf)
	if err != nil {
		return eventlog.Stored{}, Checkpoint{}, err
	}
	if p.index >= c.Size || m.Sequence != p.index+1 {
		return eventlog.Stored{}, Checkpoint{}, fmt.Errorf("%w: event %d cannot be leaf %d of %d", errProof, m.Sequence, p.index, c.Size)
	}
	if err := tlog.CheckRecord(p.path, int64(c.Size), c.Root, int64(p.index), tlog.RecordHash(p.leaf)); err != nil {
		return eventlog.Stored{}, Checkpoint{}, fmt.Errorf("proof: event %d is not under the checkpoint of %d: %w", m.Sequence, c.Size, err)
	}
	return m, c, nil
}

// parts are those of a proof, none of them checked.
type parts struct {
	leaf   []byte
	index  uint64
	path   tlog.RecordProof
	signed string
}

func parseProof(text string) (parts, error) {
	head, signed, found := strings.Cut(text, "\n\n")
	lines := strings.Split(head, "\n")
	if !found || len(lines) < 3 || lines[0] != proofVersion {
		return parts{}, fmt.Errorf("%w: it does not begin as %s does", errProof, proofVersion)
	}
	p := parts{signed: signed}
	extra, hasExtra := strings.CutPrefix(lines[1], "extra ")
	index, hasIndex := strings.CutPrefix(lines[2], "index ")
	if !hasExtra || !hasIndex {
		return parts{}, fmt.Errorf("%w: it has no event or no index", errProof)
	}
	var leafErr, indexErr error
	p.leaf, leafErr = base64.StdEncoding.Strict().DecodeString(extra)
	p.index, indexErr = strconv.ParseUint(index, 10, 62)
	if err := errors.Join(leafErr, indexErr); err != nil {
		return parts{}, fmt.Errorf("%w: %w", errProof, err)
	}
	for _, line := range lines[3:] {
		hash, err := tlog.ParseHash(line)
		if err != nil {
			return parts{}, fmt.Errorf("%w: %w", errProof, err)
		}
		if hash.String() != line {
			return parts{}, fmt.Errorf("%w: %q is not how a hash is written", errProof, line)
		}
		p.path = append(p.path, hash)
	}
	return p, nil
}
