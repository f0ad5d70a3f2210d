package wcpos

import (
	"net/http"
	"strings"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
)

// endpoint is what one method of a route does, and how WordPress describes it in
// the answer to OPTIONS.
type endpoint struct {
	Methods    []string   `json:"methods"`
	Parameters parameters `json:"args"`

	serve http.HandlerFunc
}

// Paths of a user's sessions, and of one of them.
const (
	pathSessions = "/sessions"
	pathSession  = pathSessions + "/{" + paramSession + "}"
)

func (a *API) endpoints() map[string][]endpoint {
	user := parameter{Type: "integer"}
	whose := parameter{Type: "integer", Required: true}
	return map[string][]endpoint{
		"/test": {
			{Methods: []string{http.MethodGet}, Parameters: parameters{}, serve: a.test},
		},
		"/users/sessions": {
			a.known(http.MethodGet, parameters{}, a.users),
		},
		pathSessions: {
			a.known(http.MethodGet, parameters{paramUser: user}, a.sessions),
			a.known(http.MethodDelete, parameters{
				paramUser: whose, paramExceptCurrent: {Type: "boolean"},
			}, a.endSessions),
		},
		pathSession: {
			a.known(http.MethodDelete, parameters{
				paramUser: whose, paramSession: {Type: "string", Required: true},
			}, a.endSession),
		},
	}
}

func (a *API) routes(namespace string) http.Handler {
	r := chi.NewRouter()
	r.Use(overrideMethod, stripSlash)
	r.NotFound(noRoute)
	r.MethodNotAllowed(noRoute)
	all := a.endpoints()
	// One session without its id: refused, since the id is missing.
	r.Method(http.MethodDelete, pathSessions+"/", all[pathSession][0].serve)
	for pattern, endpoints := range all {
		description := routeDescription{Namespace: namespace, Endpoints: endpoints}
		for _, e := range endpoints {
			description.Methods = append(description.Methods, e.Methods...)
			for _, method := range e.Methods {
				r.Method(method, pattern, e.serve)
				if method == http.MethodGet {
					r.Head(pattern, e.serve)
				}
			}
		}
		r.Options(pattern, description.serve)
	}
	return r
}

// stripSlash lets every path end in a slash, as WordPress does, but one: what is
// left of sessions/{jti} when a client has lost the id. Without its slash a DELETE
// of it would end all of the user's sessions.
func stripSlash(next http.Handler) http.Handler {
	strip := middleware.StripSlashes(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		route := chi.RouteContext(r.Context())
		if route.RouteMethod == http.MethodDelete && route.RoutePath == pathSessions+"/" {
			next.ServeHTTP(w, r)
			return
		}
		strip.ServeHTTP(w, r)
	})
}

// overrideMethod lets a POST stand for another method, in the two ways that
// WordPress knows. Its own JavaScript client sends every DELETE so. Safe methods
// stay safe: a GET, which anybody may fetch ahead, cannot become a DELETE.
func overrideMethod(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		method := r.URL.Query().Get("_method")
		if method == "" {
			method = r.Header.Get("X-Http-Method-Override")
		}
		if r.Method == http.MethodPost && method != "" {
			chi.RouteContext(r.Context()).RouteMethod = strings.ToUpper(method)
		}
		next.ServeHTTP(w, r)
	})
}

// noRoute answers for a path and for a method that are none of ours; WordPress
// makes no difference.
func noRoute(w http.ResponseWriter, _ *http.Request) {
	e := newError(http.StatusNotFound, codeNoRoute, "There is no such route for this method.")
	writeJSON(w, e.status, e)
}

// routeDescription answers OPTIONS.
type routeDescription struct {
	Namespace string     `json:"namespace"`
	Methods   []string   `json:"methods"`
	Endpoints []endpoint `json:"endpoints"`
}

func (d *routeDescription) serve(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Allow", strings.Join(d.Methods, ", "))
	writeJSON(w, http.StatusOK, d)
}
