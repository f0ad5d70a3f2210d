package history

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/commands"
	"github.com/posse-pos/posse/pkg/eventlog"
	"github.com/posse-pos/posse/pkg/httpapi"
	"github.com/posse-pos/posse/pkg/principal"
	"github.com/posse-pos/posse/services/auditor/replay"
)

// busyFor is when a tenant that reads too much at once is to try again.
const busyFor = 5 * time.Second

const description = "The events of the caller's tenant in the order of the log, one JSON object a line, the same bytes as " +
	"`posse audit replay` writes: the same parameters on the same log give the same answer. It ends where the log ended when it " +
	"began. An answer that could not be written to its end breaks off, without the last chunk of its transfer coding: " +
	"have your client treat that as the failure it is, and go on with from_seq.\n\n" +
	"With follow=true or Accept: text/event-stream the same lines come as the data of server-sent events, whose ids are the " +
	"sequences, and go on with what the log stores. A browser comes back by itself with Last-Event-ID, and misses and repeats " +
	"nothing. The event end says that no more comes: its data is limit, or not_allowed when the session that this was asked with has " +
	"ended.\n\nFor administrators and auditors. That you read, and with which parameters, is recorded first; if it cannot be, " +
	"the answer is 503."

// Register adds the route of the service. The API authenticates: the handler finds
// the caller in its context.
func (s *Service) Register(api huma.API) {
	text := &huma.Schema{Type: huma.TypeString}
	huma.Register(api, huma.Operation{
		OperationID: "read-events", Method: http.MethodGet, Path: "/v1/events",
		Summary: "Read the history", Description: description, Tags: []string{"history"}, Security: httpapi.Bearer,
		Errors: []int{
			http.StatusUnauthorized, http.StatusForbidden, http.StatusUnprocessableEntity,
			http.StatusTooManyRequests, http.StatusServiceUnavailable,
		},
		Responses: map[string]*huma.Response{"200": {
			Description: "The events.",
			Content:     map[string]*huma.MediaType{typeNDJSON: {Schema: text}, typeSSE: {Schema: text}},
		}},
	}, func(ctx context.Context, in *input) (*huma.StreamResponse, error) {
		response, err := s.read(ctx, in)
		status := http.StatusOK
		if err != nil {
			status = httpapi.ProblemOf(err).Status
		}
		s.metrics.answered(status)
		return response, err
	})
}

func (s *Service) read(ctx context.Context, in *input) (*huma.StreamResponse, error) {
	viewer, ok := principal.From(ctx)
	if !ok {
		return nil, commands.ErrUnauthenticated
	}
	if !viewer.MayReadHistory() {
		return nil, commands.NewError(commands.ReasonForbidden, "the history is for administrators and auditors")
	}
	query, err := in.query(viewer.Tenant)
	if err != nil {
		return nil, err
	}
	out := s.newOutput(in.format())
	if in.headOnly { // which reads nothing
		return &huma.StreamResponse{Body: out.open}, nil
	}
	release, ok := s.streams.take(viewer.Tenant)
	if !ok {
		return nil, commands.Retry(commands.ReasonTooMany, busyFor,
			"%d answers of your tenant's history are being read already: wait for one to end", s.config.MaxStreams)
	}
	prepared, err := s.prepare(ctx, in, query, out)
	if err == nil {
		err = s.note(ctx, viewer, query, in.format())
	}
	if err != nil {
		release()
		return nil, err
	}
	return &huma.StreamResponse{Body: func(ctx huma.Context) { //nolint:contextcheck // ctx carries the request's
		defer release()
		out.open(ctx)
		s.deliver(ctx.Context(), prepared, out, s.stillAllowed(viewer, in.Authorization))
	}}, nil
}

// prepare finds out where the answer begins and ends.
func (s *Service) prepare(ctx context.Context, in *input, query replay.Query, out *output) (*replay.Prepared, error) {
	ctx, cancel := context.WithTimeout(ctx, s.config.Patience)
	defer cancel()
	prepared, err := replay.Prepare(ctx, replay.Config{Log: s.config.Log, Query: query, Sink: out, Patience: s.config.Patience})
	switch {
	case err == nil:
		return prepared, nil
	case errors.Is(err, replay.ErrInvalidQuery):
		return nil, in.invalid(err)
	case errors.Is(err, eventlog.ErrUnavailable), errors.Is(err, context.DeadlineExceeded):
		return nil, unavailable("the log does not answer", err)
	default:
		return nil, err
	}
}

// note records the read, by which it becomes one.
func (s *Service) note(ctx context.Context, viewer principal.Principal, query replay.Query, format string) error {
	ctx, cancel := context.WithTimeout(ctx, s.config.Patience)
	defer cancel()
	now := s.config.Now()
	_, err := s.config.Trail.Note(ctx, events.AuditEnvelope{
		ID: uuid.Must(uuid.NewV7()).String(), Source: "/posse/auditor", Time: now,
		Fact: events.AuditRead{
			Tenant: viewer.Tenant, EventTimestamp: events.TimestampOf(now), Via: events.ViaAPI, Kind: viewer.Kind.String(),
			Actor:  events.AuditReader{User: viewer.User, Session: viewer.Session, Key: viewer.KeyID},
			Filter: query.Filter(), Format: format, Follow: query.Follow,
			Personal: events.AuditReadPersonal{ActorIP: httpapi.ClientIP(ctx)},
		},
	})
	if err != nil {
		return unavailable("nothing was read, since reading the history is recorded and that failed", err)
	}
	return nil
}

// unavailable says a sentence to the client, and its cause to the log.
func unavailable(sentence string, cause error) error {
	return fmt.Errorf("%w: %w", commands.Retry(commands.ReasonUnavailable, time.Second, "%s", sentence), cause)
}

// stillAllowed returns a function that authenticates the caller again: it is
// false once the token has expired, the session has ended, or the caller is no
// longer who they were. That nobody can tell at the moment ends nothing.
func (s *Service) stillAllowed(viewer principal.Principal, authorization string) func(context.Context) bool {
	_, bearer, _ := strings.Cut(authorization, " ")
	return func(ctx context.Context) bool {
		now, err := s.config.Authenticator.Authenticate(ctx, strings.TrimSpace(bearer))
		if err != nil {
			return errors.Is(err, principal.ErrUnavailable)
		}
		return reflect.DeepEqual(now, viewer)
	}
}
