package recorder

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/commands"
	"github.com/posse-pos/posse/pkg/httpapi"
)

const (
	typeForm    = "application/x-www-form-urlencoded"
	typeJWKSet  = "application/jwk-set+json"
	cacheJWKSet = "public, max-age=300"
)

func (r *Recorder) registerTokens(api huma.API) {
	body := &huma.RequestBody{Content: map[string]*huma.MediaType{typeForm: {Schema: tokenForm()}}}
	huma.Register(api, huma.Operation{
		OperationID: "refresh-token", Method: http.MethodPost, Path: "/v1/token",
		Summary: "Redeem a refresh token",
		Description: "RFC 6749 §6: grant_type=refresh_token. Each refresh token can be redeemed once; one that comes back " +
			"a second time ends its session, since somebody else may have it.",
		Tags: []string{"tokens"}, MaxBodyBytes: httpapi.MaxBody, BodyReadTimeout: bodyReadTimeout, SkipValidateBody: true,
		RequestBody: body,
	}, r.postToken)
	delete(body.Content, typeOctets)
	body.Required = false // its lack is answered in the words of RFC 6749
	huma.Register(api, huma.Operation{
		OperationID: "jwks", Method: http.MethodGet, Path: "/.well-known/jwks.json",
		Summary: "The public keys of the tokens", Tags: []string{"tokens"},
	}, r.getJWKS)
}

func tokenForm() *huma.Schema {
	text := &huma.Schema{Type: huma.TypeString}
	return &huma.Schema{
		Type: huma.TypeObject, Required: []string{"grant_type", "refresh_token"},
		Properties: map[string]*huma.Schema{"grant_type": text, "refresh_token": text},
	}
}

type tokenInput struct {
	ContentType string `header:"Content-Type"`
	UserAgent   string `header:"User-Agent"`
	RawBody     []byte
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

func (r *Recorder) postToken(ctx context.Context, in *tokenInput) (*tokenOutput, error) {
	redeemed, err := tokenRequest(in.ContentType, in.RawBody)
	if err != nil {
		return nil, err
	}
	done, err := r.Refresh(ctx, commands.Refresh{
		Token: redeemed, IP: httpapi.ClientIP(ctx), UserAgent: cut(in.UserAgent, events.MaxUserAgent),
	})
	if err != nil {
		return nil, r.tokenError(ctx, err)
	}
	return &tokenOutput{Pragma: "no-cache", Body: tokenBody{
		AccessToken: done.Tokens.Access, TokenType: "Bearer", RefreshToken: done.Tokens.Refresh, Session: done.Session,
		ExpiresIn: int(done.Tokens.AccessExpires.Sub(r.config.Now()) / time.Second),
	}}, nil
}

// tokenRequest returns the refresh token in a request of RFC 6749 §6, whose
// parameters may not be repeated.
func tokenRequest(contentType string, body []byte) (string, error) {
	if kind, _, err := mime.ParseMediaType(contentType); err != nil || kind != typeForm {
		return "", invalidRequest("send " + typeForm)
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return "", invalidRequest("the body is not a form")
	}
	grant, redeemed := form["grant_type"], form["refresh_token"]
	switch {
	case len(grant) != 1:
		return "", invalidRequest("send one grant_type")
	case grant[0] != "refresh_token":
		return "", &oauthError{status: http.StatusBadRequest, Code: "unsupported_grant_type", Description: "only refresh_token is a grant"}
	case len(redeemed) != 1 || redeemed[0] == "":
		return "", invalidRequest("send one refresh_token")
	}
	return redeemed[0], nil
}

// cut shortens a header to what a fact may carry, at a character's boundary.
func cut(s string, most int) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "")
	}
	return strings.ReplaceAll(s, "\x00", "")
}

// oauthError is the error of RFC 6749 §5.2.
type oauthError struct {
	Code        string `json:"error"`
	Description string `json:"error_description,omitempty"`

	status     int
	retryAfter string
}

func invalidRequest(description string) error {
	return &oauthError{status: http.StatusBadRequest, Code: "invalid_request", Description: description}
}

func (e *oauthError) Error() string { return e.Code + ": " + e.Description }

// GetStatus is huma's way to ask for the HTTP status.
func (e *oauthError) GetStatus() int { return e.status }

// GetHeaders is huma's way to ask for headers.
func (e *oauthError) GetHeaders() http.Header {
	h := http.Header{"Pragma": {"no-cache"}}
	if e.retryAfter != "" {
		h.Set("Retry-After", e.retryAfter)
	}
	return h
}

// tokenError says an error in the words of RFC 6749: whatever is wrong with the
// token is invalid_grant, and means that the user has to sign in again. What is
// our fault must not be that.
func (r *Recorder) tokenError(ctx context.Context, err error) error {
	e := commands.AsError(err)
	switch e.Reason {
	case commands.ReasonInvalidGrant, commands.ReasonRefreshReused, commands.ReasonNotFound,
		commands.ReasonSessionEnded, commands.ReasonSessionExpired:
		return &oauthError{status: http.StatusBadRequest, Code: "invalid_grant", Description: e.Detail}
	case commands.ReasonInvalid:
		return invalidRequest(e.Detail)
	case commands.ReasonBusy, commands.ReasonUnavailable:
		return &oauthError{status: http.StatusServiceUnavailable, Code: "temporarily_unavailable", Description: e.Detail, retryAfter: "1"}
	default:
		r.logger.ErrorContext(ctx, "refresh failed", slog.String("request_id", httpapi.RequestID(ctx)), slog.Any("error", err))
		return &oauthError{status: http.StatusInternalServerError, Code: "server_error", Description: "something went wrong on our side"}
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
