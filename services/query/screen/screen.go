// Package screen is the Sessions screen: who is signed in, on which devices, and
// the buttons that sign them out. It is rendered here, works without JavaScript,
// and with it stays live.
//
// The screen loads nothing from another host and has no inline script or style,
// which its Content-Security-Policy proves. Everything that strangers wrote is
// escaped by html/template and isolated in its direction by <bdi>.
package screen

import (
	"cmp"
	"context"
	"errors"
	"html/template"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"

	"github.com/posse-pos/posse/pkg/activesessions"
	"github.com/posse-pos/posse/pkg/commands"
	"github.com/posse-pos/posse/pkg/fleet"
	"github.com/posse-pos/posse/pkg/principal"
	"github.com/posse-pos/posse/services/query/changes"
	"github.com/posse-pos/posse/services/query/reads"
	"github.com/posse-pos/posse/services/query/screen/words"
)

// Guard knows who has signed in; *signin.SignIn is one.
type Guard interface {
	// Require answers who has not signed in, and puts the principal of who has
	// into the context.
	Require(next http.Handler) http.Handler
	// Authenticate says again who a request is from.
	Authenticate(r *http.Request) (principal.Principal, error)
	// Forget has the browser drop its cookie.
	Forget(w http.ResponseWriter)
}

// Fleet knows the gateways and how far they have come; *fleet.Tracker is one.
type Fleet interface {
	Wait(ctx context.Context, tenant string, position uint64) fleet.Report
	Gateways(tenant string) []fleet.Gateway
}

// Config of a Screen.
type Config struct {
	// Store to read. Required.
	Store activesessions.Reader
	// Changes to stay live on. Required.
	Changes *changes.Hub
	// Ender ends sessions. Required.
	Ender commands.Ender
	// Fleet of gateways. Required.
	Fleet Fleet

	// FrameAncestors are the origins that may show the screen in a frame; none
	// means nobody.
	FrameAncestors []string
	// AvatarHosts are the hosts from which pictures of users are fetched; none
	// means that everybody has initials.
	AvatarHosts []string
	// TouchInterval is how late "last active" may be shown; 0 means 30 s.
	TouchInterval time.Duration
	// PulseEvery is the least time between two refreshes of a screen; 0 means 1 s.
	PulseEvery time.Duration
	// CheckEvery is how often an open screen's sign-in is looked at again even if
	// nothing is heard of it; 0 means 2 s.
	CheckEvery time.Duration
	// Heartbeat is how often a silent stream says that it is alive; 0 means 15 s.
	Heartbeat time.Duration
	// MaxScreens is how many may be open and live at once; 0 means 5,000.
	MaxScreens int

	// Observe hears of every answer; nil means that nobody does.
	Observe func(operation string, status int, took time.Duration)
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Logger; nil means slog.Default().
	Logger *slog.Logger
}

func (c Config) withDefaults() (Config, error) {
	if c.Store == nil || c.Changes == nil || c.Ender == nil || c.Fleet == nil {
		return c, errors.New("screen: Config.Store, Changes, Ender or Fleet is missing")
	}
	c.TouchInterval = cmp.Or(c.TouchInterval, 30*time.Second)
	c.PulseEvery = cmp.Or(c.PulseEvery, time.Second)
	c.CheckEvery = cmp.Or(c.CheckEvery, 2*time.Second)
	c.Heartbeat = cmp.Or(c.Heartbeat, 15*time.Second)
	c.MaxScreens = cmp.Or(c.MaxScreens, 5000)
	c.Logger = cmp.Or(c.Logger, slog.Default()).With("component", "screen")
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Observe == nil {
		c.Observe = func(string, int, time.Duration) {}
	}
	return c, nil
}

// Screen is made with New; Register adds its routes to a router.
type Screen struct {
	config    Config
	policy    string       // Content-Security-Policy
	reads     *reads.Reads // for what a person asks for
	refreshes *reads.Reads // for what open screens ask for by themselves
	live      *live
	assets    *assets
	avatars   *avatars
	languages *words.Languages
	templates map[*words.Language]*template.Template
}

// New returns a screen. Its texts, templates and assets are part of the program;
// an error about them is a fault of the build.
func New(config Config) (*Screen, error) {
	config, err := config.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &Screen{config: config, policy: policy(config.FrameAncestors), avatars: newAvatars(config)}
	s.live = newLive(config)
	s.reads = reads.New(config.Store, config.Now, config.Logger)
	shared := &sharedReads{Reader: config.Store, live: s.live, known: newCache[sharedRead](maxShared)}
	s.refreshes = reads.New(shared, config.Now, config.Logger)
	if s.assets, err = loadAssets(); err != nil {
		return nil, err
	}
	if s.languages, err = words.Load(); err != nil {
		return nil, err
	}
	s.templates, err = s.parse()
	return s, err
}

// Register adds the routes of the screen, with protection against requests that
// other sites have a browser make. The guard is asked before all but assets.
func (s *Screen) Register(r chi.Router, guard Guard, protection *http.CrossOriginProtection) {
	r.Get("/assets/{file}", s.assets.serve)
	r.Group(func(r chi.Router) {
		r.Use(s.secure, protection.Handler, s.language, guard.Require)
		r.Get("/live", s.stream(guard))
		r.Group(func(r chi.Router) {
			r.Use(middleware.Compress(compression, "text/html"))
			s.page(r, "/", s.showScreen)
			s.page(r, "/users", s.showUsers)
			s.page(r, "/end", s.askEnd)
			s.page(r, "/outcome", s.showOutcome)
			r.Post("/end", s.answer("screen-end", s.end(guard)))
		})
		r.Get("/avatar", s.avatar)
	})
}

// compression is the level of gzip: pages are made for one reader each.
const compression = 5

func (s *Screen) page(r chi.Router, path string, show func(http.ResponseWriter, *http.Request) error) {
	operation := "screen-" + cmp.Or(strings.Trim(path, "/"), "page")
	r.Get(path, s.answer(operation, show))
}

// policy is strict: nothing but our own files, no inline script or style.
func policy(ancestors []string) string {
	frames := "'none'"
	if len(ancestors) > 0 {
		frames = strings.Join(ancestors, " ")
	}
	return "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
		"form-action 'self'; base-uri 'none'; frame-ancestors " + frames
}

// secure sets the headers of every page.
func (s *Screen) secure(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", s.policy)
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Referrer-Policy", "same-origin") // a form's Origin would be "null" without any
		h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
		next.ServeHTTP(w, r)
	})
}

// Secure wraps pages that are shown to whoever has not signed in.
func (s *Screen) Secure(next http.Handler) http.Handler { return s.secure(s.language(next)) }
