package natslog

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/bus"
)

// mirrorPrefix begins the subjects on which a hub delivers to a mirror.
const mirrorPrefix = "pos.v1.mirror.store"

// MirrorConfig returns POS_REVOCATIONS as a store's own server mirrors it from the
// hub whose JetStream domain is named, in the form that `nats stream add --config`
// takes. It asks the hub, since the mirror remembers which stream it is of: the
// numbers of a stream that was made anew begin again, and a mirror does not notice.
func (c Config) MirrorConfig(ctx context.Context, conn *bus.Conn, domain string) (jetstream.StreamConfig, error) {
	created, err := originCreated(ctx, conn, domain)
	if err != nil {
		return jetstream.StreamConfig{}, err
	}
	mirror := c.withDefaults().revocations()
	mirror.Description = "posse: what gateways refuse, as the hub has it; a mirror"
	mirror.Subjects, mirror.Duplicates, mirror.AllowDirect, mirror.AllowAtomicPublish = nil, 0, false, false
	mirror.RePublish = nil // gateways hear the hub's
	mirror.Mirror = &jetstream.StreamSource{
		Name:     events.StreamRevocations,
		External: &jetstream.ExternalStream{APIPrefix: "$JS." + domain + ".API", DeliverPrefix: mirrorPrefix},
	}
	mirror.Metadata = map[string]string{events.MetadataOriginCreated: created.UTC().Format(time.RFC3339Nano)}
	return mirror, nil
}

func originCreated(ctx context.Context, conn *bus.Conn, domain string) (time.Time, error) {
	js, err := jetstream.NewWithDomain(conn.JetStream().Conn(), domain)
	if err != nil {
		return time.Time{}, fmt.Errorf("natslog: JetStream domain %q: %w", domain, err)
	}
	info, err := (&Log{js: js}).info(ctx, events.StreamRevocations)
	if err != nil {
		return time.Time{}, fmt.Errorf("in the JetStream domain %q: %w", domain, err)
	}
	return info.Created, nil
}

// Mirror makes the mirror that MirrorConfig describes. One of a stream that the hub
// does not have any more is made anew.
func Mirror(ctx context.Context, conn *bus.Conn, config Config, mirror jetstream.StreamConfig) error {
	l, err := newLog(conn, config)
	if err != nil {
		return err
	}
	have, err := l.lookUp(ctx, mirror.Name)
	if err != nil {
		return err
	}
	if have != nil && have.Config.Metadata[events.MetadataOriginCreated] != mirror.Metadata[events.MetadataOriginCreated] {
		if have.Config.Mirror == nil {
			return errors.New("natslog: there is a stream " + mirror.Name + " that is no mirror: is this the server of a store?")
		}
		if err := l.js.DeleteStream(ctx, mirror.Name); err != nil {
			return fmt.Errorf("natslog: delete the mirror of a stream that is gone: %w", err)
		}
		have = nil
	}
	if have != nil {
		return l.bringAbout(ctx, have, mirror)
	}
	return l.createAfterDelete(ctx, mirror)
}

// createAfterDelete creates a stream whose predecessor may have been deleted a moment
// ago: the server answers before it has removed the empty directories of an account,
// and cannot make a stream in one that goes.
func (l *Log) createAfterDelete(ctx context.Context, want jetstream.StreamConfig) error {
	_, err := backoff.Retry(ctx, func() (struct{}, error) {
		err := l.create(ctx, want)
		if err != nil && !hasCode(err, codeNotCreated) {
			err = backoff.Permanent(err)
		}
		return struct{}{}, err
	}, backoff.WithMaxElapsedTime(declarePatience))
	return err
}
