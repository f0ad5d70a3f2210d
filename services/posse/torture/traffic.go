package torture

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/posse-pos/posse/services/posse/client"
)

const (
	people       = 12 // of each tenant
	backends     = 4  // callers that sign people in and out
	tillsEach    = 2  // callers at each gateway
	readers      = 2
	callPatience = 4 * time.Second
	backendPause = 40 * time.Millisecond
	tillPause    = 15 * time.Millisecond
	readerPause  = 60 * time.Millisecond
	statusPause  = 150 * time.Millisecond // between two looks at a gateway
	remembered   = 400                    // sessions that the callers choose from
)

// device is a session as its device knows it.
type device struct {
	tenant, user, session string
	access                string
	refresh               string // "" while a redemption of it is under way or its outcome is unknown
	redeemed              string // a refresh token that was redeemed before; "" if none was
}

// traffic is what all the clients do.
type traffic struct {
	in     *installation
	since  time.Time
	out    *journal
	canary string
	admins map[string]string // access token by tenant

	// acked is the greatest position that a command was acknowledged with.
	acked atomic.Uint64

	mu      sync.Mutex
	devices []*device          // the newest, from which callers choose
	known   map[string]*device // all of them, by session
	doubts  []Operation        // logins and ends of unknown outcome
	given   []command          // the newest, which may be given again
	made    int
}

// run keeps everybody busy until ctx ends.
func (t *traffic) run(ctx context.Context, seed uint64) {
	var callers sync.WaitGroup
	defer callers.Wait()
	call := func(name string, pause time.Duration, do func(ctx context.Context, c *caller)) {
		random := rand.New(rand.NewPCG(seed, hash(name))) //nolint:gosec // it has to be repeatable
		c := &caller{traffic: t, name: name, random: random}
		callers.Go(func() {
			for ctx.Err() == nil {
				do(ctx, c)
				select {
				case <-ctx.Done():
				case <-time.After(pause):
				}
			}
		})
	}
	for n := range backends {
		call(fmt.Sprintf("backend-%d", n+1), backendPause, func(ctx context.Context, c *caller) { c.command(ctx) })
	}
	for _, gateway := range t.in.named("gateway") {
		for n := range tillsEach {
			call(fmt.Sprintf("till-%d of %s", n+1, gateway), tillPause, func(ctx context.Context, c *caller) { c.request(ctx, gateway) })
		}
		call("operator of "+gateway, statusPause, func(ctx context.Context, c *caller) { c.status(ctx, gateway, false) })
	}
	for n := range readers {
		call(fmt.Sprintf("reader-%d", n+1), readerPause, func(ctx context.Context, c *caller) { c.read(ctx) })
	}
}

func hash(name string) uint64 {
	sum := sha256.Sum256([]byte(name))
	return binary.BigEndian.Uint64(sum[:])
}

// start signs in somebody who may end everybody's sessions, in each tenant.
func (t *traffic) start(ctx context.Context) error {
	t.admins, t.known = map[string]string{}, map[string]*device{}
	for _, tenant := range tenants {
		api, err := client.New(t.in.api["recorder-1"], t.in.keys[tenant])
		if err != nil {
			return err
		}
		grant, err := api.Login(ctx, client.Login{User: "admin", Roles: []string{"admin"}})
		if err != nil {
			return fmt.Errorf("sign an administrator in: %w", err)
		}
		t.admins[tenant] = grant.Access
	}
	return nil
}

// caller is one client, which waits for each answer.
type caller struct {
	*traffic

	name   string
	random *rand.Rand
}

func (c *caller) one(of []string) string { return of[c.random.IntN(len(of))] }

// device returns somebody's, or nil while there is none.
func (c *caller) device() *device {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.devices) == 0 {
		return nil
	}
	return c.devices[c.random.IntN(len(c.devices))]
}

// command is one of what backends and administrators do.
func (c *caller) command(ctx context.Context) {
	d := c.device()
	if d == nil {
		c.login(ctx)
		return
	}
	switch dice := c.random.IntN(100); {
	case dice < 45:
		c.login(ctx)
	case dice < 62:
		c.refresh(ctx, d)
	case dice < 65:
		c.reuse(ctx, d)
	case dice < 78:
		c.end(ctx, Operation{Kind: Terminate, Tenant: d.tenant, User: d.user, Session: d.session}, client.End{Session: d.session})
	case dice < 84:
		op := Operation{Kind: LogoutOthers, Tenant: d.tenant, User: d.user, Session: d.session}
		c.end(ctx, op, client.End{User: d.user, Except: d.session})
	case dice < 90:
		c.end(ctx, Operation{Kind: LogoutAll, Tenant: d.tenant, User: d.user}, client.End{User: d.user})
	case dice < 97:
		c.repeat(ctx)
	default:
		c.trespass(ctx, d)
	}
}

// ask makes a call, times it, and writes down what came of it.
func (c *caller) ask(ctx context.Context, op Operation, do func(ctx context.Context, op *Operation) error) Operation {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), callPatience)
	defer cancel()
	op.Client, op.Start = c.name, time.Since(c.since)
	err := do(ctx, &op)
	op.End = time.Since(c.since)
	problem, ok := errors.AsType[*client.Problem](err)
	switch {
	case err == nil:
		op.Outcome = OK
	case ok && problem.Status < http.StatusInternalServerError:
		op.Outcome, op.Status, op.Reason = Refused, problem.Status, problem.Reason
	case ok:
		op.Outcome, op.Status, op.Reason = Unknown, problem.Status, problem.Reason
	default:
		op.Outcome = Unknown
	}
	c.out.add(op)
	return op
}

func (c *caller) login(ctx context.Context) {
	c.mu.Lock()
	c.made++
	session := fmt.Sprintf("s-%d", c.made)
	c.mu.Unlock()
	d := &device{tenant: c.one(tenants), user: fmt.Sprintf("u-%d", c.random.IntN(people)), session: session}
	body := map[string]any{
		"session": session, "user": d.user,
		"personal": map[string]any{"display_name": c.canary, "username": d.user, "ip": "203.0.113.7"},
	}
	c.give(ctx, command{
		op: Operation{Kind: Login, Tenant: d.tenant, User: d.user, Session: session, Command: session},
		do: func(ctx context.Context, c *caller, op *Operation) error { return c.signIn(ctx, op, *d, body) },
	})
}

// signIn has a device signed in, which remembers its tokens unless it has some. Those of
// a login that was given again would count as used twice.
func (c *caller) signIn(ctx context.Context, op *Operation, d device, body any) error {
	var answer struct {
		loginAnswer

		Tokens struct {
			Access  string `json:"access_token"`
			Refresh string `json:"refresh_token"`
		} `json:"tokens"`
	}
	request := client.Request{Method: http.MethodPost, Path: "/v1/sessions", JSON: body}
	if err := c.api(op.Via, c.in.keys[d.tenant]).Do(ctx, request, &answer); err != nil {
		return err
	}
	op.Position, op.Said = answer.Position, said(answer.loginAnswer)
	d.access, d.refresh = answer.Tokens.Access, answer.Tokens.Refresh
	if d.access != "" {
		c.remember(&d)
	}
	return nil
}

// loginAnswer is what a login is answered, but for the tokens.
type loginAnswer struct {
	Session  string    `json:"session"`
	User     string    `json:"user"`
	Tenant   string    `json:"tenant"`
	Created  time.Time `json:"created"`
	Expires  time.Time `json:"expires"`
	Position uint64    `json:"position"`
	Ended    int       `json:"ended"`
}

func (c *caller) remember(d *device) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.known[d.session] != nil {
		return
	}
	c.known[d.session] = d
	if len(c.devices) >= remembered {
		c.devices = c.devices[1:]
	}
	c.devices = append(c.devices, d)
}

// api is the API of a process. Its URL is one of ours.
func (c *caller) api(process, bearer string) *client.Client {
	api, err := client.New(c.in.api[process], bearer)
	if err != nil {
		panic(err)
	}
	return api
}

// nameOf names a token without being it.
func nameOf(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:8])
}

func (c *caller) refresh(ctx context.Context, d *device) {
	c.mu.Lock()
	token := d.refresh
	d.refresh = ""
	c.mu.Unlock()
	if token == "" {
		return
	}
	var grant client.Grant
	op := c.redeem(ctx, Refresh, d, token, &grant)
	c.mu.Lock()
	defer c.mu.Unlock()
	if op.Outcome == OK {
		d.access, d.refresh, d.redeemed = grant.Access, grant.Refresh, token
	}
}

// reuse redeems a token for the second time, as a thief does. Where none was redeemed
// before, the device does so first.
func (c *caller) reuse(ctx context.Context, d *device) {
	if c.redeemedOf(d) == "" {
		c.refresh(ctx, d)
	}
	if token := c.redeemedOf(d); token != "" {
		c.redeem(ctx, Reuse, d, token, &client.Grant{})
	}
}

// redeemedOf is the token that the device redeemed last.
func (c *caller) redeemedOf(d *device) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return d.redeemed
}

func (c *caller) redeem(ctx context.Context, kind Kind, d *device, token string, grant *client.Grant) Operation {
	recorder := c.one(c.in.named("recorder"))
	op := Operation{Kind: kind, Via: recorder, Tenant: d.tenant, User: d.user, Session: d.session, Redeemed: nameOf(token)}
	return c.ask(ctx, op, func(ctx context.Context, _ *Operation) (err error) {
		*grant, err = c.api(recorder, "").Refresh(ctx, client.Grant{Session: d.session, Refresh: token}, nil)
		return err
	})
}

func (c *caller) end(ctx context.Context, op Operation, end client.End) {
	end.IdempotencyKey = fmt.Sprintf("%s %x", c.name, c.random.Uint64())
	op.Command = end.IdempotencyKey
	c.give(ctx, command{op: op, do: func(ctx context.Context, c *caller, op *Operation) error {
		ended, err := c.api(op.Via, c.admins[op.Tenant]).End(ctx, end)
		if err == nil {
			op.Sessions, op.Position, op.Said = ended.Sessions, ended.Position, said(ended)
		}
		return err
	}})
}

// trespass tries to end a session of another tenant.
func (c *caller) trespass(ctx context.Context, d *device) {
	other := tenants[0]
	if d.tenant == other {
		other = tenants[1]
	}
	c.end(ctx, Operation{Kind: Trespass, Tenant: other, Session: d.session}, client.End{Session: d.session})
}

// request is one of a till's at its gateway.
func (c *caller) request(ctx context.Context, gateway string) {
	if d := c.device(); d != nil {
		c.requestOf(ctx, gateway, d, false)
	}
}

func (c *caller) requestOf(ctx context.Context, gateway string, d *device, last bool) {
	c.mu.Lock()
	token := d.access
	c.mu.Unlock()
	op := Operation{Kind: Request, Via: gateway, Tenant: d.tenant, User: d.user, Session: d.session, Last: last}
	c.ask(ctx, op, func(ctx context.Context, _ *Operation) error {
		return c.api(gateway, token).Do(ctx, client.Request{Method: http.MethodGet, Path: "/authz/forward-auth"}, nil)
	})
}
