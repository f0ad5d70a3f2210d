package query

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/activesessions"
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
	if !l.viewer.MayRead(input.User) || events.ValidateID("user", input.User) != nil {
		return nil, noUser()
	}
	if err := s.await(ctx, &input.ReadInput); err != nil {
		return nil, err
	}
	query := activesessions.SessionsQuery{
		Tenant: l.viewer.Tenant, User: input.User, At: l.asOf, Now: l.now, Ended: input.State == "ended", Limit: input.Limit,
	}
	rows, shown, err := s.config.Store.Sessions(ctx, query)
	if err != nil {
		return nil, s.storeError(ctx, err)
	}
	if len(rows) == 0 && input.User != l.viewer.User {
		if err := s.exists(ctx, query); err != nil {
			return nil, err
		}
	}
	list := Sessions{make([]Session, len(rows))}
	for i := range rows {
		list.Sessions[i] = l.session(&rows[i])
	}
	fresh := l.freshness(shown)
	return reply(&input.ReadInput, SessionsBody{list, fresh}, list, fresh)
}

// exists tells a user who has no such sessions from one whom nobody knows.
func (s *Service) exists(ctx context.Context, query activesessions.SessionsQuery) error {
	for _, ended := range []bool{false, true} {
		rows, _, err := s.config.Store.Sessions(ctx, activesessions.SessionsQuery{
			Tenant: query.Tenant, User: query.User, Now: query.Now, Ended: ended, Limit: 1,
		})
		if err != nil {
			return s.storeError(ctx, err)
		}
		if len(rows) > 0 {
			return nil
		}
	}
	return noUser()
}

func (s *Service) session(ctx context.Context, input *sessionInput) (*Answer[SessionBody], error) {
	l, err := s.look(ctx, input.AsOfInput)
	if err != nil {
		return nil, err
	}
	if events.ValidateID("session", input.Session) != nil {
		return nil, noSession()
	}
	if err := s.await(ctx, &input.ReadInput); err != nil {
		return nil, err
	}
	rows, shown, err := s.config.Store.Session(ctx, l.viewer.Tenant, input.Session)
	if err != nil {
		return nil, s.storeError(ctx, err)
	}
	row := l.pick(rows, input.User)
	if row == nil {
		return nil, noSession()
	}
	view := l.session(row)
	fresh := l.freshness(shown)
	return reply(&input.ReadInput, SessionBody{view, fresh}, view, fresh)
}

// pick returns the first session that the viewer may see, that is the wanted
// user's if one is named, and that had begun.
func (l *lens) pick(rows []activesessions.Session, user string) *activesessions.Session {
	for i := range rows {
		row := &rows[i]
		if l.viewer.MayRead(row.User) && (user == "" || user == row.User) && (l.asOf.IsZero() || !row.Created.After(l.at)) {
			return row
		}
	}
	return nil
}
