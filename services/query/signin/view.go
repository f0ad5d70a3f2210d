package signin

import (
	"net/http"
	"time"
)

// Notice is what a page of /signin has to say.
type Notice string

// The notices. The empty one says nothing.
const (
	NoticeSignedOut   Notice = "signed_out"   // signed out, as asked
	NoticeEnded       Notice = "ended"        // the session ended or expired: somebody or a rule signed this browser out
	NoticeExpiredLink Notice = "expired_link" // the link's ten minutes are over
	NoticeUsedLink    Notice = "used_link"    // the link was used before
	NoticeBadLink     Notice = "bad_link"     // it is no link of posse's, or was cut off
	NoticeBadToken    Notice = "bad_token"    // the posted access token is not good here
	NoticeOIDCFailed  Notice = "oidc_failed"  // what came back from the provider is not good, or too late
	NoticeOIDCDenied  Notice = "oidc_denied"  // the provider, or the person there, said no
	NoticeNoCookie    Notice = "no_cookie"    // the browser did not keep the cookie: plain http, or cookies are off
	NoticeUnavailable Notice = "unavailable"  // nobody can tell or sign in at the moment; try again
	NoticeNoTenant    Notice = "no_tenant"    // the provider did not say to which tenant the person belongs
)

// View is what a page of /signin shows.
type View struct {
	// Status is the HTTP status to answer with.
	Status int
	Notice Notice
	// Link is the token of a link that is to be confirmed by POST /signin with the
	// form field "link"; "" for none. That a GET redeems no link keeps previews in
	// chats and mail scanners from using it up.
	Link string
	// Who is whom the link signs in.
	Who Identity
	// Expires is the end of the link.
	Expires time.Time
	// Provider names the OpenID provider, "" for none. Its button is a plain link to
	// GET /signin/oidc, with the query parameter "next".
	Provider string
	// Next is the local path to go on to, to be passed on as "next".
	Next string
}

// Identity is somebody who signs in.
type Identity struct {
	Tenant, User                     string
	Username, DisplayName, AvatarURL string   // for people; "" for none
	Roles                            []string // those that posse gives a meaning to
}

// Pages draws the pages of /signin. Headers that concern caching, referrers and
// retries are set before it is called.
type Pages interface {
	SignIn(w http.ResponseWriter, r *http.Request, view View)
}

// PagesFunc makes Pages of a function.
type PagesFunc func(w http.ResponseWriter, r *http.Request, view View)

// SignIn implements Pages.
func (f PagesFunc) SignIn(w http.ResponseWriter, r *http.Request, view View) { f(w, r, view) }
