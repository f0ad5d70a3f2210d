package httpapi

import (
	"context"
	"mime"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strconv"

	"github.com/danielgtaylor/huma/v2"
)

const (
	typeForm   = "application/x-www-form-urlencoded"
	typeOctets = "application/octet-stream" // huma adds it to every operation with a raw body

	// oauthErrors marks operations that answer errors in the words of OAuth.
	oauthErrors = "posse.oauth-errors"
)

// OAuthError is the error of RFC 6749 §5.2, which RFC 7009 and RFC 7662 use too.
type OAuthError struct {
	Code        string `doc:"What went wrong, in a word of RFC 6749 §5.2 or RFC 7009 §2.2.1."   json:"error"`
	Description string `doc:"What went wrong this time, for people."                            json:"error_description,omitempty"`

	status     int
	retryAfter int
}

// NewOAuthError makes an error with one of the standard's codes.
func NewOAuthError(status int, code, description string) *OAuthError {
	return &OAuthError{Code: code, Description: quotable(description), status: status}
}

func invalidOAuth(description string) *OAuthError {
	return NewOAuthError(http.StatusBadRequest, "invalid_request", description)
}

// Error returns the code and the description.
func (e *OAuthError) Error() string { return e.Code + ": " + e.Description }

// GetStatus is huma's way to ask for the HTTP status.
func (e *OAuthError) GetStatus() int { return e.status }

// GetHeaders is huma's way to ask for headers.
func (e *OAuthError) GetHeaders() http.Header {
	h := http.Header{"Pragma": {"no-cache"}}
	if e.retryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(e.retryAfter))
	}
	return h
}

// oauth says a problem in the words of RFC 6749.
func (p *Problem) oauth() *OAuthError {
	status, code := p.Status, "invalid_request"
	switch {
	case status == http.StatusUnauthorized:
		code = "invalid_client"
	case status == http.StatusForbidden:
		code = "unauthorized_client"
	case status == http.StatusUnprocessableEntity:
		status = http.StatusBadRequest
	case status == http.StatusServiceUnavailable, status == http.StatusTooManyRequests:
		code = "temporarily_unavailable"
	case status >= http.StatusInternalServerError:
		code = "server_error"
	}
	e := NewOAuthError(status, code, p.Detail)
	e.retryAfter = p.retryAfter
	return e
}

// OAuthEndpoint is an operation that takes a form and speaks the words of OAuth.
type OAuthEndpoint struct {
	// ID, Path, Summary, Description and Security are those of the operation.
	ID, Path, Summary, Description string
	Security                       []map[string][]string
	// Required and Optional are the parameters of the form. Others are ignored; that
	// the required ones are there the handler finds out, in its own order.
	Required, Optional []string
}

// OAuthRequest is a request to an OAuthEndpoint.
type OAuthRequest struct {
	UserAgent string

	form map[string]string
}

// Required returns a parameter that has to be there. The error is an *OAuthError.
func (r OAuthRequest) Required(name string) (string, error) {
	if r.form[name] == "" {
		return "", sendOne(name)
	}
	return r.form[name], nil
}

func sendOne(name string) *OAuthError { return invalidOAuth("send one " + name) }

type oauthInput struct {
	ContentType string `header:"Content-Type"`
	UserAgent   string `header:"User-Agent"`
	RawBody     []byte
}

// RegisterOAuth adds an endpoint to an API. Every error is answered as an
// OAuthError, whoever finds it.
func RegisterOAuth[O any](api huma.API, e OAuthEndpoint, handler func(context.Context, OAuthRequest) (*O, error)) {
	body := &huma.RequestBody{Content: map[string]*huma.MediaType{typeForm: {Schema: e.schema()}}}
	failure := api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[OAuthError](), true, "OAuthError")
	huma.Register(api, huma.Operation{
		OperationID: e.ID, Method: http.MethodPost, Path: e.Path, Summary: e.Summary, Description: e.Description,
		DefaultStatus: http.StatusOK, Tags: []string{"tokens"}, Security: e.Security,
		MaxBodyBytes: MaxBody, BodyReadTimeout: bodyReadTimeout, SkipValidateBody: true, RequestBody: body,
		Metadata: map[string]any{oauthErrors: true},
		Responses: map[string]*huma.Response{"default": {
			Description: "An error of RFC 6749 §5.2.",
			Content:     map[string]*huma.MediaType{"application/json": {Schema: failure}},
		}},
	}, func(ctx context.Context, in *oauthInput) (*O, error) {
		form, err := e.parse(in.ContentType, in.RawBody)
		if err != nil {
			return nil, err
		}
		return handler(ctx, OAuthRequest{UserAgent: in.UserAgent, form: form})
	})
	delete(body.Content, typeOctets)
	body.Required = false // its lack is answered in the words of RFC 6749
}

func (e OAuthEndpoint) schema() *huma.Schema {
	text := &huma.Schema{Type: huma.TypeString}
	form := &huma.Schema{Type: huma.TypeObject, Required: e.Required, Properties: map[string]*huma.Schema{}}
	for _, name := range slices.Concat(e.Required, e.Optional) {
		form.Properties[name] = text
	}
	return form
}

// parse reads a form whose parameters may not be repeated (RFC 6749 §3.2). One
// that is empty is as good as none.
func (e OAuthEndpoint) parse(contentType string, body []byte) (map[string]string, error) {
	if kind, _, err := mime.ParseMediaType(contentType); err != nil || kind != typeForm {
		return nil, invalidOAuth("send " + typeForm)
	}
	sent, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, invalidOAuth("the body is not a form")
	}
	form := make(map[string]string, len(e.Required)+len(e.Optional))
	for _, name := range slices.Concat(e.Required, e.Optional) {
		if len(sent[name]) > 1 {
			return nil, sendOne(name)
		}
		form[name] = sent.Get(name)
	}
	return form, nil
}
