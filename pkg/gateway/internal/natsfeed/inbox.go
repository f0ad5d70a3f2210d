package natsfeed

import (
	"github.com/nats-io/nats.go"

	"github.com/posse-pos/posse/events"
)

// ownInbox is the last option of a connection: it awaits answers where nobody else
// may listen, unless it was told where.
func ownInbox(o *nats.Options) (err error) {
	if o.InboxPrefix == "" {
		o.InboxPrefix, err = events.InboxPrefixFor(o.Nkey, o.UserJWT)
	}
	return err
}
