package query

import (
	"context"
	"errors"
	"net/http"
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/posse-pos/posse/pkg/commands"
	"github.com/posse-pos/posse/pkg/httpapi"
	"github.com/posse-pos/posse/services/query/changes"
)

type changesInput struct {
	LastEventID string `doc:"Id of the last event that you have; what came after it is sent first." header:"Last-Event-Id"`

	Authorization string `header:"Authorization" hidden:"true"`
}

// Changed is the data of an event of /v1/changes: a read shows at least this.
type Changed struct {
	Users []string `doc:"Whose sessions are not what they were." json:"users,omitempty"`

	All bool `doc:"Too many to name." json:"all,omitempty"`

	Position uint64 `json:"position"`
	Touches  uint64 `json:"touches"`
}

// The names of events.
const (
	eventReady   = "ready"   // nothing was missed up to here
	eventChanged = "changed" // read these users again
	eventReset   = "reset"   // something was missed: read everything again
	eventEnd     = "end"     // you may no longer have this
)

func (s *Service) registerChanges(api huma.API) {
	huma.Register(api, huma.Operation{
		OperationID: "follow-changes",
		Method:      http.MethodGet,
		Path:        "/v1/changes",
		Summary:     "Follow what changes",
		Description: "Server-sent events: changed names users whose sessions changed, after the read model shows it; " +
			"ready says from where on nothing is missed; reset asks to read everything again, because what was missed is no longer " +
			"known; end comes when the session that this was asked with has ended. Ids can be sent back as Last-Event-ID; a " +
			"change may come twice.",
		Tags:     []string{"sessions"},
		Security: httpapi.Bearer,
		Errors:   []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusUnprocessableEntity, http.StatusServiceUnavailable},
		Responses: map[string]*huma.Response{"200": {
			Description: "A stream of events; the data of each is JSON.",
			Content: map[string]*huma.MediaType{"text/event-stream": {
				Schema: api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[Changed](), true, "Changed"),
			}},
		}},
	}, func(ctx context.Context, input *changesInput) (*huma.StreamResponse, error) {
		began := time.Now()
		response, err := s.changes(ctx, input)
		status := http.StatusOK
		if err != nil {
			status = httpapi.ProblemOf(err).Status
		}
		s.metrics.observe("follow-changes", status, time.Since(began))
		return response, err
	})
}

func (s *Service) changes(ctx context.Context, input *changesInput) (*huma.StreamResponse, error) {
	l, err := s.look(ctx, AsOfInput{})
	if err != nil {
		return nil, err
	}
	after, resume, err := lastEvent(input.LastEventID)
	if err != nil {
		return nil, err
	}
	shown, err := s.reads.Freshness(ctx)
	if err != nil {
		return nil, err
	}
	user := ""
	if !l.Viewer.MayReadAll() {
		user = l.Viewer.User
	}
	watching, err := s.hub.Watch(l.Viewer.Tenant, user, changes.MarkOf(shown))
	switch {
	case errors.Is(err, changes.ErrBusy):
		return nil, commands.Retry(commands.ReasonBusy, 5*time.Second, "too many are following changes already")
	case err != nil:
		return nil, commands.Retry(commands.ReasonUnavailable, time.Second, "changes are not being heard at the moment")
	}
	if resume {
		watching.Resume(after)
	}
	return &huma.StreamResponse{Body: func(ctx huma.Context) { //nolint:contextcheck // ctx carries the request's
		defer watching.Stop()
		stream := openStream(ctx)
		if ctx.Method() != http.MethodHead {
			s.follow(ctx.Context(), stream, watching, s.stillAllowed(l.Viewer, input.Authorization))
		}
	}}, nil
}

func lastEvent(id string) (after changes.Mark, given bool, err error) {
	if id == "" {
		return changes.Mark{}, false, nil
	}
	after, err = changes.ParseMark(id)
	if err != nil {
		err = commands.Invalid(commands.Field{Name: "header.Last-Event-ID", Message: "is not of the form 12-34"})
	}
	return after, true, err
}

// follow sends what the watcher missed and then what comes, until somebody ends
// it. A write that fails means that the client is gone.
func (s *Service) follow(ctx context.Context, stream *stream, w *changes.Watching, allowed func(context.Context) bool) {
	if !s.catchUp(stream, w) {
		return
	}
	heartbeat := time.NewTicker(s.config.Heartbeat)
	defer heartbeat.Stop()
	check := time.NewTicker(s.config.CheckEvery)
	defer check.Stop()
	for {
		var sent bool
		select {
		case <-ctx.Done():
			return
		case <-s.hub.Closed():
			return
		case <-w.Cut():
			stream.send(eventReset, changes.Mark{}, Changed{All: true})
			return
		case c := <-w.Changes():
			sent = stream.change(c)
		case <-heartbeat.C:
			sent = stream.comment()
		case <-check.C:
			if sent = allowed(ctx); !sent && ctx.Err() == nil {
				stream.send(eventEnd, changes.Mark{}, Changed{})
			}
		}
		if !sent {
			return
		}
	}
}

func (s *Service) catchUp(stream *stream, w *changes.Watching) bool {
	data := Changed{Position: w.From.Position, Touches: w.From.Touches}
	if w.Reset {
		data.All = true
		return stream.send(eventReset, w.From, data)
	}
	for _, c := range w.Missed {
		if !stream.change(c) {
			return false
		}
	}
	return stream.send(eventReady, w.From, data)
}
