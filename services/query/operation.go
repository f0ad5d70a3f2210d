package query

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/posse-pos/posse/pkg/activesessions"
	"github.com/posse-pos/posse/pkg/commands"
	"github.com/posse-pos/posse/pkg/httpapi"
)

// operation is what distinguishes one read from another.
type operation struct {
	id, path, summary, doc string
	// errors are the statuses beyond those that every read can have.
	errors []int
}

// get adds a read.
func get[I, B any](s *Service, api huma.API, op operation, handle func(context.Context, *I) (*Answer[B], error)) {
	description := op.doc
	if description != "" {
		description += " "
	}
	huma.Register(api, huma.Operation{
		OperationID: op.id,
		Method:      http.MethodGet,
		Path:        op.path,
		Summary:     op.summary,
		Description: description + "The headers Posse-Position and Posse-Age say how fresh the answer is.",
		Tags:        []string{"sessions"},
		Security:    httpapi.Bearer,
		Errors:      append([]int{http.StatusUnauthorized, http.StatusUnprocessableEntity, http.StatusServiceUnavailable}, op.errors...),
	}, func(ctx context.Context, input *I) (*Answer[B], error) {
		began := time.Now()
		answer, err := handle(ctx, input)
		s.metrics.observe(op.id, statusOf(answer, err), time.Since(began))
		return answer, err
	})
}

func statusOf[B any](answer *Answer[B], err error) int {
	if err != nil {
		return httpapi.ProblemOf(err).Status
	}
	return answer.Status
}

// storeError says an error of the read model to a caller.
func (s *Service) storeError(ctx context.Context, err error) error {
	switch {
	case errors.Is(err, activesessions.ErrNotFound):
		return noSession()
	case errors.Is(err, activesessions.ErrBehind):
		return commands.Retry(commands.ReasonBehind, time.Second, "the read model did not reach that position in time")
	case errors.Is(err, activesessions.ErrPageToken):
		return commands.Invalid(commands.Field{Name: "query.page_token", Message: "is of no earlier answer; start at the first page"})
	case ctx.Err() != nil:
		return ctx.Err()
	default:
		s.config.Logger.Error("the read model did not answer", "error", err)
		return commands.Retry(commands.ReasonUnavailable, time.Second, "the read model does not answer")
	}
}

// noUser and noSession say the same of ids that nobody has, that belong to
// another tenant, and that the caller may not see.
func noUser() error { return commands.NewError(commands.ReasonNotFound, "there is no such user") }

func noSession() error { return commands.NewError(commands.ReasonNotFound, "there is no such session") }
