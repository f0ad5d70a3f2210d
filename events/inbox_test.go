package events_test

import (
	"encoding/base64"
	"errors"
	"testing"

	"github.com/posse-pos/posse/events"
)

func TestAnswersAreAwaitedUnderOnesOwnKey(t *testing.T) {
	t.Parallel()
	jwt := func(claims string) func() (string, error) {
		return func() (string, error) {
			return "e30." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".c2ln", nil
		}
	}
	for name, c := range map[string]struct {
		nkey  string
		jwt   func() (string, error)
		want  string
		fails bool
	}{
		"nobody in particular":  {},
		"nkey":                  {nkey: "UB6RY", want: "_INBOX.UB6RY"},
		"credentials":           {jwt: jwt(`{"sub":"UB6RY"}`), want: "_INBOX.UB6RY"},
		"credentials of nobody": {jwt: jwt(`{}`)},
		"no JSON":               {jwt: jwt("{"), fails: true},
		"no JWT":                {jwt: func() (string, error) { return "text", nil }, fails: true},
		"no file":               {jwt: func() (string, error) { return "", errors.New("gone") }, fails: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := events.InboxPrefixFor(c.nkey, c.jwt)
			if (err != nil) != c.fails || got != c.want {
				t.Errorf("the prefix is %q, %v; want %q", got, err, c.want)
			}
		})
	}
}
