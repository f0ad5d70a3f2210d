package query

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
)

type userSessionsInput struct {
	ReadInput
	AsOfInput

	User string `path:"user"`

	State string `default:"active" doc:"active, or ended: also those that expired, newest end first." enum:"active,ended" query:"state"`

	Limit int `default:"1000" doc:"Sessions at most." maximum:"1000" minimum:"1" query:"limit"`
}

// Sessions are sessions of one user.
type Sessions struct {
	Sessions []Session `json:"sessions"`
}

// SessionsBody is Sessions and how fresh they are.
type SessionsBody struct {
	Sessions
	Freshness
}

type sessionInput struct {
	ReadInput
	AsOfInput

	Session string `path:"session"`

	User string `doc:"Whose, where backends gave one id to several users; without it the one that signed in first." query:"user"`
}

// SessionBody is a session and how fresh it is.
type SessionBody struct {
	Session
	Freshness
}

func (s *Service) registerSessions(api huma.API) {
	get(s, api, operation{
		id: "list-user-sessions", path: "/v1/users/{user}/sessions", summary: "List a user's sessions",
		errors: []int{http.StatusForbidden, http.StatusNotFound},
	}, s.userSessions)
	get(s, api, operation{
		id: "get-session", path: "/v1/sessions/{session}", summary: "Show a session",
		doc: "Ended ones too, with who ended it, when and why.", errors: []int{http.StatusForbidden, http.StatusNotFound},
	}, s.session)
}

func (s *Service) userSessions(ctx context.Context, input *userSessionsInput) (*Answer[SessionsBody], error) {
	l, err := s.look(ctx, input.AsOfInput)
	if err != nil {
		return nil, err
	}
	if err := s.await(ctx, &input.ReadInput); err != nil {
		return nil, err
	}
	rows, shown, err := l.Sessions(ctx, input.User, input.State == "ended", input.Limit)
	if err != nil {
		return nil, err
	}
	list := Sessions{make([]Session, len(rows))}
	for i := range rows {
		list.Sessions[i] = sessionView(&rows[i])
	}
	fresh := freshness(l, shown)
	return reply(&input.ReadInput, SessionsBody{list, fresh}, list, fresh)
}

func (s *Service) session(ctx context.Context, input *sessionInput) (*Answer[SessionBody], error) {
	l, err := s.look(ctx, input.AsOfInput)
	if err != nil {
		return nil, err
	}
	if err := s.await(ctx, &input.ReadInput); err != nil {
		return nil, err
	}
	row, shown, err := l.Session(ctx, input.Session, input.User)
	if err != nil {
		return nil, err
	}
	view := sessionView(&row)
	fresh := freshness(l, shown)
	return reply(&input.ReadInput, SessionBody{view, fresh}, view, fresh)
}
