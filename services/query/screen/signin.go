package screen

import (
	"net/http"
	"time"

	"github.com/posse-pos/posse/services/query/signin"
)

// signInPage is how people sign in.
type signInPage struct {
	page
	signin.View

	LinkExpires instant
}

// WhoName is what the person is called whom a link signs in.
func (p *signInPage) WhoName() string {
	return nameOf(p.Who.DisplayName, p.Who.Username, p.Who.User)
}

// Unavailable answers somebody who has signed in, while nobody can tell whether
// they still are.
func (s *Screen) Unavailable(w http.ResponseWriter, r *http.Request, err error) { s.fail(w, r, err) }

// SignIn implements signin.Pages.
func (s *Screen) SignIn(w http.ResponseWriter, r *http.Request, view signin.View) {
	p := &signInPage{page: s.frame(r), View: view}
	if !view.Expires.IsZero() {
		p.LinkExpires = momentOf(view.Expires.Truncate(time.Second))
	}
	if err := s.render(w, r, view.Status, "signin", p); err != nil {
		s.config.Logger.Error("sign-in page failed", "error", err)
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
	}
}
