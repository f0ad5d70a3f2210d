package query

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/posse-pos/posse/services/query/reads"
)

type usersInput struct {
	ReadInput
	AsOfInput

	Filter string `doc:"Part of a username or display name, in any case." maxLength:"256" query:"filter"`

	PageSize int `default:"50" doc:"Users on a page." maximum:"500" minimum:"1" query:"page_size"`

	PageToken string `doc:"next_page_token of the page before." maxLength:"4096" query:"page_token"`
}

// countedThen is how far users and sessions of a past moment are counted: nobody
// keeps sums of the past, so a count takes time for each.
const countedThen = 1000

// Users is a page of users, newest activity first.
type Users struct {
	Users []User `json:"users"`

	Total int `doc:"Users that match, on all pages. With as_of exact up to 1,000, and 1,001 if there are more." json:"total"`

	Sessions int `doc:"Active sessions of everyone whom you may see; with as_of counted like total." json:"sessions"`

	NextPageToken string `doc:"Empty on the last page." json:"next_page_token"`
}

// UsersBody is Users and how fresh they are.
type UsersBody struct {
	Users
	Freshness
}

func (s *Service) registerUsers(api huma.API) {
	get(s, api, operation{
		id: "list-users", path: "/v1/users", summary: "List users who are signed in",
		doc:    "Users with at least one active session, newest activity first. Users see only themselves.",
		errors: []int{http.StatusForbidden},
	}, s.users)
}

func (s *Service) users(ctx context.Context, input *usersInput) (*Answer[UsersBody], error) {
	l, err := s.look(ctx, input.AsOfInput)
	if err != nil {
		return nil, err
	}
	if err := s.await(ctx, &input.ReadInput); err != nil {
		return nil, err
	}
	query := reads.UsersQuery{Filter: input.Filter, PageSize: input.PageSize, PageToken: input.PageToken}
	if !l.AsOf.IsZero() {
		query.CountAtMost = countedThen
	}
	page, err := l.Users(ctx, query)
	if err != nil {
		return nil, err
	}
	list := Users{Users: make([]User, len(page.Users)), Total: page.Total, Sessions: page.Sessions, NextPageToken: page.NextToken}
	for i := range page.Users {
		list.Users[i] = userView(&page.Users[i])
	}
	fresh := freshness(l, page.Freshness)
	return reply(&input.ReadInput, UsersBody{list, fresh}, list, fresh)
}
