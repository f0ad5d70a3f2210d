package query

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/posse-pos/posse/pkg/principal"
	"github.com/posse-pos/posse/services/query/changes"
)

const (
	// writeTimeout is how long a client may take to read an event.
	writeTimeout = 10 * time.Second
	// retryAfter is how long a browser waits before it connects again.
	retryAfter = 2 * time.Second
)

// stream writes server-sent events (WHATWG HTML §9.2).
type stream struct {
	w          io.Writer
	controller *http.ResponseController
}

func openStream(ctx huma.Context) *stream {
	ctx.SetHeader("Content-Type", "text/event-stream")
	ctx.SetHeader("Cache-Control", "no-store")
	ctx.SetHeader("X-Accel-Buffering", "no") // nginx would keep events back
	s := &stream{w: ctx.BodyWriter()}
	if w, ok := s.w.(http.ResponseWriter); ok {
		s.controller = http.NewResponseController(w)
	}
	ctx.SetStatus(http.StatusOK)
	s.write(fmt.Sprintf("retry: %d\n\n", retryAfter.Milliseconds()))
	return s
}

func (s *stream) change(c changes.Change) bool {
	return s.send(eventChanged, c.Mark, Changed{Users: c.Users, All: c.All, Position: c.Position, Touches: c.Touches})
}

// send reports whether the event was written; the zero mark is no id.
func (s *stream) send(event string, id changes.Mark, data Changed) bool {
	payload, err := json.Marshal(data)
	if err != nil {
		return false
	}
	text := "event: " + event + "\n"
	if id != (changes.Mark{}) {
		text += "id: " + id.String() + "\n"
	}
	return s.write(text + "data: " + string(payload) + "\n\n")
}

// comment tells everyone on the way that the stream is alive.
func (s *stream) comment() bool { return s.write(":\n\n") }

func (s *stream) write(text string) bool {
	if s.controller == nil || s.controller.SetWriteDeadline(time.Now().Add(writeTimeout)) != nil {
		return false
	}
	if _, err := io.WriteString(s.w, text); err != nil {
		return false
	}
	return s.controller.Flush() == nil
}

// stillAllowed returns a function that authenticates the caller again: it is
// false once the token has expired, the session has ended, or the caller is no
// longer who they were. That nobody can tell at the moment ends nothing.
func (s *Service) stillAllowed(viewer principal.Principal, authorization string) func(context.Context) bool {
	_, bearer, _ := strings.Cut(authorization, " ")
	return func(ctx context.Context) bool {
		if s.config.Authenticator == nil {
			return true
		}
		now, err := s.config.Authenticator.Authenticate(ctx, strings.TrimSpace(bearer))
		if err != nil {
			return errors.Is(err, principal.ErrUnavailable)
		}
		return reflect.DeepEqual(now, viewer)
	}
}
