package recorder

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/commands"
	"github.com/posse-pos/posse/pkg/httpapi"
)

const (
	typeJWKSet  = "application/jwk-set+json"
	cacheJWKSet = "public, max-age=300"

	grantType    = "grant_type"
	refreshToken = "refresh_token" // both a grant type and the parameter that goes with it
)

func (r *Recorder) registerTokens(api huma.API) {
	httpapi.RegisterOAuth(api, httpapi.OAuthEndpoint{
		ID: "refresh-token", Path: "/v1/token", Summary: "Redeem a refresh token",
		Description: "RFC 6749 §6: grant_type=refresh_token. Each refresh token can be redeemed once; one that comes back " +
			"a second time ends its session, since somebody else may have it.",
		Required: []string{grantType, refreshToken},
	}, r.postToken)
	huma.Register(api, huma.Operation{
		OperationID: "jwks", Method: http.MethodGet, Path: "/.well-known/jwks.json",
		Summary: "The public keys of the tokens", Tags: []string{"tokens"},
	}, r.getJWKS)
}

type tokenOutput struct {
	Pragma string `header:"Pragma"`
	Body   tokenBody
}

// tokenBody is the answer of RFC 6749 §5.1.
type tokenBody struct {
	AccessToken  string `json:"access_token"`
	TokenType    string `json:"token_type"`
	ExpiresIn    int    `doc:"Seconds until the access token expires." json:"expires_in"`
	RefreshToken string `json:"refresh_token"`
	Session      string `json:"session"`
}

func (r *Recorder) postToken(ctx context.Context, in httpapi.OAuthRequest) (*tokenOutput, error) {
	grant, err := in.Required(grantType)
	if err != nil {
		return nil, err
	}
	if grant != refreshToken {
		return nil, httpapi.NewOAuthError(http.StatusBadRequest, "unsupported_grant_type", "only refresh_token is a grant")
	}
	redeemed, err := in.Required(refreshToken)
	if err != nil {
		return nil, err
	}
	done, err := r.Refresh(ctx, commands.Refresh{
		Token: redeemed, IP: httpapi.ClientIP(ctx), UserAgent: cut(in.UserAgent, events.MaxUserAgent),
	})
	if err != nil {
		return nil, tokenError(err)
	}
	return &tokenOutput{Pragma: "no-cache", Body: tokenBody{
		AccessToken: done.Tokens.Access, TokenType: "Bearer", RefreshToken: done.Tokens.Refresh, Session: done.Session,
		ExpiresIn: int(done.Tokens.AccessExpires.Sub(r.config.Now()) / time.Second),
	}}, nil
}

// cut shortens a header to what a fact may carry, at a character's boundary.
func cut(s string, most int) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "")
	}
	return strings.ReplaceAll(s, "\x00", "")
}

// tokenError says an error in the words of RFC 6749: whatever is wrong with the
// token is invalid_grant, and means that the user has to sign in again. What is
// our fault must not be that.
func tokenError(err error) error {
	e := commands.AsError(err)
	switch e.Reason {
	case commands.ReasonInvalidGrant, commands.ReasonRefreshReused, commands.ReasonNotFound,
		commands.ReasonSessionEnded, commands.ReasonSessionExpired:
		return httpapi.NewOAuthError(http.StatusBadRequest, "invalid_grant", e.Detail)
	default:
		return err
	}
}

type jwksOutput struct {
	ContentType  string `header:"Content-Type"`
	CacheControl string `header:"Cache-Control"`
	Body         []byte
}

func (r *Recorder) getJWKS(context.Context, *struct{}) (*jwksOutput, error) {
	keys, err := json.Marshal(r.config.Issuer.Keyring.PublicJWKS())
	if err != nil {
		return nil, errors.Join(commands.ErrInternal, err)
	}
	return &jwksOutput{ContentType: typeJWKSet, CacheControl: cacheJWKSet, Body: keys}, nil
}
