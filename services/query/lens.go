package query

import (
	"context"
	"errors"

	"github.com/posse-pos/posse/pkg/commands"
	"github.com/posse-pos/posse/pkg/principal"
	"github.com/posse-pos/posse/services/query/reads"
)

// look is for reads about people, which backends may not make.
func (s *Service) look(ctx context.Context, input AsOfInput) (*reads.Lens, error) {
	viewer, ok := principal.From(ctx)
	if !ok {
		return nil, commands.ErrUnauthenticated
	}
	l, err := s.reads.Look(viewer, input.AsOf)
	if errors.Is(err, reads.ErrFuture) {
		return nil, commands.Invalid(commands.Field{Name: "query.as_of", Message: "lies in the future; leave it out for now"})
	}
	return l, err
}

// lookAnyone is for reads that every principal may make.
func (s *Service) lookAnyone(ctx context.Context) (*reads.Lens, error) {
	viewer, ok := principal.From(ctx)
	if !ok {
		return nil, commands.ErrUnauthenticated
	}
	return s.reads.LookAnyone(viewer), nil
}
