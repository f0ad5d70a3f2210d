package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/urfave/cli/v3"

	"github.com/posse-pos/posse/pkg/bus"
	"github.com/posse-pos/posse/pkg/eventlog/natslog"
	"github.com/posse-pos/posse/pkg/process"
	"github.com/posse-pos/posse/services/posse/embedded"
)

// auditLogFlags say where the log is.
func auditLogFlags() []cli.Flag {
	return flags(natsFlags(), group("NATS",
		text("data", "", "data directory of a posse serve that is stopped, or a copy of it, to read the log in")))
}

// openLogOnce opens the log for a command that does one thing; done closes it.
func openLogOnce(ctx context.Context, cmd *cli.Command) (log *natslog.Log, done func(), err error) {
	logger, err := process.NewLogger(cmd.Root().ErrWriter, "warn")
	if err != nil {
		return nil, nil, err
	}
	conn, done, err := connectToLog(ctx, cmd, logger)
	if err != nil {
		return nil, nil, err
	}
	log, err = natslog.Open(ctx, conn, natslog.Config{Source: "/posse/audit", Logger: logger})
	if err != nil {
		done()
		return nil, nil, err
	}
	return log, done, nil
}

func connectToLog(ctx context.Context, cmd *cli.Command, logger *slog.Logger) (conn *bus.Conn, done func(), err error) {
	if dir := cmd.String("data"); dir != "" {
		return connectWithin(ctx, cmd, logger, dir)
	}
	if conn, err = connectOnce(ctx, cmd); err != nil {
		return nil, nil, err
	}
	return conn, conn.Close, nil
}

// connectWithin starts a NATS on a data directory that no posse uses.
func connectWithin(ctx context.Context, cmd *cli.Command, logger *slog.Logger, dir string) (conn *bus.Conn, done func(), err error) {
	nats, err := openNATSSettings(cmd)
	if err != nil {
		return nil, nil, err
	}
	if nats != (natsSettings{}) {
		return nil, nil, errors.New("--data and --nats (or another --nats-… flag, or their variables) are both set: where is the log?")
	}
	if _, err := os.Stat(filepath.Join(dir, "nats")); err != nil {
		return nil, nil, fmt.Errorf("--data: there is no log in %s: %w", dir, err)
	}
	server, err := embedded.Start(context.WithoutCancel(ctx), embedded.Config{Dir: dir, Logger: logger})
	if err != nil {
		return nil, nil, fmt.Errorf("--data: %w", err)
	}
	closeServer := func() {
		if err := server.Close(); err != nil {
			logger.Warn("the data directory was not left in order", slog.Any("error", err))
		}
	}
	ctx, cancel := context.WithTimeout(ctx, connectPatience)
	defer cancel()
	conn, err = bus.Connect(ctx, bus.Config{URL: server.URL(), Name: "posse " + cmd.Name, Logger: logger})
	if err != nil {
		closeServer()
		return nil, nil, err
	}
	return conn, func() { conn.Close(); closeServer() }, nil
}
