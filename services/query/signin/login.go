package signin

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/commands"
	"github.com/posse-pos/posse/pkg/httpapi"
	"github.com/posse-pos/posse/pkg/principal"
	"github.com/posse-pos/posse/pkg/token"
)

const (
	// platform is what a browser declares.
	platform = "web"
	// shownWithin is how long a sign-in waits for the read model to show it.
	shownWithin = 3 * time.Second
)

// signIn records a login for this browser, gives it the cookie, and sends it on.
// An empty session lets posse make its id. Who had signed in with this browser
// before is signed out: their cookie is gone.
func (s *SignIn) signIn(w http.ResponseWriter, r *http.Request, who Identity, session, next string) error {
	ctx := r.Context()
	done, err := s.login(ctx, s.loginOf(r, s.named(ctx, who), session))
	if err != nil {
		return err
	}
	cookie, err := s.config.Tokens.SealScreen(token.Screen{
		Tenant: done.Tenant, User: done.User, Session: done.Session, Roles: who.Roles, Expires: done.Expires,
	})
	if err != nil {
		return fmt.Errorf("signin: seal the cookie of session %q: %w", done.Session, err)
	}
	s.endPrevious(r)
	s.awaitShown(ctx, done.Position)
	s.cookies.set(w, cookie, done.Expires)
	s.config.Logger.InfoContext(ctx, "signed in to the screen",
		"request_id", httpapi.RequestID(ctx), "tenant", done.Tenant, "user", done.User, "session", done.Session)
	redirect(w, r, signInWith(url.Values{"check": {"1"}, "next": {next}}))
	return nil
}

// loginOf is the command that records a sign-in.
//
// A repeated login is answered as the first was, so two that redeem one link at
// the same moment, in browsers that look the same, might both be told that they
// made the session. The random role makes each attempt say something of its own,
// and the later one is another login, which is refused. Roles are in no fact and
// only in tokens that the recorder may mint, which nobody here keeps; what the
// person may do has no business in those, and is in the cookie.
func (s *SignIn) loginOf(r *http.Request, who Identity, session string) commands.Login {
	return commands.Login{
		Caller: commands.Caller{
			Principal: principal.Principal{Kind: principal.Backend, Tenant: who.Tenant, KeyID: principal.ScreenKeyID},
			IP:        httpapi.ClientIP(r.Context()),
		},
		Session:  session,
		User:     who.User,
		Roles:    []string{"attempt-" + rand.Text()},
		Platform: platform,
		Expires:  s.now().Add(s.config.Lifetime),
		Personal: personalOf(r, who),
	}
}

// login records a sign-in, for as long as the tenant allows.
func (s *SignIn) login(ctx context.Context, command commands.Login) (commands.LoggedIn, error) {
	done, err := s.config.Recorder.Login(ctx, command)
	if isTooLong(err) {
		command.Expires = time.Time{} // the tenant's own lifetime, which is shorter
		done, err = s.config.Recorder.Login(ctx, command)
	}
	return done, err
}

// isTooLong reports whether a login was refused for its expiry and nothing else.
func isTooLong(err error) bool {
	e, ok := errors.AsType[*commands.Error](err)
	return ok && e.Reason == commands.ReasonInvalid && len(e.Fields) == 1 && e.Fields[0].Name == "expires"
}

// named fills in what people call somebody.
func (s *SignIn) named(ctx context.Context, who Identity) Identity {
	if who.Username == "" && who.DisplayName == "" {
		username, display, avatar := s.config.Name(ctx, who.Tenant, who.User)
		who.Username, who.DisplayName, who.AvatarURL = username, display, cmp.Or(who.AvatarURL, avatar)
	}
	who.Username = cut(cmp.Or(who.Username, who.User), events.MaxUsername)
	who.DisplayName = cut(cmp.Or(who.DisplayName, who.Username), events.MaxDisplayName)
	who.AvatarURL = avatar(who.AvatarURL)
	return who
}

// avatar returns an address that a fact may hold, or none.
func avatar(address string) string {
	u, err := url.Parse(address)
	if err != nil || len(address) > events.MaxAvatarURL || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return ""
	}
	return cut(address, events.MaxAvatarURL)
}

// endPrevious ends the session that this browser had, if it had one. Failing that
// it goes on in the list until it expires, as that of any lost browser.
func (s *SignIn) endPrevious(r *http.Request) {
	p, err := s.Authenticate(r)
	if err != nil {
		return
	}
	if err := s.endSession(r, p); err != nil {
		s.config.Logger.WarnContext(r.Context(), "a replaced session could not be ended", "session", p.Session, "error", err)
	}
}

// awaitShown waits until the read model shows the sign-in. If it is slow, the
// first page lacks this browser, and nothing else.
func (s *SignIn) awaitShown(ctx context.Context, position uint64) {
	ctx, cancel := context.WithTimeout(ctx, shownWithin)
	defer cancel()
	if err := s.config.WaitFor(ctx, position); err != nil {
		s.config.Logger.InfoContext(ctx, "the read model does not show a sign-in yet", "position", position, "error", err)
	}
}
