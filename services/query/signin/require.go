package signin

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/commands"
	"github.com/posse-pos/posse/pkg/httpapi"
	"github.com/posse-pos/posse/pkg/principal"
)

// Require admits requests of those who have signed in, with their principal in
// the context, and reports their activity. Others are asked to sign in: somebody
// who opens a page by 303 to /signin; the scripts of a page, which send HX-Request
// with everything, by 401 and HX-Redirect; all others by 401. When nobody can
// tell who it is, the answer is 503, and the cookie stays.
func (s *SignIn) Require(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Add("Vary", "Cookie")
		caller, err := s.Authenticate(r)
		switch {
		case errors.Is(err, principal.ErrUnavailable):
			s.cannotTell(w, r, err)
		case err != nil:
			s.askToSignIn(w, r, err)
		default:
			s.touch(r, caller)
			next.ServeHTTP(w, r.WithContext(principal.With(r.Context(), caller)))
		}
	})
}

func (s *SignIn) touch(r *http.Request, p principal.Principal) {
	if s.config.IsActivity(r) {
		key := events.Key{Tenant: p.Tenant, User: p.User, Session: p.Session}
		s.config.Touch(key, httpapi.ClientIP(r.Context()), userAgentOf(r))
	}
}

// cannotTell answers somebody who may well have signed in.
func (s *SignIn) cannotTell(w http.ResponseWriter, r *http.Request, err error) {
	switch {
	case !isScript(r) && !isNavigation(r):
		httpapi.ProblemOf(err).Write(w, r)
	case s.config.Unavailable != nil:
		s.config.Unavailable(w, r, err)
	case isScript(r):
		httpapi.ProblemOf(err).Write(w, r)
	default:
		s.refuse(w, r, err, nextOf(r))
	}
}

func (s *SignIn) askToSignIn(w http.ResponseWriter, r *http.Request, err error) {
	query := url.Values{}
	if hasCookie(r) {
		s.Forget(w)
		query.Set("notice", string(NoticeEnded))
	}
	if next := nextOf(r); next != "/" {
		query.Set("next", next)
	}
	if isScript(r) { // its page was opened by somebody who had signed in
		query.Set("notice", string(NoticeEnded))
		w.Header().Set("Hx-Redirect", signInWith(query))
	} else if isNavigation(r) {
		redirect(w, r, signInWith(query))
		return
	}
	problemOf(err).Write(w, r)
}

// problemOf is for programs. It does not say more than they can use.
func problemOf(err error) *httpapi.Problem {
	reason := commands.ReasonUnauthenticated
	if errors.Is(err, principal.ErrSessionRevoked) {
		reason = commands.ReasonSessionRevoked
	}
	return httpapi.NewProblem(http.StatusUnauthorized, string(reason), "sign in at "+PathSignIn)
}

func redirect(w http.ResponseWriter, r *http.Request, to string) {
	w.Header().Set("Cache-Control", "no-store")
	http.Redirect(w, r, to, http.StatusSeeOther) //nolint:gosec // it is a local path, see localPath, or the provider's address
}

// signInWith is the address of the page to sign in on.
func signInWith(query url.Values) string {
	if len(query) == 0 {
		return PathSignIn
	}
	return PathSignIn + "?" + query.Encode()
}

// isScript reports whether htmx made a request.
func isScript(r *http.Request) bool { return r.Header.Get("Hx-Request") != "" }

// isNavigation reports whether somebody is on their way to a page. Browsers say
// so (Fetch Metadata), but not over plain http; there a GET that wants no event
// stream passes for one.
func isNavigation(r *http.Request) bool {
	if mode := r.Header.Get("Sec-Fetch-Mode"); mode != "" {
		return mode == "navigate"
	}
	isGet := r.Method == http.MethodGet || r.Method == http.MethodHead
	return isGet && !strings.Contains(r.Header.Get("Accept"), "text/event-stream")
}

// nextOf is the page that somebody is on or on their way to.
func nextOf(r *http.Request) string {
	if isScript(r) {
		page, err := url.Parse(r.Header.Get("Hx-Current-Url"))
		if err != nil {
			return "/"
		}
		return localPath(pathOf(page))
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return "/"
	}
	return localPath(pathOf(r.URL))
}

func pathOf(u *url.URL) string {
	if u.RawQuery == "" {
		return u.EscapedPath()
	}
	return u.EscapedPath() + "?" + u.RawQuery
}
