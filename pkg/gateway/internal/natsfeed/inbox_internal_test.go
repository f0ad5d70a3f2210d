package natsfeed

import (
	"errors"
	"testing"

	"github.com/nats-io/nats.go"
)

func TestAnswersAreAwaitedUnderOnesOwnKey(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		options nats.Options
		want    string // "" for nats.go's usual place
	}{
		"nobody in particular": {nats.Options{User: "ann"}, ""},
		"nkey":                 {nats.Options{Nkey: "UB6RY"}, "_INBOX.UB6RY"},
		"told where to":        {nats.Options{Nkey: "UB6RY", InboxPrefix: "elsewhere"}, "elsewhere"},
	} {
		if err := ownInbox(&c.options); err != nil || c.options.InboxPrefix != c.want {
			t.Errorf("%s: the prefix is %q, %v; want %q", name, c.options.InboxPrefix, err, c.want)
		}
	}
	none := nats.Options{UserJWT: func() (string, error) { return "", errors.New("gone") }}
	if ownInbox(&none) == nil {
		t.Error("credentials that cannot be read are no reason to refuse")
	}
}
