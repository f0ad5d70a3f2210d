package signin

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"

	"golang.org/x/oauth2"

	"github.com/posse-pos/posse/pkg/token"
)

// claimsOf returns what the provider says of the person for whom it gave a code.
// What the ID token says counts more than what the UserInfo endpoint adds: many
// providers keep names and groups out of the one (OpenID Connect Core §5.4).
func (d *discovered) claimsOf(ctx context.Context, code string, request token.AuthRequest) (claims, error) {
	// The secret of PKCE shows that this browser asked for the code.
	tokens, err := d.oauth.Exchange(ctx, code, oauth2.VerifierOption(request.Verifier))
	if err != nil {
		return nil, exchangeFailure(err)
	}
	said, err := d.verify(ctx, tokens, request)
	if err != nil {
		return nil, fail(NoticeOIDCFailed, err)
	}
	if d.provider.UserInfoEndpoint() == "" {
		return said, nil
	}
	all, err := d.userInfo(ctx, tokens, said)
	if err != nil {
		return nil, err
	}
	maps.Copy(all, said)
	return all, nil
}

// exchangeFailure tells a code that is not good from a provider that is away. Of
// what the provider answered only the error code is kept: the rest may hold
// secrets.
func exchangeFailure(err error) error {
	refused, ok := errors.AsType[*oauth2.RetrieveError](err)
	switch {
	case !ok:
		if _, away := errors.AsType[*url.Error](err); away {
			return fail(NoticeUnavailable, err)
		}
		return fail(NoticeOIDCFailed, errors.New("the provider's answer to the code makes no sense"))
	case refused.Response != nil && refused.Response.StatusCode >= http.StatusInternalServerError:
		return fail(NoticeUnavailable, fmt.Errorf("the provider answered the code with %s", refused.Response.Status))
	default:
		code := refused.ErrorCode
		return fail(NoticeOIDCFailed, fmt.Errorf("the provider refused the code: %q", code[:min(len(code), maxErrorCode)]))
	}
}

// verify returns the claims of an ID token that the provider made for this client
// and this request (OpenID Connect Core §3.1.3.7).
func (d *discovered) verify(ctx context.Context, tokens *oauth2.Token, request token.AuthRequest) (claims, error) {
	raw, ok := tokens.Extra("id_token").(string)
	if !ok || len(raw) > maxToken {
		return nil, errors.New("the provider answered without an ID token of acceptable size")
	}
	verified, err := d.verifier.Verify(ctx, raw)
	if err != nil {
		return nil, err
	}
	if subtle.ConstantTimeCompare([]byte(verified.Nonce), []byte(request.Nonce)) != 1 {
		return nil, errors.New("the nonce of the ID token is not that of this browser's request")
	}
	if verified.AccessTokenHash != "" {
		if err := verified.VerifyAccessToken(tokens.AccessToken); err != nil {
			return nil, err
		}
	}
	said, err := read(verified)
	if err != nil {
		return nil, err
	}
	if party, named := said.text("azp"); named && party != d.oauth.ClientID || !named && len(verified.Audience) > 1 {
		return nil, errors.New("the ID token was made for another client")
	}
	return said, nil
}

// userInfo returns what else the provider says of the person (OpenID Connect Core
// §5.3).
func (d *discovered) userInfo(ctx context.Context, tokens *oauth2.Token, said claims) (claims, error) {
	info, err := d.provider.UserInfo(ctx, oauth2.StaticTokenSource(tokens))
	if err != nil {
		if _, away := errors.AsType[*url.Error](err); !away {
			err = errors.New("its answer makes no sense")
		}
		return nil, fail(NoticeUnavailable, fmt.Errorf("ask the provider about the person: %w", err))
	}
	if subject, _ := said.text("sub"); info.Subject != subject {
		return nil, fail(NoticeOIDCFailed, errors.New("the provider told about another person"))
	}
	more, err := read(info)
	if err != nil {
		return nil, fail(NoticeOIDCFailed, err)
	}
	return more, nil
}

// read returns the claims of an ID token, or of an answer about a person.
func read(from interface{ Claims(v any) error }) (claims, error) {
	var payload json.RawMessage
	if err := from.Claims(&payload); err != nil {
		return nil, err
	}
	return parseClaims(payload)
}
