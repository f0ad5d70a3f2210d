package events

import (
	"encoding/base64"
	"errors"
	"fmt"
)

// maxPlainToken is the longest id that stands in a subject as it is.
const maxPlainToken = 64

// escape starts a subject token that carries an encoded id. It is legal in a
// NATS subject and is not in the plain alphabet, so the two forms never meet.
const escape = '='

// ErrInvalidToken says that a subject token is not one that EncodeToken makes.
var ErrInvalidToken = errors.New("events: invalid subject token")

// EncodeToken turns an id into one NATS subject token. An id of 1 to 64
// characters from [A-Za-z0-9_-] stands for itself; any other, the empty one
// too, becomes "=" and its base64url form (RFC 4648 §5, no padding). The
// mapping is total and DecodeToken inverts it exactly.
func EncodeToken(id string) string {
	if isPlain(id) {
		return id
	}
	return string(escape) + base64.RawURLEncoding.EncodeToString([]byte(id))
}

// DecodeToken inverts EncodeToken. Exactly one token stands for each id: a
// token that encodes what needs no encoding is refused, so that nobody can
// reach one user's history under two subjects.
func DecodeToken(token string) (string, error) {
	if isPlain(token) {
		return token, nil
	}
	if token == "" || token[0] != escape {
		return "", fmt.Errorf("%w: %q", ErrInvalidToken, token)
	}
	id, err := base64.RawURLEncoding.Strict().DecodeString(token[1:])
	if err != nil {
		return "", fmt.Errorf("%w: %q: %w", ErrInvalidToken, token, err)
	}
	if EncodeToken(string(id)) != token {
		return "", fmt.Errorf("%w: %q is not the canonical form of its id", ErrInvalidToken, token)
	}
	return string(id), nil
}

func isPlain(id string) bool {
	if id == "" || len(id) > maxPlainToken {
		return false
	}
	for i := range len(id) {
		if !isPlainByte(id[i]) {
			return false
		}
	}
	return true
}

func isPlainByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_' || c == '-'
}
