package main

import (
	"context"
	"fmt"
	"log/slog"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/posse-pos/posse/pkg/bus"
	"github.com/posse-pos/posse/pkg/process"
	"github.com/posse-pos/posse/services/auditor/proof"
)

// bucketScheme begins a place of checkpoints that is an object store of NATS.
const bucketScheme = "nats-object-store:"

// aboutPlaces says what --checkpoints takes.
const aboutPlaces = "a directory, or " + bucketScheme + "BUCKET@CONTEXT: an object store in the NATS of a context of the nats tool"

// bucketAddress is where an object store is.
type bucketAddress struct{ bucket, context string }

// parseBucketAddress takes an address apart; ok is false for a directory.
func parseBucketAddress(place string) (address bucketAddress, ok bool, err error) {
	rest, ok := strings.CutPrefix(place, bucketScheme)
	if !ok {
		return bucketAddress{}, false, nil
	}
	address.bucket, address.context, _ = strings.Cut(rest, "@")
	if address.bucket == "" || address.context == "" {
		return bucketAddress{}, true, fmt.Errorf("--checkpoints %s: write %sBUCKET@CONTEXT, with the context of the nats tool "+
			"(its name, or the absolute path of its file) for another NATS than that of the history", place, bucketScheme)
	}
	return address, true, nil
}

// busConfig is how to connect to the NATS of an object store.
func (a bucketAddress) busConfig(role string, replicas int, logger *slog.Logger) (bus.Config, error) {
	settings, err := readNATSContext(a.context)
	if err != nil {
		return bus.Config{}, fmt.Errorf("--checkpoints %s%s@%s: %w", bucketScheme, a.bucket, a.context, err)
	}
	n := &node{nats: settings, logger: logger, cmd: &cli.Command{Name: role}}
	config := n.busConfig()
	config.Replicas = replicas
	return config, nil
}

// openPlace opens a place of checkpoints; done closes it.
func openPlace(ctx context.Context, place, role string, replicas int, logger *slog.Logger) (_ proof.Place, done func(), err error) {
	address, isBucket, err := parseBucketAddress(place)
	if err != nil {
		return nil, nil, err
	}
	if !isBucket {
		return proof.Directory(place), func() {}, nil
	}
	config, err := address.busConfig(role, replicas, logger)
	if err != nil {
		return nil, nil, err
	}
	conn, err := bus.Connect(ctx, config)
	if err != nil {
		return nil, nil, err
	}
	return proof.NewBucket(conn, address.bucket), conn.Close, nil
}

// wirePlace opens the place that a role keeps checkpoints in.
func (n *node) wirePlace(ctx context.Context, place string) (proof.Place, error) {
	opened, done, err := openPlace(ctx, place, n.cmd.Name, n.cmd.Int("checkpoints-replicas"), n.logger)
	if err == nil {
		n.onEnd("checkpoints", func() error { done(); return nil })
	}
	return opened, err
}

// openPlaces opens places of checkpoints for a command that does one thing; done
// closes them.
func openPlaces(ctx context.Context, cmd *cli.Command, names ...string) (places []proof.Place, done func(), err error) {
	var opened []func()
	done = func() {
		for _, end := range opened {
			end()
		}
	}
	logger, err := process.NewLogger(cmd.Root().ErrWriter, "warn")
	if err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, connectPatience)
	defer cancel()
	for _, name := range names {
		place, end, err := openPlace(ctx, name, cmd.Name, 1, logger)
		if err != nil {
			done()
			return nil, nil, err
		}
		places, opened = append(places, place), append(opened, end)
	}
	return places, done, nil
}
