package signin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/commands"
	"github.com/posse-pos/posse/pkg/principal"
	"github.com/posse-pos/posse/pkg/token"
)

// DefaultLifetime is how long a sign-in is good unless configured.
const DefaultLifetime = 12 * time.Hour

// ErrConfig is a configuration that makes no sense.
var ErrConfig = errors.New("signin: not configured correctly")

// Recorder records sign-ins and ends sessions; a commands.Commander is one.
type Recorder interface {
	Login(ctx context.Context, command commands.Login) (commands.LoggedIn, error)
	EndSession(ctx context.Context, command commands.EndSession) (commands.Ended, error)
}

// Config of a SignIn.
type Config struct {
	// Recorder records each sign-in as a login. Required.
	Recorder Recorder
	// Tokens seals the cookies and reads the links. Required, also where the
	// recorder mints no tokens.
	Tokens *token.Issuer
	// Ended reports whether a session has ended before its expiry. An error means
	// that nobody can tell at the moment. Required.
	Ended func(ctx context.Context, tenant, session string) (bool, error)
	// Pages draws the pages. Required.
	Pages Pages
	// Unavailable answers, for pages and their scripts, who has a good cookie while
	// nobody can tell whether its session has ended. Nil means that the sign-in page
	// says so.
	Unavailable func(w http.ResponseWriter, r *http.Request, err error)
	// Foreign answers a browser that another site had send a form, and that accepts a
	// page. Nil means that it gets the problem document that all others get.
	Foreign http.HandlerFunc
	// Bearer knows access tokens that are posted to /signin. Nil means that none
	// are taken.
	Bearer principal.Authenticator
	// OIDC is the provider where people may sign in. Nil means none.
	OIDC *OIDC
	// Name looks up what people call a user, for sign-ins that do not say. Nil means
	// that they are called by their ids.
	Name func(ctx context.Context, tenant, user string) (username, display, avatar string)
	// WaitFor returns when the read model shows a position, so that people who have
	// just signed in see themselves. Nil means not to wait.
	WaitFor func(ctx context.Context, position uint64) error
	// Touch reports a session's activity. It does not wait for anything. Nil means
	// that nobody is told.
	Touch func(key events.Key, ip, userAgent string)
	// IsActivity is false for requests that a page makes by itself. Nil means that
	// each request is somebody's doing.
	IsActivity func(*http.Request) bool
	// Lifetime of a sign-in; a tenant's policy may allow less. 0 means
	// DefaultLifetime.
	Lifetime time.Duration
	// FrameAncestors are the origins, such as https://admin.example, whose pages may
	// embed the screen and post tokens to it. None means that nobody may.
	FrameAncestors []string
	// Now is the clock. Nil means time.Now.
	Now func() time.Time
	// Logger hears of sign-ins that failed. Nil means slog.Default().
	Logger *slog.Logger
}

func (c Config) withDefaults() (Config, error) {
	for name, missing := range map[string]bool{
		"Recorder": c.Recorder == nil, "Tokens": c.Tokens == nil, "Ended": c.Ended == nil, "Pages": c.Pages == nil,
	} {
		if missing {
			return c, fmt.Errorf("%w: Config.%s is missing", ErrConfig, name)
		}
	}
	if c.Lifetime <= 0 {
		c.Lifetime = DefaultLifetime
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.IsActivity == nil {
		c.IsActivity = func(*http.Request) bool { return true }
	}
	if c.Touch == nil {
		c.Touch = func(events.Key, string, string) {}
	}
	if c.WaitFor == nil {
		c.WaitFor = func(context.Context, uint64) error { return nil }
	}
	if c.Name == nil {
		c.Name = func(context.Context, string, string) (username, display, avatar string) { return "", "", "" }
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	c.Logger = c.Logger.With("component", "signin")
	return c, nil
}
