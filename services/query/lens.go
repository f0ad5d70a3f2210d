package query

import (
	"context"
	"time"

	"github.com/posse-pos/posse/pkg/commands"
	"github.com/posse-pos/posse/pkg/principal"
)

// lens is who looks, and at which moment.
type lens struct {
	viewer principal.Principal
	now    time.Time
	at     time.Time // now, or the past moment that was asked for
	asOf   time.Time // the past moment that was asked for, zero for none
}

// look is for reads about people, which backends may not make.
func (s *Service) look(ctx context.Context, input AsOfInput) (*lens, error) {
	l, err := s.lookAnyone(ctx)
	switch {
	case err != nil:
		return nil, err
	case l.viewer.Kind == principal.Backend:
		return nil, commands.NewError(commands.ReasonForbidden, "a backend key records sessions and does not read them")
	case input.AsOf.After(l.now):
		return nil, commands.Invalid(commands.Field{Name: "query.as_of", Message: "lies in the future; leave it out for now"})
	case !input.AsOf.IsZero():
		l.asOf = input.AsOf.UTC()
		l.at = l.asOf
	}
	return l, nil
}

// lookAnyone is for reads that every principal may make.
func (s *Service) lookAnyone(ctx context.Context) (*lens, error) {
	viewer, ok := principal.From(ctx)
	if !ok {
		return nil, commands.ErrUnauthenticated
	}
	now := s.config.Now().UTC().Truncate(time.Millisecond)
	return &lens{viewer: viewer, now: now, at: now}, nil
}

// isActive reports whether somebody whose last request was at a moment is active
// now. For a past moment it is false when the last request did not come before
// it, since of the earlier ones nothing is known.
func (l *lens) isActive(last time.Time) bool {
	if !last.Before(l.at) {
		return l.asOf.IsZero() // and clocks differ
	}
	return !last.IsZero() && l.at.Sub(last) <= activeWithin
}
