package main

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/posse-pos/posse/pkg/bus"
	"github.com/posse-pos/posse/pkg/eventlog"
	"github.com/posse-pos/posse/pkg/eventlog/natslog"
	"github.com/posse-pos/posse/services/recorder"
)

// streamsRetry is how often a role looks for streams that are not there yet.
const streamsRetry = 250 * time.Millisecond

var errDisconnected = errors.New("is not connected")

// natsFlags say how to reach NATS.
func natsFlags() []cli.Flag { return natsFlagsOr(bus.DefaultURL) }

// natsFlagsOr say where NATS is if the flags do not.
func natsFlagsOr(otherwise string) []cli.Flag {
	return group("NATS",
		secret("nats", "URL of the NATS servers, separated by commas (default: "+otherwise+")"),
		text("nats-context", "", "context of the nats tool to connect with, instead of all the flags below and --nats"),
		text("nats-creds", "", "file with the credentials (JWT and key) to connect with"),
		text("nats-nkey", "", "file with the nkey seed to connect with"),
		text("nats-ca", "", "file with the certificates, in PEM, that NATS must show one of"),
		text("nats-cert", "", "file with the certificate, in PEM, to connect with"),
		text("nats-key", "", "file with the key of --nats-cert"),
	)
}

// streamFlags say how the streams are to be.
func streamFlags() []cli.Flag {
	return group("NATS",
		replicasFlag(),
		toggle("update-streams", "bring streams whose settings differ into line instead of refusing to start"),
	)
}

func replicasFlag() cli.Flag {
	return number("replicas", 1, "copies of each stream: 1, 3 or 5 servers of the cluster")
}

// connect connects to NATS, and keeps trying until ctx ends.
func (n *node) connect(ctx context.Context, config bus.Config) (*bus.Conn, error) {
	conn, err := bus.Connect(ctx, config)
	if err != nil {
		return nil, err
	}
	n.add("nats", func(ctx context.Context) error {
		<-ctx.Done()
		conn.Close()
		return nil
	}, func() error {
		if !conn.Healthy() {
			return errDisconnected
		}
		return nil
	})
	return conn, nil
}

// openLog opens the log, and waits for the recorder that makes its streams.
func (n *node) openLog(ctx context.Context, conn *bus.Conn) (*natslog.Log, error) {
	waited := false
	for {
		log, err := natslog.Open(ctx, conn, n.logConfig())
		if err == nil || !errors.Is(err, eventlog.ErrNotFound) && !errors.Is(err, eventlog.ErrUnavailable) {
			return log, err
		}
		if !waited {
			n.logger.WarnContext(ctx, "waiting for the streams, which a recorder makes", slog.Any("error", err))
			waited = true
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(streamsRetry):
		}
	}
}

// declareLog opens the log and makes its streams if they are missing.
func (n *node) declareLog(ctx context.Context, conn *bus.Conn, policies recorder.Policies) (*natslog.Log, error) {
	config := forStreams(n.cmd, n.logConfig(), policies)
	config.Update = n.cmd.Bool("update-streams")
	return natslog.New(ctx, conn, config)
}

// forStreams adds what the streams' settings follow from.
func forStreams(cmd *cli.Command, config natslog.Config, policies recorder.Policies) natslog.Config {
	config.Replicas = cmd.Int("replicas")
	config.TouchMaxAge = max(natslog.DefaultTouchMaxAge, longestLifetime(policies))
	return config
}

func (n *node) logConfig() natslog.Config {
	return natslog.Config{Source: "/posse/" + n.cmd.Name, Logger: n.logger, Metrics: n.registry}
}
