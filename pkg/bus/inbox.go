package bus

import (
	"fmt"

	"github.com/nats-io/nats.go"

	"github.com/posse-pos/posse/events"
)

// ownInbox is the last option of a connection: it awaits answers where nobody else
// may listen, unless it was told where.
func ownInbox(o *nats.Options) (err error) {
	if o.InboxPrefix != "" {
		return nil
	}
	if o.InboxPrefix, err = events.InboxPrefixFor(o.Nkey, o.UserJWT); err != nil {
		return fmt.Errorf("bus: %w", err)
	}
	return nil
}
