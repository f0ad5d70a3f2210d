package httpapi

import (
	"log/slog"
	"net/netip"
	"sync"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"
	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"

	"github.com/posse-pos/posse/pkg/principal"
	"github.com/posse-pos/posse/pkg/process"
)

// Config says what an API is.
type Config struct {
	// Title and Version stand in the OpenAPI document. Required.
	Title, Version string
	// Description stands there too; "" means none.
	Description string
	// Authenticator knows callers. Nil means that nobody is known: operations
	// with security answer 401.
	Authenticator principal.Authenticator
	// TrustedProxies are the peers whose X-Forwarded-For counts. None means that
	// the peer's address is the client's.
	TrustedProxies []netip.Prefix
	// Logger hears of faults. Nil means slog.Default().
	Logger *slog.Logger
}

// Bearer is the security of an operation that needs a principal.
var Bearer = []map[string][]string{{"bearer": {}}}

// BearerOrNobody is the security of an operation that a principal may ask for and
// somebody unknown too. What somebody sends to be known by must be good.
var BearerOrNobody = []map[string][]string{{"bearer": {}}, {}}

// New makes a router with the shared middleware and an API on it. Operations
// are added with huma.Register; routes that are no operations with the router's
// own methods. Both must happen before the first request.
//
//nolint:ireturn // chi and huma hand out interfaces
func New(config Config) (chi.Router, huma.API) {
	if config.Logger == nil {
		config.Logger = slog.Default()
	}
	useProblems()
	router := chi.NewRouter()
	router.Use(
		requestIDs,
		clientAddresses(config.TrustedProxies),
		withLogger(config.Logger),
		secureHeaders,
		recoverer,
		process.EndBodyDeadlines, // huma leaves them on the connection
		middleware.GetHead,
	)
	router.NotFound(NotFound(nil))
	router.MethodNotAllowed(methodNotAllowed(router))
	settings := openAPI(config)
	api := jsonOnly{humachi.New(router, settings), settings}
	api.UseMiddleware(authenticate(api, config.Authenticator))
	router.Get("/docs", docsPage(api))
	return router, api
}

// jsonOnly is an API that answers in JSON whatever a client accepts: there is no other
// form. Huma's own negotiation panics on headers such as "Accept: ;,x", which would be
// answered with 500 after a command was carried out.
type jsonOnly struct {
	huma.API

	config huma.Config
}

// Negotiate implements huma.API.
func (jsonOnly) Negotiate(string) (string, error) { return "application/json", nil }

// Config is what huma asks an API for beyond its interface.
func (a jsonOnly) Config() huma.Config { return a.config }

func openAPI(config Config) huma.Config {
	c := huma.DefaultConfig(config.Title, config.Version)
	c.Info.Description = config.Description
	c.CreateHooks = nil // no $schema links in answers
	c.DocsPath = ""     // huma's pages load scripts from other hosts; ours is docsPage
	c.SchemasPath = ""
	c.Formats = map[string]huma.Format{"application/json": jsonFormat, "json": jsonFormat}
	// A misspelt "except" must not sign everybody out.
	c.RejectUnknownQueryParameters = true
	c.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		"bearer": {
			Type: "http", Scheme: "bearer",
			Description: "The access token of a session, or the key of a POS backend (posse_bk_…).",
		},
	}
	return c
}

var problemsOnce sync.Once

// useProblems makes huma speak this package's problems, and take the name of a
// field for what it is. Huma keeps these choices in package variables.
func useProblems() {
	problemsOnce.Do(func() {
		huma.NewError = newProblem
		huma.NewErrorWithContext = newProblemIn
		huma.ValidateStrictCasing = true
	})
}
