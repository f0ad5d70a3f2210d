package proof

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/posse-pos/posse/events"
)

// Checkpoint is a state of the tree to which its signer is held: from then on the
// log must extend it.
type Checkpoint struct {
	Origin   string // which log; the name of the key that signs
	Size     uint64 // leaves
	Root     tlog.Hash
	Created  time.Time // when the stream was created
	Previous uint64    // size of the checkpoint before, 0 for none
	Signed   time.Time // by the auditor's clock
}

// text is the text of the note, in the form of c2sp.org/tlog-checkpoint with three
// extension lines:
//
//	example.com/pos
//	4711
//	CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=
//	stream POS_SESSIONS 2026-05-04T03:02:01.000000001Z
//	previous 4700
//	signed 2026-06-05T04:03:02Z
func (c Checkpoint) text() string {
	return fmt.Sprintf("%s\n%d\n%s\nstream %s %s\nprevious %d\nsigned %s\n",
		c.Origin, c.Size, base64.StdEncoding.EncodeToString(c.Root[:]),
		events.StreamSessions, c.Created.UTC().Format(time.RFC3339Nano), c.Previous, c.Signed.UTC().Format(time.RFC3339))
}

// sign returns the checkpoint as a signed note.
func (c Checkpoint) sign(signer note.Signer) ([]byte, error) {
	signed, err := note.Sign(&note.Note{Text: c.text()}, signer)
	if err != nil {
		return nil, fmt.Errorf("proof: sign the checkpoint of %d: %w", c.Size, err)
	}
	return signed, nil
}

// OpenCheckpoint returns what a signed note says. It is an error if none of the
// verifiers signed it, or another log's key did.
func OpenCheckpoint(signed []byte, verifiers note.Verifiers) (Checkpoint, error) {
	opened, err := note.Open(signed, verifiers)
	if err != nil {
		return Checkpoint{}, fmt.Errorf("proof: checkpoint: %w", err)
	}
	c, err := parseCheckpoint(opened.Text)
	if err != nil {
		return Checkpoint{}, err
	}
	for _, signature := range opened.Sigs {
		if signature.Name == c.Origin {
			return c, nil
		}
	}
	return Checkpoint{}, fmt.Errorf("proof: checkpoint: it is of the log %q, whose key did not sign it", c.Origin)
}

// parseCheckpoint reads what text wrote, and nothing else.
func parseCheckpoint(text string) (Checkpoint, error) {
	lines := strings.Split(text, "\n")
	if len(lines) != 7 {
		return Checkpoint{}, fmt.Errorf("proof: checkpoint: it has %d lines, want 6", len(lines)-1)
	}
	c := Checkpoint{Origin: lines[0]}
	root, rootErr := base64.StdEncoding.Strict().DecodeString(lines[2])
	if len(root) != tlog.HashSize {
		rootErr = errors.Join(rootErr, errors.New("root is not 32 bytes"))
	}
	copy(c.Root[:], root)
	var sizeErr, createdErr, previousErr, signedErr error
	c.Size, sizeErr = strconv.ParseUint(lines[1], 10, 63)
	c.Created, createdErr = time.Parse(time.RFC3339Nano, strings.TrimPrefix(lines[3], "stream "+events.StreamSessions+" "))
	c.Previous, previousErr = strconv.ParseUint(strings.TrimPrefix(lines[4], "previous "), 10, 63)
	c.Signed, signedErr = time.Parse(time.RFC3339, strings.TrimPrefix(lines[5], "signed "))
	if err := errors.Join(sizeErr, rootErr, createdErr, previousErr, signedErr); err != nil {
		return Checkpoint{}, fmt.Errorf("proof: checkpoint: %w", err)
	}
	if c.text() != text {
		return Checkpoint{}, errors.New("proof: checkpoint: it is not written as posse writes them")
	}
	return c, nil
}
