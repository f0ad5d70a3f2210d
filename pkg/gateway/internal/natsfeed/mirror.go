package natsfeed

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/posse-pos/posse/events"
)

const (
	// originTimeout is short: the reader reads nothing meanwhile.
	originTimeout = 500 * time.Millisecond
	// originPause is how long an origin that did not answer is not asked again.
	originPause = time.Second
)

// origin is the stream that a mirror is of. A store's own server mirrors
// POS_REVOCATIONS from a hub, and where a mirror ends proves nothing: what it
// receives next may have waited on the line. So the hub is asked, in the numbers
// that both streams share.
type origin struct {
	feed  *Feed
	away  bool
	until time.Time // when it is asked again
}

// end returns the last sequence of the stream that info is of, or of its origin if
// it is a mirror. It is not known while the origin is away, and an error if the
// mirror is not of the stream that the hub has now.
func (o *origin) end(ctx context.Context, info *jetstream.StreamInfo) (last uint64, known bool, err error) {
	mirror := info.Config.Mirror
	if mirror == nil || mirror.External == nil {
		return info.State.LastSeq, true, nil
	}
	if time.Now().Before(o.until) {
		return 0, false, nil
	}
	hub, err := o.ask(ctx, mirror)
	o.note(ctx, err)
	if err != nil {
		o.until = time.Now().Add(originPause)
		return 0, false, nil //nolint:nilerr // without an answer there is no proof, and the mirror is read on
	}
	if of := info.Config.Metadata[events.MetadataOriginCreated]; of != hub.Created.UTC().Format(time.RFC3339Nano) {
		return 0, false, fmt.Errorf("%s is a mirror of the stream that was created at %q, and the hub's was created at %s: "+
			"make the mirror anew with `posse doctor --streams --mirror-of DOMAIN --apply`",
			events.StreamRevocations, of, hub.Created.UTC().Format(time.RFC3339Nano))
	}
	return hub.State.LastSeq, true, nil
}

func (o *origin) ask(ctx context.Context, mirror *jetstream.StreamSource) (*jetstream.StreamInfo, error) {
	ctx, cancel := context.WithTimeout(ctx, originTimeout)
	defer cancel()
	js, err := jetstream.NewWithAPIPrefix(o.feed.conn, mirror.External.APIPrefix)
	if err != nil {
		return nil, err
	}
	stream, err := js.Stream(ctx, mirror.Name)
	if err != nil {
		return nil, err
	}
	return stream.CachedInfo(), nil
}

// note logs that the origin went away or came back.
func (o *origin) note(ctx context.Context, err error) {
	switch {
	case err != nil && !o.away:
		o.feed.log.WarnContext(ctx, "the hub cannot be asked how old its mirror is", slog.Any("error", err))
	case err == nil && o.away:
		o.feed.log.InfoContext(ctx, "the hub answers again")
	}
	o.away = err != nil
}
