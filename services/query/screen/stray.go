package screen

import (
	"net/http"

	"github.com/posse-pos/posse/pkg/httpapi"
)

// NotFound answers somebody who opened an address where nothing is.
func (s *Screen) NotFound(w http.ResponseWriter, r *http.Request) {
	s.stray(w, r, func(f *failure) (status int) {
		f.Title, f.Text = f.Language.Say("failure.nowhere.title"), f.Language.Say("failure.nowhere.text")
		return http.StatusNotFound
	})
}

// Foreign answers somebody whose browser another site had send something.
func (s *Screen) Foreign(w http.ResponseWriter, r *http.Request) {
	s.stray(w, r, func(f *failure) (status int) {
		f.Title, f.Text = f.Language.Say("failure.foreign.title"), f.Language.Say("failure.foreign.text")
		return http.StatusForbidden
	})
}

// stray shows a page to whoever came by no way of the screen's own, and may be
// nobody who has signed in.
func (s *Screen) stray(w http.ResponseWriter, r *http.Request, say func(*failure) (status int)) {
	s.Secure(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f := failure{page: s.frame(r), RequestID: httpapi.RequestID(r.Context())}
		s.showFailure(w, r, say(&f), "failure", &f)
	})).ServeHTTP(w, r)
}
