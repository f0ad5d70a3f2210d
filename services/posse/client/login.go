package client

import (
	"context"
	"net/http"
	"net/url"
)

// Login is what a POS backend says when somebody has signed in on a device.
type Login struct {
	User       string   `json:"user"`
	Roles      []string `json:"roles,omitempty"`
	Platform   string   `json:"platform,omitempty"`
	AppVersion string   `json:"app_version,omitempty"`
	Build      string   `json:"build,omitempty"`
	Personal   Personal `json:"personal,omitzero"`
}

// Personal is what a login says about a person.
type Personal struct {
	Username    string            `json:"username,omitempty"`
	DisplayName string            `json:"display_name,omitempty"`
	DeviceLabel string            `json:"device_label,omitempty"`
	UserAgent   string            `json:"user_agent,omitempty"`
	ClientHints map[string]string `json:"client_hints,omitempty"`
	IP          string            `json:"ip,omitempty"`
}

// Grant is what a device holds while it is signed in.
type Grant struct {
	Session string `json:"session"`
	Access  string `json:"access"`
	Refresh string `json:"refresh"`
}

// Login records a login, with a backend's key, and returns the tokens that posse
// minted for it.
func (c *Client) Login(ctx context.Context, login Login) (Grant, error) {
	var answer struct {
		Session string `json:"session"`
		Tokens  struct {
			Access  string `json:"access_token"`
			Refresh string `json:"refresh_token"`
		} `json:"tokens"`
	}
	err := c.Do(ctx, Request{Method: http.MethodPost, Path: "/v1/sessions", JSON: login}, &answer)
	return Grant{Session: answer.Session, Access: answer.Tokens.Access, Refresh: answer.Tokens.Refresh}, err
}

// Refresh redeems a refresh token (RFC 6749 §6). The header is the device's.
func (c *Client) Refresh(ctx context.Context, grant Grant, header http.Header) (Grant, error) {
	var answer struct {
		Access  string `json:"access_token"`
		Refresh string `json:"refresh_token"`
	}
	err := c.As("").Do(ctx, Request{
		Method: http.MethodPost, Path: "/v1/token", Header: header,
		Form: url.Values{"grant_type": {"refresh_token"}, "refresh_token": {grant.Refresh}},
	}, &answer)
	return Grant{Session: grant.Session, Access: answer.Access, Refresh: answer.Refresh}, err
}
