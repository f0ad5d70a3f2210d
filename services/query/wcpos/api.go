// Package wcpos serves the session endpoints of WooCommerce POS's REST API, so
// that a client made for that plugin works against posse.
//
// Paths, parameters, names, types, statuses and error codes are those of the
// plugin (1.9 and its v2 namespace) and of the WordPress REST API below it;
// docs/wcpos.md says where posse differs on purpose. What people may see comes
// from package reads, and what ends a session goes to the recorder, as in every
// other API of posse.
//
// Callers are known by a bearer token and by nothing else. No cookie counts
// here, so another site cannot have a browser end somebody's sessions.
package wcpos

import (
	"cmp"
	"errors"
	"log/slog"

	"github.com/go-chi/chi/v5"

	"github.com/posse-pos/posse/pkg/commands"
	"github.com/posse-pos/posse/pkg/principal"
	"github.com/posse-pos/posse/services/query/reads"
)

// DefaultMaxUsers is how many users one answer lists unless configured otherwise.
const DefaultMaxUsers = 10_000

// Config of an API.
type Config struct {
	// Reads answers who is signed in. Required.
	Reads *reads.Reads
	// Ender ends sessions. Required.
	Ender commands.Ender
	// Authenticator knows callers by their tokens. Required.
	Authenticator principal.Authenticator
	// TokenParameter lets the token stand in the query parameter "authorization"
	// too, for hosts that keep the header back. URLs end up in access logs and
	// histories, and so then do tokens: it is the operator's choice, and false
	// takes none from there.
	TokenParameter bool
	// MaxUsers is how many users one answer lists; 0 means DefaultMaxUsers.
	MaxUsers int
	// Logger hears of faults and of answers that broke off; nil means
	// slog.Default().
	Logger *slog.Logger
}

// API is made with New; Register adds its routes to a router.
type API struct {
	config Config
	logger *slog.Logger
}

// New makes an API.
func New(config Config) (*API, error) {
	if config.Reads == nil || config.Ender == nil || config.Authenticator == nil {
		return nil, errors.New("wcpos: Config.Reads, Config.Ender or Config.Authenticator is missing")
	}
	if config.MaxUsers < 0 {
		return nil, errors.New("wcpos: Config.MaxUsers is negative")
	}
	config.MaxUsers = cmp.Or(config.MaxUsers, DefaultMaxUsers)
	return &API{config: config, logger: cmp.Or(config.Logger, slog.Default()).With("component", "wcpos")}, nil
}

// Register adds both versions of the API: /wp-json/wcpos/v1/auth and
// /wp-json/wcpos/v2/auth, and everything below them. The plugin's second version
// is its first under another name.
func (a *API) Register(r chi.Router) {
	for _, namespace := range []string{"wcpos/v1", "wcpos/v2"} {
		r.Mount("/wp-json/"+namespace+"/auth", a.routes(namespace))
	}
}
