package torture

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/posse-pos/posse/services/posse/client"
)

const (
	// pageSize is small, so that a list of twelve people and an administrator is paged
	// through for a while.
	pageSize  = 3
	pagePause = 20 * time.Millisecond // in which a reader looks at a page
	listing   = 3                     // of four reads are of one user's sessions
)

// read looks at a list.
func (c *caller) read(ctx context.Context) {
	if c.random.IntN(4) < listing {
		c.list(ctx)
		return
	}
	c.users(ctx)
}

func (c *caller) list(ctx context.Context) {
	query, tenant := c.one(c.in.named("query")), c.one(tenants)
	op := Operation{Kind: List, Via: query, Tenant: tenant, User: fmt.Sprintf("u-%d", c.random.IntN(people))}
	c.ask(ctx, op, func(ctx context.Context, op *Operation) error {
		sessions, position, err := c.api(query, c.admins[tenant]).Sessions(ctx, op.User, "active")
		op.Position = position
		for _, s := range sessions {
			op.Sessions = append(op.Sessions, s.Session)
		}
		return err
	})
}

// users pages through everybody who is signed in to a tenant. Any query process has to
// continue what another one began.
func (c *caller) users(ctx context.Context) {
	op := Operation{Kind: Users, Via: "query", Tenant: c.one(tenants)}
	c.ask(ctx, op, func(ctx context.Context, op *Operation) error {
		for token := ""; ; pause(ctx, pagePause) {
			page, next, err := c.page(ctx, op.Tenant, token)
			if err != nil {
				return err
			}
			op.Pages = append(op.Pages, page)
			if token = next; token == "" {
				return nil
			}
		}
	})
}

func (c *caller) page(ctx context.Context, tenant, token string) (page Page, next string, err error) {
	page = Page{Via: c.one(c.in.named("query")), Users: map[string]int{}}
	query := url.Values{"page_size": {strconv.Itoa(pageSize)}}
	if token != "" {
		query.Set("page_token", token)
	}
	var answer struct {
		Users         []client.User `json:"users"`
		NextPageToken string        `json:"next_page_token"`
		Position      uint64        `json:"position"`
	}
	request := client.Request{Method: http.MethodGet, Path: "/v1/users", Query: query}
	if err := c.api(page.Via, c.admins[tenant]).Do(ctx, request, &answer); err != nil {
		return page, "", err
	}
	page.Position = answer.Position
	for _, user := range answer.Users {
		if _, twice := page.Users[user.ID]; twice {
			page.Twice = append(page.Twice, user.ID)
		}
		page.Users[user.ID] = user.SessionCount
	}
	return page, answer.NextPageToken, nil
}

// status looks at what a gateway says of itself.
func (c *caller) status(ctx context.Context, gateway string, last bool) {
	op := Operation{Kind: Status, Via: gateway, Last: last}
	c.ask(ctx, op, func(ctx context.Context, op *Operation) error {
		_, text, err := c.in.look(ctx, gateway, "/metrics")
		if err != nil {
			return err
		}
		op.Position, op.Fresh, op.Process, err = says(text)
		return err
	})
}

// says reads the metrics of a gateway: its position, whether it is fresh there, and when
// its process began.
func says(metrics []byte) (position uint64, fresh bool, process string, err error) {
	values := map[string]string{}
	lines := bufio.NewScanner(bytes.NewReader(metrics))
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), " ")
		values[name] = value
	}
	if err := lines.Err(); err != nil {
		return 0, false, "", err
	}
	applied, err := strconv.ParseFloat(values["posse_gateway_applied_position"], 64)
	if err != nil {
		return 0, false, "", fmt.Errorf("the position of a gateway: %w", err)
	}
	return uint64(applied), values["posse_gateway_stale"] == "0", values["process_start_time_seconds"], nil
}
