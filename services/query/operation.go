package query

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

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
