package client

import (
	"context"
	"net/http"
)

// Me is who a token says is asking.
type Me struct {
	Kind   string `json:"kind"`
	Tenant string `json:"tenant"`
	User   string `json:"user"`
}

// Me asks whose the client's token is.
func (c *Client) Me(ctx context.Context) (Me, error) {
	var me Me
	err := c.Do(ctx, Request{Method: http.MethodGet, Path: "/v1/me"}, &me)
	return me, err
}
