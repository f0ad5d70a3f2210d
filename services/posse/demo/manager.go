package demo

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"

	"github.com/posse-pos/posse/services/posse/client"
)

// manager signs out what an earlier demo left, and later what is lost.
type manager struct {
	*shop

	grant client.Grant
}

func (m *manager) open(ctx context.Context) (err error) {
	if m.grant, err = m.api.login(ctx, m.cast.Office); err != nil {
		return fmt.Errorf("demo: the manager cannot sign in: %w", err)
	}
	for _, person := range m.cast.People {
		if err := m.endEarlier(ctx, person.ID); err != nil {
			return fmt.Errorf("demo: cannot end the sessions of an earlier demo: %w", err)
		}
	}
	return nil
}

func (m *manager) endEarlier(ctx context.Context, user string) error {
	end := client.End{User: user, ReasonAdmin: "the demo starts anew"}
	if user == m.cast.Office.who.ID {
		end.Except = "current"
	}
	_, err := m.posse().End(ctx, end)
	return unlessNotFound(err)
}

// posse asks as the manager.
func (m *manager) posse() *client.Client { return m.api.posse.As(m.grant.Access) }

func (m *manager) run(ctx context.Context) {
	for pause(ctx, m.LossEvery) {
		if err := m.lose(ctx); err != nil && ctx.Err() == nil {
			m.Logger.WarnContext(ctx, "manager could not end a session", slog.Any("error", err))
		}
	}
}

// lose ends the session of some device that is signed in.
func (m *manager) lose(ctx context.Context) error {
	next, err := m.api.refresh(ctx, m.cast.Office, m.grant)
	if err != nil {
		return err
	}
	m.grant = next
	user := m.cast.Devices[rand.N(len(m.cast.Devices))].who.ID //nolint:gosec // nobody gains from guessing what a demo does
	sessions, _, err := m.posse().Sessions(ctx, user, "active")
	if err != nil || len(sessions) == 0 {
		return unlessNotFound(err)
	}
	lost := sessions[rand.N(len(sessions))] //nolint:gosec // nobody gains from guessing what a demo does
	if lost.Session == m.grant.Session {
		return nil
	}
	_, err = m.posse().End(ctx, client.End{Session: lost.Session, ReasonAdmin: "reported lost"})
	return err
}

// unlessNotFound drops the error that nobody of that id was ever signed in.
func unlessNotFound(err error) error {
	if problem, ok := errors.AsType[*client.Problem](err); ok && problem.Status == http.StatusNotFound {
		return nil
	}
	return err
}
