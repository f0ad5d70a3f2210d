package query

import (
	"context"

	"github.com/danielgtaylor/huma/v2"
)

type meInput struct{ ReadInput }

// Me is who is asking.
type Me struct {
	Kind string `enum:"backend,user,admin,auditor" json:"kind"`

	Tenant  string `json:"tenant"`
	User    string `json:"user"`
	Session string `json:"session"`

	Key string `doc:"Id of the backend's key." json:"key"`

	Roles []string `json:"roles"`
	May   May      `json:"may"`
}

// May says what the caller is allowed to do, within the tenant.
type May struct {
	Record      bool `json:"record"`
	ReadAll     bool `json:"read_all"`
	EndAll      bool `json:"end_all"`
	ReadHistory bool `json:"read_history"`
}

// MeBody is Me and how fresh the read model is.
type MeBody struct {
	Me
	Freshness
}

func (s *Service) registerMe(api huma.API) {
	get(s, api, operation{id: "get-me", path: "/v1/me", summary: "Show who you are and what you may do"}, s.me)
}

func (s *Service) me(ctx context.Context, input *meInput) (*Answer[MeBody], error) {
	l, err := s.lookAnyone(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.await(ctx, &input.ReadInput); err != nil {
		return nil, err
	}
	shown, err := s.reads.Freshness(ctx)
	if err != nil {
		return nil, err
	}
	p := l.Viewer
	me := Me{
		Kind: p.Kind.String(), Tenant: p.Tenant, User: p.User, Session: p.Session, Key: p.KeyID,
		Roles: append([]string{}, p.Roles...),
		// Nobody's id is empty, so that this asks for everyone.
		May: May{Record: p.MayRecord(), ReadAll: p.MayReadAll(), EndAll: p.MayEnd(""), ReadHistory: p.MayReadHistory()},
	}
	fresh := freshness(l, shown)
	return reply(&input.ReadInput, MeBody{me, fresh}, me, fresh)
}
