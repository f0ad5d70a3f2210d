// Package signin is how people sign in to the Sessions screen, and out again.
//
// There are three ways in: a single-use link, which posse prints; an OpenID
// provider; and an access token of posse's, posted by a page that embeds the
// screen. Each of them records a login, so that whoever looks at the screen sees
// their own browser in it, and can be signed out there like any other device.
//
// A browser holds a sealed cookie that names its session, and nothing is kept
// here: any replica of the service, and one that was restarted, knows it again.
// Each request asks whether the session has ended, so a revoked one is refused at
// once. That nobody can tell at the moment is answered with 503, and is never
// taken for a sign-out.
//
//	(no cookie) ── link, provider or token ──▶ signed in ── sign out ──▶ (no cookie)
//	                                              │
//	                                              └─ revoked, expired ──▶ dropped at the next request
//
// That a link is good only once is a property of the log: the session that it
// begins has an id made of the link's, and an id is issued once.
//
// The package draws no page, see [Pages], and checks no right beyond who somebody
// is.
package signin
