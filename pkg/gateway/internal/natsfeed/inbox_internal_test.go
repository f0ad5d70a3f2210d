package natsfeed

import (
	"encoding/base64"
	"errors"
	"testing"

	"github.com/nats-io/nats.go"
)

func TestAnswersAreAwaitedUnderOnesOwnKey(t *testing.T) {
	t.Parallel()
	jwt := func(claims string) func() (string, error) {
		return func() (string, error) {
			return "e30." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".c2ln", nil
		}
	}
	for name, c := range map[string]struct {
		options nats.Options
		want    string // "" for nats.go's usual place
		fails   bool
	}{
		"nobody in particular": {options: nats.Options{User: "ann"}},
		"nkey":                 {options: nats.Options{Nkey: "UB6RY"}, want: "_INBOX.UB6RY"},
		"credentials":          {options: nats.Options{UserJWT: jwt(`{"sub":"UB6RY"}`)}, want: "_INBOX.UB6RY"},
		"told where to":        {options: nats.Options{Nkey: "UB6RY", InboxPrefix: "elsewhere"}, want: "elsewhere"},
		"no JSON":              {options: nats.Options{UserJWT: jwt("{")}, fails: true},
		"no JWT":               {options: nats.Options{UserJWT: func() (string, error) { return "text", nil }}, fails: true},
		"no file":              {options: nats.Options{UserJWT: func() (string, error) { return "", errors.New("gone") }}, fails: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := ownInbox(&c.options)
			if (err != nil) != c.fails || err == nil && c.options.InboxPrefix != c.want {
				t.Errorf("the prefix is %q, %v; want %q", c.options.InboxPrefix, err, c.want)
			}
		})
	}
}
