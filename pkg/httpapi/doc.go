// Package httpapi is what every HTTP service of posse has in common, so that
// the recorder and the query service look like one API: OpenAPI 3.1 and a page
// that shows it, problem documents (RFC 9457), bearer authentication (RFC 6750),
// limits, request ids, client addresses behind proxies, and the DELETE routes
// that both services offer.
//
// An operation that lists [Bearer] as its security is answered only for callers
// that the configured authenticator knows; its handler finds the principal in
// the context. A handler returns plain errors: those of packages commands and
// principal become the right problem, all others a 500 whose text stays in the
// log.
//
// The package knows no business rule and no storage.
package httpapi
