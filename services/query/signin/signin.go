package signin

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/posse-pos/posse/pkg/commands"
	"github.com/posse-pos/posse/pkg/httpapi"
	"github.com/posse-pos/posse/pkg/principal"
)

// Paths of the routes.
const (
	PathSignIn   = "/signin"
	PathSignOut  = "/signout"
	PathOIDC     = "/signin/oidc"
	PathCallback = "/signin/oidc/callback"
)

// retryAfter is what a 503 tells browsers to wait, in seconds.
const retryAfter = 1

// SignIn signs people in and out. Make one with New; it is safe for concurrent
// use.
type SignIn struct {
	config     Config
	cookies    cookies
	sessions   principal.Authenticator // by cookies whose session has not ended
	holders    principal.Authenticator // by cookies, whether their session has ended or not
	protection *http.CrossOriginProtection
	provider   *provider // nil for none
}

// New makes a SignIn. It asks the provider, if there is one, for nothing before
// somebody wants to sign in there. The error wraps ErrConfig.
func New(config Config) (*SignIn, error) {
	config, err := config.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &SignIn{config: config, cookies: cookies{embedded: len(config.FrameAncestors) > 0, now: config.Now}}
	s.sessions = principal.Sessions(principal.SessionsConfig{Verify: s.verifyActive})
	s.holders = principal.Sessions(principal.SessionsConfig{Verify: s.verify})
	if s.protection, err = protectionFor(config); err != nil {
		return nil, err
	}
	if config.OIDC != nil {
		if s.provider, err = newProvider(*config.OIDC, config.Now); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func protectionFor(config Config) (*http.CrossOriginProtection, error) {
	p := http.NewCrossOriginProtection()
	for _, origin := range config.FrameAncestors {
		if err := p.AddTrustedOrigin(origin); err != nil {
			return nil, fmt.Errorf("%w: FrameAncestors: %w", ErrConfig, err)
		}
	}
	p.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if config.Foreign != nil && httpapi.AcceptsPage(r) {
			config.Foreign(w, r)
			return
		}
		refusal := httpapi.NewProblem(http.StatusForbidden, string(commands.ReasonForbidden), "the request came from another site")
		refusal.Write(w, r)
	}))
	return p, nil
}

// Protection refuses requests that change something and come from a page of
// another site, unless it may embed the screen. The routes of Register have it;
// all others that a cookie admits to need it too.
//
// It goes by Sec-Fetch-Site and Origin. Browsers send neither the former over
// plain http nor a useful Origin from a page without referrers, so pages with
// forms need Referrer-Policy: same-origin.
func (s *SignIn) Protection() *http.CrossOriginProtection { return s.protection }

// Register adds the routes: GET and POST /signin, POST /signout, and with a
// provider GET /signin/oidc and GET /signin/oidc/callback.
func (s *SignIn) Register(r chi.Router) {
	r.Group(func(r chi.Router) {
		r.Use(s.protection.Handler, noStore)
		r.Get(PathSignIn, s.get)
		r.Post(PathSignIn, s.post)
		r.Post(PathSignOut, s.SignOut)
		if s.provider != nil {
			r.Get(PathOIDC, s.leave)
			r.Get(PathCallback, s.comeBack)
		}
	})
}

func noStore(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

// show has a page drawn.
func (s *SignIn) show(w http.ResponseWriter, r *http.Request, view View) {
	h := w.Header()
	// See Protection; and the token of a link leaves for no other site this way.
	h.Set("Referrer-Policy", "same-origin")
	// The devices of the screen are told apart by these.
	h.Set("Accept-CH", "Sec-CH-UA-Platform-Version, Sec-CH-UA-Model")
	if view.Status == http.StatusServiceUnavailable {
		h.Set("Retry-After", strconv.Itoa(retryAfter))
	}
	if view.Next == "" {
		view.Next = "/"
	}
	if s.provider != nil {
		view.Provider = s.provider.config.Name
	}
	s.config.Pages.SignIn(w, r, view)
}

// notify shows a page that says one thing.
func (s *SignIn) notify(w http.ResponseWriter, r *http.Request, notice Notice, next string) {
	s.show(w, r, View{Status: notice.status(), Notice: notice, Next: next})
}

// status goes with a notice that is the answer to what somebody tried.
func (n Notice) status() int {
	switch n {
	case NoticeUsedLink, NoticeExpiredLink:
		return http.StatusGone
	case NoticeBadLink, NoticeOIDCFailed, NoticeNoCookie:
		return http.StatusBadRequest
	case NoticeBadToken, NoticeOIDCDenied, NoticeNoTenant:
		return http.StatusForbidden
	case NoticeUnavailable:
		return http.StatusServiceUnavailable
	case NoticeSignedOut, NoticeEnded:
		return http.StatusOK
	default:
		return http.StatusOK
	}
}

// failure is a notice with its reason, which is for the log.
type failure struct {
	notice Notice
	reason error
}

func (f *failure) Error() string { return "signin: " + string(f.notice) + ": " + f.reason.Error() }

func fail(notice Notice, reason error) error { return &failure{notice, reason} }

// maxReason is how much of a reason goes into the log, in bytes: some are made of
// what strangers sent.
const maxReason = 512

// refuse says in the log why somebody could not sign in, and to them what they
// can do.
func (s *SignIn) refuse(w http.ResponseWriter, r *http.Request, err error, next string) {
	notice := NoticeUnavailable
	if f, ok := errors.AsType[*failure](err); ok {
		notice = f.notice
	}
	reason := err.Error()
	s.config.Logger.WarnContext(r.Context(), "sign-in refused",
		"request_id", httpapi.RequestID(r.Context()), "notice", notice, "error", reason[:min(len(reason), maxReason)])
	s.notify(w, r, notice, next)
}

// now is the moment, to the second that a cookie can hold.
func (s *SignIn) now() time.Time { return s.config.Now().UTC().Truncate(time.Second) }
