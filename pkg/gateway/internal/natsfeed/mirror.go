package natsfeed

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/posse-pos/posse/events"
)

const (
	// originTimeout is short: the reader reads nothing meanwhile.
	originTimeout = time.Second
	// originPause is how long an origin that let the reader wait in vain is not asked
	// again.
	originPause = time.Second
)

// origin is the stream that a mirror is of. A store's own server mirrors
// POS_REVOCATIONS from a hub, and where a mirror ends proves nothing: what it
// receives next may have waited on the line. So the hub is asked, in the numbers
// that both streams share.
//
// Nor is a mirror as quick as the line. A nats-server that asked the hub for its
// messages while the line was cut waits for the answer for 30 s and then pauses, the
// longer the more often it asked: for two minutes at last, whatever becomes of the
// line. What the mirror does not have is read at the hub.
type origin struct {
	source // the hub's; none unless mirrored

	log      *slog.Logger
	mirrored bool
	away     bool // it did not answer the last time
	ahead    bool // it had more than the mirror when both were asked
	until    time.Time
}

// learn sees from the stream whether it is a mirror, and of what.
func (o *origin) learn(conn *nats.Conn, info *jetstream.StreamInfo) {
	mirror := info.Config.Mirror
	o.mirrored, o.ahead = mirror != nil && mirror.External != nil, false
	if !o.mirrored {
		o.source, o.away = source{}, false
		return
	}
	o.api = strings.TrimSuffix(mirror.External.APIPrefix, ".") + "."
	// Of what it checks there is but the prefix, which is not empty.
	o.js, _ = jetstream.NewWithAPIPrefix(conn, o.api)
}

// end returns the last sequence of the stream that info is of, or of its origin if
// it is a mirror. It is not known while the origin is away, and an error if the
// mirror is not of the stream that the hub has now, or nothing is to be heard of it.
func (o *origin) end(ctx context.Context, info *jetstream.StreamInfo) (last uint64, known bool, err error) {
	if !o.mirrored {
		return info.State.LastSeq, true, speaks(info)
	}
	if time.Now().Before(o.until) {
		return 0, false, nil
	}
	hub, err := o.ask(ctx)
	o.note(ctx, err)
	if err != nil {
		return 0, false, nil //nolint:nilerr // without an answer there is no proof, and the mirror is read on
	}
	if of := info.Config.Metadata[events.MetadataOriginCreated]; of != hub.Created.UTC().Format(time.RFC3339Nano) {
		return 0, false, fmt.Errorf("%s is a mirror of the stream that was created at %q, and the hub's was created at %s: "+
			"make the mirror anew with `posse doctor --streams --mirror-of DOMAIN --apply`",
			events.StreamRevocations, of, hub.Created.UTC().Format(time.RFC3339Nano))
	}
	o.ahead = hub.State.LastSeq > info.State.LastSeq
	return hub.State.LastSeq, true, speaks(hub)
}

// speaks is errSilent if a stream does not publish again what it stores.
func speaks(info *jetstream.StreamInfo) error {
	if info.Config.RePublish == nil {
		return errSilent
	}
	return nil
}

func (o *origin) ask(ctx context.Context) (*jetstream.StreamInfo, error) {
	ctx, cancel := context.WithTimeout(ctx, originTimeout)
	defer cancel()
	stream, err := o.js.Stream(ctx, events.StreamRevocations)
	if err != nil {
		return nil, err
	}
	return stream.CachedInfo(), nil
}

// note takes note that the origin went away or came back.
func (o *origin) note(ctx context.Context, err error) {
	switch {
	case err != nil && !o.away:
		o.log.WarnContext(ctx, "the hub cannot be asked how old its mirror is", slog.Any("error", err))
	case err == nil && o.away:
		o.log.InfoContext(ctx, "the hub answers again")
	}
	o.away = err != nil
	// While the store's server has no line it says so at once.
	if err != nil && !errors.Is(err, nats.ErrNoResponders) {
		o.until = time.Now().Add(originPause)
	}
}
