package signin

import (
	"errors"
	"net/http"
	"net/url"

	"github.com/posse-pos/posse/pkg/commands"
	"github.com/posse-pos/posse/pkg/httpapi"
	"github.com/posse-pos/posse/pkg/principal"
)

// SignOut ends the session of this browser and has it drop the cookie. It is for
// POST. Somebody whose session has ended before is signed out just the same;
// while no recorder answers, nobody is: the session would go on.
func (s *SignIn) SignOut(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		httpapi.NewProblem(http.StatusMethodNotAllowed, "method_not_allowed", "signing out takes a POST").Write(w, r)
		return
	}
	// The recorder knows whether the session has ended, so that signing out works
	// while the read model is away.
	if p, err := byCookie(r, s.holders); err == nil {
		if err := s.endSession(r, p); err != nil {
			s.refuse(w, r, err, "/")
			return
		}
	}
	s.Forget(w)
	redirect(w, r, signInWith(url.Values{"notice": {string(NoticeSignedOut)}}))
}

// endSession has somebody's own session end. One that has ended is no error.
func (s *SignIn) endSession(r *http.Request, p principal.Principal) error {
	_, err := s.config.Recorder.EndSession(r.Context(), commands.EndSession{
		Caller:  commands.Caller{Principal: p, IP: httpapi.ClientIP(r.Context())},
		Session: p.Session,
	})
	for _, over := range []error{
		commands.ErrNotFound, commands.ErrSessionRevoked, commands.ErrSessionEnded, commands.ErrSessionExpired,
	} {
		if errors.Is(err, over) {
			return nil
		}
	}
	return err
}
