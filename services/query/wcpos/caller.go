package wcpos

import (
	"errors"
	"net/http"
	"strings"

	"github.com/posse-pos/posse/pkg/principal"
)

const (
	// tokenParameter carries the token where headers do not arrive.
	tokenParameter = "authorization"
	// maxToken is the longest token that anybody looks at, in bytes.
	maxToken = 16 << 10
)

var errNoToken = errors.New("wcpos: no token was sent")

// call is a request whose caller is known and whose parameters are acceptable.
type call struct {
	*http.Request

	caller principal.Principal
	given  given
}

// known is an endpoint for known callers. The order of its checks is that of
// WordPress and the plugin: who asks, then what for, then whether they may.
func (a *API) known(method string, declared parameters, answer func(http.ResponseWriter, *call) error) endpoint {
	return endpoint{Methods: []string{method}, Parameters: declared, serve: func(w http.ResponseWriter, r *http.Request) {
		c, err := a.receive(w, r, declared)
		if err == nil {
			err = answer(w, c)
		}
		if err != nil {
			a.fail(w, r, err, method == http.MethodDelete)
		}
	}}
}

func (a *API) receive(w http.ResponseWriter, r *http.Request, declared parameters) (*call, error) {
	w.Header().Set("Vary", "Authorization")
	caller, err := a.identify(r)
	if err != nil {
		return nil, err
	}
	if caller.Kind == principal.Backend {
		return nil, newError(http.StatusForbidden, codeNoAccess, "A backend key records sessions and does not manage them here.")
	}
	given, err := declared.read(w, r)
	if err != nil {
		return nil, err
	}
	return &call{Request: r.WithContext(principal.With(r.Context(), caller)), caller: caller, given: given}, nil
}

func (a *API) identify(r *http.Request) (principal.Principal, error) {
	token := tokenOf(a.credential(r))
	switch {
	case token == "":
		return principal.Principal{}, errNoToken
	case len(token) > maxToken:
		return principal.Principal{}, principal.ErrUnauthenticated
	}
	return a.config.Authenticator.Authenticate(r.Context(), token)
}

// credential is the Authorization header, or else the parameter where that is
// allowed. It is taken from the URL alone, as in the plugin.
func (a *API) credential(r *http.Request) string {
	if header := r.Header.Get("Authorization"); header != "" || !a.config.TokenParameter {
		return header
	}
	return r.URL.Query().Get(tokenParameter)
}

// tokenOf takes a token alone as well as "Bearer" and a token.
func tokenOf(credential string) string {
	const scheme = "Bearer"
	words := strings.Fields(credential)
	switch {
	case len(words) == 1 && !strings.EqualFold(words[0], scheme):
		return words[0]
	case len(words) == 2 && strings.EqualFold(words[0], scheme):
		return words[1]
	default:
		return ""
	}
}
