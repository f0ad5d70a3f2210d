package conformance

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// stream is an answer that goes on.
type stream struct {
	answer

	ended chan struct{} // closed when it does
	close func()        // ends it, and waits for that
}

// playStreams has two people hold an event stream each, and revokes one of them. That is
// for gateways that carry connections: those whose answer is that of the upstream.
func playStreams(ctx context.Context, x *examination) error {
	all, err := x.signIn(ctx, x.people.newKey(user), x.people.newKey(user))
	if err != nil {
		return err
	}
	ended, err := x.holdStream(ctx, all[0])
	if err != nil {
		return err
	}
	defer ended.close()
	kept, err := x.holdStream(ctx, all[1])
	if err != nil {
		return err
	}
	defer kept.close()
	if _, err := x.revoke(ctx, all[0]); err != nil {
		return err
	}
	revoked := time.Now()
	patience := time.NewTimer(revokedWithin + x.config.Patience)
	defer patience.Stop()
	select {
	case <-ended.ended:
	case <-patience.C:
		return fmt.Errorf("an event stream of a revoked session is still open after %s", round(time.Since(revoked)))
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	took := time.Since(revoked)
	select {
	case <-kept.ended:
		return errors.New("a session was revoked, and the event stream of another one ended")
	default:
	}
	x.judge("G24", nil, "an event stream ended after "+round(took))
	return nil
}

// holdStream opens an event stream. The error is a leftOut if the gateway passes none on.
func (x *examination) holdStream(ctx context.Context, who someone) (*stream, error) {
	for deadline := time.Now().Add(x.config.Patience); ; {
		s := x.openStream(ctx, "Bearer "+who.token)
		switch {
		case s.admitted() && s.header.Get(headerUpstream) != "":
			return s, nil
		case s.admitted():
			s.close()
			return nil, leftOut("its answer is not POSSE_UPSTREAM's, so that it carries no connections")
		}
		s.close()
		if s.status != 0 && s.status != http.StatusServiceUnavailable || time.Now().After(deadline) {
			return nil, fmt.Errorf("a good token asks for an event stream and is answered %s", s.answer)
		}
		if err := pause(ctx, pollEvery); err != nil {
			return nil, err
		}
	}
}

// openStream asks for an event stream. Its answer has no body.
func (a *asker) openStream(ctx context.Context, authorization string) *stream {
	ctx, cancel := context.WithCancel(ctx)
	late := time.AfterFunc(askTimeout, cancel)
	failed := func(err error) *stream {
		late.Stop()
		cancel()
		return &stream{answer: answer{failed: withoutURL(err)}, close: func() {}}
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, a.url, http.NoBody)
	if err != nil {
		return failed(err)
	}
	request.Header.Set("Authorization", authorization)
	request.Header.Set("Accept", typeEventStream)
	client := *a.client
	client.Timeout = 0                  // for the whole of an answer, which this one does not have
	response, err := client.Do(request) //nolint:bodyclose // who reads the stream closes it
	if err != nil {
		return failed(err)
	}
	late.Stop()
	s := &stream{answer: answer{status: response.StatusCode, header: response.Header}, ended: make(chan struct{})}
	go func() {
		defer close(s.ended)
		defer response.Body.Close()
		_, _ = io.Copy(io.Discard, response.Body)
	}()
	s.close = func() { cancel(); <-s.ended }
	return s
}
