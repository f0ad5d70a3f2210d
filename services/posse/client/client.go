// Package client asks posse's HTTP API: for the commands that people type, and
// for the demo. It knows no more than the API's documentation says.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	timeout   = 30 * time.Second
	maxAnswer = 16 << 20
)

// Client asks one posse. It is safe for concurrent use.
type Client struct {
	base   string
	bearer string
	http   *http.Client
}

// New returns a client of the posse at a URL, which shows a bearer token with
// each request unless it is "".
func New(base, bearer string) (*Client, error) {
	parsed, err := url.Parse(base)
	if err != nil || parsed.Host == "" || parsed.Scheme != "http" && parsed.Scheme != "https" {
		return nil, fmt.Errorf("client: %q is not the URL of an API, such as https://pos.example", base)
	}
	return &Client{
		base:   strings.TrimSuffix(base, "/"),
		bearer: bearer,
		http:   &http.Client{Timeout: timeout, Transport: http.DefaultTransport},
	}, nil
}

// As returns a client that shows another token.
func (c *Client) As(bearer string) *Client {
	other := *c
	other.bearer = bearer
	return &other
}

// Request is one question.
type Request struct {
	Method string
	// Path begins with a slash and is escaped; Query may be nil.
	Path  string
	Query url.Values
	// JSON is sent as the body unless it is nil, Form unless that is nil.
	JSON any
	Form url.Values
	// Header is added; nil means none.
	Header http.Header
}

// Do asks, and decodes a good answer into answer unless that is nil. Any other
// answer is a *Problem.
func (c *Client) Do(ctx context.Context, request Request, answer any) error {
	httpRequest, err := c.build(ctx, request)
	if err != nil {
		return err
	}
	response, err := c.http.Do(httpRequest)
	if err != nil {
		return fmt.Errorf("client: no answer: %w", err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("client: %s %s: %w", request.Method, request.Path, err)
	}
	if response.StatusCode >= http.StatusMultipleChoices {
		return problemOf(request, response, body)
	}
	if answer == nil {
		return nil
	}
	if err := json.Unmarshal(body, answer); err != nil {
		return fmt.Errorf("client: %s %s is answered by something else than posse: %w", request.Method, request.Path, err)
	}
	return nil
}

func (c *Client) build(ctx context.Context, request Request) (*http.Request, error) {
	body, contentType, err := request.body()
	if err != nil {
		return nil, err
	}
	target := c.base + request.Path
	if len(request.Query) > 0 {
		target += "?" + request.Query.Encode()
	}
	httpRequest, err := http.NewRequestWithContext(ctx, request.Method, target, body)
	if err != nil {
		return nil, fmt.Errorf("client: %w", err)
	}
	if request.Header != nil {
		httpRequest.Header = request.Header.Clone()
	}
	if contentType != "" {
		httpRequest.Header.Set("Content-Type", contentType)
	}
	if c.bearer != "" {
		httpRequest.Header.Set("Authorization", "Bearer "+c.bearer)
	}
	return httpRequest, nil
}

func (r Request) body() (body io.Reader, contentType string, err error) {
	switch {
	case r.Form != nil:
		return strings.NewReader(r.Form.Encode()), "application/x-www-form-urlencoded", nil
	case r.JSON == nil:
		return http.NoBody, "", nil
	}
	data, err := json.Marshal(r.JSON)
	if err != nil {
		return nil, "", fmt.Errorf("client: %w", err)
	}
	return bytes.NewReader(data), "application/json", nil
}
