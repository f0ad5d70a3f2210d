package signin

import (
	"errors"
	"net/http"
	"net/url"
	"slices"

	"github.com/posse-pos/posse/pkg/principal"
	"github.com/posse-pos/posse/pkg/token"
)

// get shows how to sign in, or whom a link would sign in. Who has signed in goes
// on to where they wanted to.
func (s *SignIn) get(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	next := localPath(query.Get("next"))
	if query.Has("link") {
		s.showLink(w, r, query.Get("link"), next)
		return
	}
	_, err := s.Authenticate(r)
	switch {
	case err == nil:
		redirect(w, r, next)
	case errors.Is(err, principal.ErrUnavailable):
		s.refuse(w, r, err, next)
	case hasCookie(r):
		s.Forget(w)
		s.notify(w, r, noticeOf(query, NoticeEnded), next)
	case query.Has("check"):
		// A sign-in sent its cookie and this browser here, and only this browser came.
		s.notify(w, r, NoticeNoCookie, next)
	default:
		s.notify(w, r, noticeOf(query, ""), next)
	}
}

// noticeOf is what a redirect here had to say. What somebody else may have put
// into a link is not repeated, beyond these two.
func noticeOf(query url.Values, otherwise Notice) Notice {
	switch notice := Notice(query.Get("notice")); notice {
	case NoticeSignedOut, NoticeEnded:
		return notice
	default:
		return otherwise
	}
}

func (s *SignIn) showLink(w http.ResponseWriter, r *http.Request, sent, next string) {
	link, err := s.openLink(sent)
	if err != nil {
		s.refuse(w, r, err, next)
		return
	}
	s.show(w, r, View{Status: http.StatusOK, Link: sent, Who: identityOf(link), Expires: link.Expires, Next: next})
}

func (s *SignIn) openLink(sent string) (token.Link, error) {
	link, err := s.config.Tokens.OpenLink(sent)
	switch {
	case errors.Is(err, token.ErrExpired):
		return link, fail(NoticeExpiredLink, err)
	case err != nil:
		return link, fail(NoticeBadLink, err)
	}
	return link, nil
}

func identityOf(link token.Link) Identity {
	return Identity{
		Tenant: link.Tenant, User: link.User, Username: link.Username, DisplayName: link.DisplayName,
		Roles: rolesThatMatter(link.Roles),
	}
}

// rolesThatMatter are those that posse gives a meaning to: a cookie is small.
func rolesThatMatter(roles []string) []string {
	var matter []string
	for _, role := range []string{principal.DefaultAdminRole, principal.DefaultAuditorRole} {
		if slices.Contains(roles, role) {
			matter = append(matter, role)
		}
	}
	return matter
}
