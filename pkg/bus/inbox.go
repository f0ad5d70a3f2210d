package bus

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/nats-io/nats.go"

	"github.com/posse-pos/posse/events"
)

// ownInbox is the last option of a connection: one that shows an nkey, by itself
// or in credentials, awaits answers under its public key, unless it was told where.
// That is below the usual place, so that permissions that allow the latter still do.
func ownInbox(o *nats.Options) error {
	if o.InboxPrefix != "" {
		return nil
	}
	user := o.Nkey
	if user == "" && o.UserJWT != nil {
		token, err := o.UserJWT()
		if err != nil {
			return fmt.Errorf("bus: credentials: %w", err)
		}
		if user, err = subjectOf(token); err != nil {
			return fmt.Errorf("bus: credentials: %w", err)
		}
	}
	if user != "" {
		o.InboxPrefix = events.InboxPrefix(user)
	}
	return nil
}

// subjectOf returns whose JWT it is: a user's public nkey. The server verifies it.
func subjectOf(token string) (string, error) {
	var claims struct {
		Subject string `json:"sub"`
	}
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return "", fmt.Errorf("the user's JWT has %d parts, want 3", len(parts))
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err == nil {
		err = json.Unmarshal(payload, &claims)
	}
	if err != nil {
		return "", fmt.Errorf("the user's JWT cannot be read: %w", err)
	}
	return claims.Subject, nil
}
