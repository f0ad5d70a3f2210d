package events

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
)

// InboxPrefix begins the subjects on which a NATS user awaits answers, so that
// permissions can keep every other user from listening there. The user is its
// public nkey, such as "UB6RY…".
func InboxPrefix(user string) string { return inboxPrefix + user }

// InboxPrefixFor returns the InboxPrefix of whoever connects with an nkey or with a
// function that returns a user's JWT, as credentials have it: "" for neither. Below
// the usual place as it is, permissions that allow the latter still do. The JWT is
// read and not verified, which is for the server to do.
func InboxPrefixFor(nkey string, userJWT func() (string, error)) (string, error) {
	if nkey == "" && userJWT != nil {
		token, err := userJWT()
		if err == nil {
			nkey, err = userOf(token)
		}
		if err != nil {
			return "", fmt.Errorf("read credentials: %w", err)
		}
	}
	if nkey == "" {
		return "", nil
	}
	return InboxPrefix(nkey), nil
}

// userOf returns whose JWT it is: a user's public nkey.
func userOf(token string) (string, error) {
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
