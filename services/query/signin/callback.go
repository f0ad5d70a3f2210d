package signin

import (
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/posse-pos/posse/pkg/token"
)

// leave sends somebody to the provider, with what its answer will have to match
// in a cookie: the authorization code flow with PKCE (RFC 9700 §2.1.1).
func (s *SignIn) leave(w http.ResponseWriter, r *http.Request) {
	next := localPath(r.URL.Query().Get("next"))
	found, err := s.provider.discover(r.Context())
	if err != nil {
		s.refuse(w, r, fail(NoticeUnavailable, err), next)
		return
	}
	request := token.AuthRequest{State: rand.Text(), Nonce: rand.Text(), Verifier: oauth2.GenerateVerifier(), Next: next}
	sealed, err := s.config.Tokens.SealAuthRequest(request)
	if err != nil {
		s.refuse(w, r, err, next)
		return
	}
	s.cookies.setRequest(w, sealed)
	redirect(w, r, found.oauth.AuthCodeURL(request.State, oidc.Nonce(request.Nonce), oauth2.S256ChallengeOption(request.Verifier)))
}

// comeBack signs in whom the provider names.
func (s *SignIn) comeBack(w http.ResponseWriter, r *http.Request) {
	next := "/"
	request, err := s.requestOf(r)
	s.cookies.setRequest(w, "") // an answer is good once
	if err == nil {
		next = localPath(request.Next)
		err = s.signInAs(w, r, request, next)
	}
	if err != nil {
		s.refuse(w, r, err, next)
	}
}

// requestOf returns the request that this browser left with.
func (s *SignIn) requestOf(r *http.Request) (token.AuthRequest, error) {
	cookie, err := r.Cookie(requestCookie)
	if err != nil {
		return token.AuthRequest{}, fail(NoticeOIDCFailed, errors.New("an answer of the provider came without the cookie of its request"))
	}
	request, err := s.config.Tokens.OpenAuthRequest(cookie.Value)
	if err != nil {
		return token.AuthRequest{}, fail(NoticeOIDCFailed, err)
	}
	return request, nil
}

func (s *SignIn) signInAs(w http.ResponseWriter, r *http.Request, request token.AuthRequest, next string) error {
	found, err := s.provider.discover(r.Context())
	if err != nil {
		return fail(NoticeUnavailable, err)
	}
	code, err := s.provider.codeOf(r.URL.Query(), request, found)
	if err != nil {
		return err
	}
	said, err := found.claimsOf(s.provider.with(r.Context()), code, request)
	if err != nil {
		return err
	}
	who, err := s.provider.config.identity(said)
	if err != nil {
		return err
	}
	return s.signIn(w, r, who, "", next)
}

// codeOf returns the code in an answer that belongs to the request and is the
// provider's.
func (p *provider) codeOf(answer url.Values, request token.AuthRequest, found *discovered) (string, error) {
	if subtle.ConstantTimeCompare([]byte(answer.Get("state")), []byte(request.State)) != 1 {
		return "", fail(NoticeOIDCFailed, errors.New("the state is not that of this browser's request"))
	}
	// An answer of another provider must not pass for this one's (RFC 9207 §2.4).
	if issuers := answer["iss"]; len(issuers) > 0 || found.namesItself {
		if len(issuers) != 1 || issuers[0] != p.config.Issuer {
			return "", fail(NoticeOIDCFailed, errors.New("the answer is not from the configured issuer"))
		}
	}
	switch code := answer.Get("error"); code {
	case "":
	case "access_denied":
		return "", fail(NoticeOIDCDenied, errors.New("the provider said access_denied"))
	case "server_error", "temporarily_unavailable":
		return "", fail(NoticeUnavailable, fmt.Errorf("the provider said %s", code))
	default:
		return "", fail(NoticeOIDCFailed, fmt.Errorf("the provider said %q", code[:min(len(code), maxErrorCode)]))
	}
	if answer.Get("code") == "" {
		return "", fail(NoticeOIDCFailed, errors.New("the answer has no code"))
	}
	return answer.Get("code"), nil
}

// maxErrorCode is how much of a provider's error code is of interest, in bytes.
const maxErrorCode = 64
