package recorder

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"github.com/google/uuid"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/commands"
)

// digest names something by its parts: other parts, another name.
func digest(parts ...string) string {
	h := sha256.New()
	var length [8]byte
	for _, part := range parts {
		binary.BigEndian.PutUint64(length[:], uint64(len(part)))
		h.Write(length[:])
		h.Write([]byte(part))
	}
	return hex.EncodeToString(h.Sum(nil)[:20])
}

func newID() string { return uuid.Must(uuid.NewV7()).String() }

// callerKey names an idempotency key among those of all callers. A caller is
// the same one after its token was refreshed or its session changed.
func callerKey(c commands.Caller) string {
	p := c.Principal
	return digest("idempotency", p.Tenant, p.Kind.String(), p.User, p.KeyID, c.IdempotencyKey)
}

// commandID is the same when a command is repeated with its idempotency key.
func commandID(c commands.Caller) string {
	if c.IdempotencyKey == "" {
		return newID()
	}
	return "k-" + callerKey(c)
}

// fingerprint is the same for commands that say the same.
func fingerprint(name string, command any) (string, error) {
	content, err := json.Marshal(command)
	if err != nil {
		return "", fmt.Errorf("recorder: fingerprint of %s: %w", name, err)
	}
	return digest(name, string(content)), nil
}

// revokedID is the event id of the end of a session by a command: ending it
// again by the same command is the same fact.
func revokedID(command string, key events.Key) string {
	return "r-" + digest(command, key.Tenant, key.User, key.Session)
}

// idOf gives a decision's facts their event ids: own for the one that the
// command is about.
func idOf(own string) func(events.Event) string {
	return func(e events.Event) string {
		if r, ok := e.(events.Revoked); ok {
			return revokedID(r.CommandID, r.Key)
		}
		return own
	}
}
