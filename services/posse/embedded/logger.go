package embedded

import (
	"context"
	"fmt"
	"log/slog"
)

// natsLogger hands the server's lines to slog. What it notices as it starts and
// stops is of interest only to somebody who debugs.
type natsLogger struct {
	ctx    context.Context //nolint:containedctx // nats-server logs without one
	logger *slog.Logger
}

func (l natsLogger) log(level slog.Level, format string, values []any) {
	if l.logger.Enabled(l.ctx, level) {
		l.logger.Log(l.ctx, level, "nats-server says", slog.String("line", fmt.Sprintf(format, values...)))
	}
}

func (l natsLogger) Noticef(format string, v ...any) { l.log(slog.LevelDebug, format, v) }
func (l natsLogger) Warnf(format string, v ...any)   { l.log(slog.LevelWarn, format, v) }
func (l natsLogger) Fatalf(format string, v ...any)  { l.log(slog.LevelError, format, v) }
func (l natsLogger) Errorf(format string, v ...any)  { l.log(slog.LevelError, format, v) }
func (l natsLogger) Debugf(format string, v ...any)  { l.log(slog.LevelDebug, format, v) }
func (l natsLogger) Tracef(format string, v ...any)  { l.log(slog.LevelDebug, format, v) }
