// Package introspection is for POS backends that cannot follow a stream: they ask
// what a token is worth before they honour it (OAuth 2.0 Token Introspection,
// RFC 7662), and end the session of one when somebody signs out (OAuth 2.0 Token
// Revocation, RFC 7009).
//
// A token is judged as a gateway judges it: by its signature, its claims and the
// deny-set of revoked sessions, all of which are in memory. Who may have missed a
// revocation says so with 503 or follows the policy of its gateway; it never calls
// a token inactive for a fault of its own, which would sign a fleet out.
package introspection

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/posse-pos/posse/pkg/commands"
	"github.com/posse-pos/posse/pkg/gateway"
	"github.com/posse-pos/posse/pkg/httpapi"
	"github.com/posse-pos/posse/pkg/principal"
)

const (
	parameterToken = "token"
	parameterHint  = "token_type_hint" // no look-up here is helped by it

	// again is when a caller is asked to try again.
	again = time.Second
)

// Sessions decides about the session of a good token. *gateway.Gateway is one.
type Sessions interface {
	// CheckSession returns nil or a *gateway.Denial.
	CheckSession(session gateway.Session) error
}

// Config of a Service.
type Config struct {
	// Tokens read the tokens of each issuer that is trusted; the first one that
	// takes a token for good decides what it says. Required.
	Tokens []ReadFunc
	// Sessions knows which sessions were revoked. Required.
	Sessions Sessions
	// Ender records that a session ends. Required.
	Ender commands.Ender
}

// Service answers what tokens are worth and ends their sessions.
type Service struct{ config Config }

// New makes a service. The error names what the configuration lacks.
func New(config Config) (*Service, error) {
	if len(config.Tokens) == 0 || config.Sessions == nil || config.Ender == nil {
		return nil, errors.New("introspection: Config.Tokens, Config.Sessions or Config.Ender is missing")
	}
	return &Service{config}, nil
}

// Register adds the two endpoints to an API.
func (s *Service) Register(api huma.API) {
	parameters := httpapi.OAuthEndpoint{Required: []string{parameterToken}, Optional: []string{parameterHint}}

	introspect := parameters
	introspect.ID, introspect.Path, introspect.Security = "introspect-token", "/v1/introspect", httpapi.Bearer
	introspect.Summary = "Ask what a token is worth"
	introspect.Description = "RFC 7662, for POS backends that have no gateway. Only tokens of the backend's own tenant are " +
		"active; of all others the answer says nothing more than that they are not. It is 503 when revocations may have " +
		"been missed. Honour a token for access only if token_use is access. Errors are those of RFC 6749 §5.2."
	httpapi.RegisterOAuth(api, introspect, s.introspect)

	revoke := parameters
	revoke.ID, revoke.Path, revoke.Security = "revoke-token", "/v1/revoke", httpapi.BearerOrNobody
	revoke.Summary = "Sign out: end the session of a token"
	revoke.Description = "RFC 7009. The whole session ends, whichever of its tokens is sent, and the cause is logout. The token " +
		"is the proof: whoever has it needs no other credential, as at /v1/token. With one, only a token whose session its " +
		"holder may end has an effect. A token that is not known, or whose session has ended, is answered with 200 too. " +
		"Errors are those of RFC 6749 §5.2 and RFC 7009 §2.2.1."
	httpapi.RegisterOAuth(api, revoke, s.revoke)
}

// read returns what a token says, and whether it is good. The error is
// for a caller who should ask again.
func (s *Service) read(ctx context.Context, token string) (read Token, good bool, err error) {
	for _, read := range s.config.Tokens {
		said, refusal := read(ctx, token)
		switch {
		case refusal == nil:
			return said, true, nil
		case errors.Is(refusal, ErrUnavailable):
			err = errors.Join(unavailable("whether the token is good cannot be told at the moment"), refusal)
		}
	}
	return Token{}, false, err
}

func unavailable(sentence string) error {
	return commands.Retry(commands.ReasonUnavailable, again, "%s", sentence)
}

type introspected struct{ Body answer }

// answer is that of RFC 7662 §2.2. One that is not active says nothing more.
type answer struct {
	Active    bool     `doc:"Whether the token is good and its session goes on." json:"active"`
	TokenType string   `doc:"Bearer, for an access token."                       json:"token_type,omitempty"`
	TokenUse  string   `doc:"access or refresh. Only the former opens anything." json:"token_use,omitempty"`
	Subject   string   `doc:"The user's id."                                     json:"sub,omitempty"`
	Session   string   `doc:"The session's id."                                  json:"sid,omitempty"`
	Tenant    string   `json:"tenant,omitempty"`
	Roles     []string `doc:"As the token says."                                 json:"roles,omitempty"`
	Issuer    string   `json:"iss,omitempty"`
	ID        string   `doc:"The token's id."                                    json:"jti,omitempty"`
	IssuedAt  int64    `doc:"In seconds since 1970."                             json:"iat,omitempty"`
	Expires   int64    `doc:"In seconds since 1970."                             json:"exp,omitempty"`
}

func (s *Service) introspect(ctx context.Context, in httpapi.OAuthRequest) (*introspected, error) {
	caller, known := principal.From(ctx)
	if !known || !caller.MayRecord() {
		return nil, commands.NewError(commands.ReasonForbidden, "only a POS backend asks about tokens")
	}
	presented, err := in.Required(parameterToken)
	if err != nil {
		return nil, err
	}
	token, good, err := s.read(ctx, presented)
	if err != nil {
		return nil, err
	}
	if !good || token.Tenant != caller.Tenant {
		return &introspected{}, nil
	}
	err = s.config.Sessions.CheckSession(gateway.Session{Tenant: token.Tenant, User: token.User, ID: token.Session})
	var denial *gateway.Denial
	switch {
	case err == nil:
		return &introspected{token.answer()}, nil
	case errors.As(err, &denial) && denial.Status == http.StatusUnauthorized:
		return &introspected{}, nil
	default:
		return nil, errors.Join(unavailable("whether the token's session has ended cannot be told at the moment"), err)
	}
}

// revoked has no body (RFC 7009 §2.2).
type revoked struct{}

func (s *Service) revoke(ctx context.Context, in httpapi.OAuthRequest) (*revoked, error) {
	presented, err := in.Required(parameterToken)
	if err != nil {
		return nil, err
	}
	token, good, err := s.read(ctx, presented)
	if err != nil {
		return nil, err
	}
	caller, known := principal.From(ctx)
	if !good || known && (caller.Tenant != token.Tenant || !caller.MayEnd(token.User)) {
		return &revoked{}, nil
	}
	_, err = s.config.Ender.EndSession(ctx, commands.EndSession{Caller: token.bearer(ctx, caller), Session: token.Session})
	switch {
	case err == nil, errors.Is(err, commands.ErrSessionRevoked), errors.Is(err, commands.ErrSessionEnded):
		return &revoked{}, nil
	case errors.Is(err, commands.ErrNotFound):
		return nil, httpapi.NewOAuthError(http.StatusBadRequest, "unsupported_token_type",
			"the session of this token was never recorded here, so that it cannot be ended")
	default:
		return nil, err
	}
}
