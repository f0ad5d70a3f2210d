package history

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/posse-pos/posse/services/auditor/replay"
)

var (
	// errDone ends the watch over an answer that came to its end.
	errDone = errors.New("history: the answer is complete")
	// errNotAllowed ends an answer whose reader may no longer read.
	errNotAllowed = errors.New("history: the reader may no longer read")
)

// deliver writes the answer, and breaks the connection off if it is not whole. It
// panics for that, as net/http wants it (http.ErrAbortHandler).
func (s *Service) deliver(ctx context.Context, prepared *replay.Prepared, out *output, allowed func(context.Context) bool) {
	ctx, cancel := context.WithCancelCause(ctx)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		s.watch(ctx, cancel, out, allowed)
	}()
	done, err := prepared.Run(ctx)
	how := outcome(ctx, out, err)
	cancel(errDone)
	<-watched
	s.metrics.ended.WithLabelValues(how).Inc()
	if out.events() {
		s.endEvents(out, how)
	} else if how != endedComplete {
		s.config.Logger.WarnContext(ctx, "an answer was broken off", slog.String("why", how),
			slog.Uint64("sequence", done.At), slog.Any("error", err))
		panic(http.ErrAbortHandler)
	}
}

// watch ends the answer of a reader who may no longer read, and keeps a silent stream
// of events alive.
func (s *Service) watch(ctx context.Context, cancel context.CancelCauseFunc, out *output, allowed func(context.Context) bool) {
	check := time.NewTicker(s.config.CheckEvery)
	defer check.Stop()
	heartbeat := time.NewTicker(s.config.Heartbeat)
	defer heartbeat.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-check.C:
			if !allowed(ctx) && ctx.Err() == nil {
				cancel(errNotAllowed)
			}
		case <-heartbeat.C:
			if !out.events() {
				continue
			}
			if err := out.comment(); err != nil {
				cancel(err)
			}
		}
	}
}

// outcome says how an answer ended.
func outcome(ctx context.Context, out *output, err error) string {
	failure := out.failed()
	switch {
	case errors.Is(context.Cause(ctx), errNotAllowed):
		return endedNotAllowed
	case errors.Is(failure, os.ErrDeadlineExceeded):
		return endedSlow
	case failure != nil, ctx.Err() != nil:
		return endedByClient
	case err != nil:
		return endedByLog
	default:
		return endedComplete
	}
}

// endEvents says what a client cannot know otherwise. After everything else a
// browser connects again, and goes on where it was.
func (s *Service) endEvents(out *output, how string) {
	reason := how
	switch how {
	case endedComplete:
		reason = "limit"
	case endedNotAllowed:
	default:
		return
	}
	if err := out.end(reason); err != nil {
		s.config.Logger.Debug("the end of a stream was not written", slog.Any("error", err))
	}
}
