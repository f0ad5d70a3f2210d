package natslog

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/nats-io/nats.go/jetstream"
)

// declarePatience is how long New waits for a server that is there but not
// ready, as a cluster is while it elects its leaders.
const declarePatience = 30 * time.Second

// declare brings the streams about. It changes nothing when any of them differs
// and may not be updated.
func (l *Log) declare(ctx context.Context) error {
	wanted := l.config.StreamConfigs()
	existing := make([]*jetstream.StreamInfo, len(wanted))
	var different []Difference
	for i, want := range wanted {
		info, err := retried(ctx, func() (*jetstream.StreamInfo, error) { return l.lookUp(ctx, want.Name) })
		if err != nil {
			return err
		}
		if existing[i] = info; info != nil {
			different = append(different, differences(info.Config, want)...)
		}
	}
	if len(different) > 0 && !l.config.Update {
		return &SettingsError{Differences: different}
	}
	for i, want := range wanted {
		if err := l.bringAbout(ctx, existing[i], want); err != nil {
			return err
		}
	}
	return nil
}

// lookUp returns nil for a stream that does not exist.
func (l *Log) lookUp(ctx context.Context, name string) (*jetstream.StreamInfo, error) {
	ctx, cancel := bounded(ctx, readTimeout)
	defer cancel()
	stream, err := l.js.Stream(ctx, name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil, nil //nolint:nilnil // absence is an answer here, not an error
	}
	if err = l.asked("STREAM.INFO."+name, err); errors.Is(err, ErrDenied) {
		return nil, fmt.Errorf("look up stream %s: %w", name, err)
	}
	if err != nil {
		return nil, unavailable("look up stream "+name, err)
	}
	return stream.CachedInfo(), nil
}

func (l *Log) bringAbout(ctx context.Context, have *jetstream.StreamInfo, want jetstream.StreamConfig) error {
	if have == nil {
		return l.create(ctx, want)
	}
	different := differences(have.Config, want)
	if len(different) == 0 {
		return nil
	}
	want.Placement, want.Metadata = have.Config.Placement, have.Config.Metadata
	_, err := retried(ctx, func() (jetstream.Stream, error) {
		stream, err := l.js.UpdateStream(ctx, want)
		return stream, l.asked("STREAM.UPDATE."+want.Name, err)
	})
	if errors.Is(err, ErrDenied) {
		return fmt.Errorf("update stream %s: %w: %w", want.Name, err, &SettingsError{Differences: different})
	}
	if err != nil {
		return fmt.Errorf("natslog: update stream %s: %w: the server changes some settings only on a new stream; "+
			"back it up and create it anew, or start with the settings it has: %w",
			want.Name, err, &SettingsError{Differences: different})
	}
	l.logger.Warn("stream updated", "stream", want.Name, "differences", different)
	return nil
}

// create also meets another process that creates the same stream.
func (l *Log) create(ctx context.Context, want jetstream.StreamConfig) error {
	stream, err := retried(ctx, func() (jetstream.Stream, error) {
		stream, err := l.js.CreateStream(ctx, want)
		if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
			return l.js.Stream(ctx, want.Name)
		}
		return stream, l.asked("STREAM.CREATE."+want.Name, err)
	})
	if err != nil {
		return fmt.Errorf("natslog: create stream %s: %w", want.Name, err)
	}
	if different := differences(stream.CachedInfo().Config, want); len(different) > 0 {
		return &SettingsError{Differences: different}
	}
	return nil
}

// retried tries for a while what fails because the server is not ready.
func retried[T any](ctx context.Context, do func() (T, error)) (T, error) {
	return backoff.Retry(ctx, func() (T, error) {
		result, err := do()
		if err != nil && (isRefusal(err) || errors.Is(err, ErrDenied)) {
			return result, backoff.Permanent(err)
		}
		return result, err
	}, backoff.WithMaxElapsedTime(declarePatience))
}
