package httpapi

import (
	"context"
	"math"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/posse-pos/posse/pkg/commands"
	"github.com/posse-pos/posse/pkg/fleet"
)

// Confirmations knows how far the gateways have come; *fleet.Tracker does.
type Confirmations interface {
	// Wait returns when every gateway of the tenant has applied the revocations
	// up to a position, and at the latest when ctx ends.
	Wait(ctx context.Context, tenant string, position uint64) fleet.Report
}

// reasonsBody travels in the body: reasons are free text about people, and URLs
// end up in access logs.
type reasonsBody struct {
	ReasonAdmin string `doc:"Why, for administrators. At most 1,024 bytes."               json:"reason_admin,omitempty" maxLength:"1024"`
	ReasonUser  string `doc:"Why, for the person who is signed out. At most 1,024 bytes." json:"reason_user,omitempty"  maxLength:"1024"`
}

func (b *reasonsBody) reasons() commands.Reasons {
	if b == nil {
		return commands.Reasons{}
	}
	return commands.Reasons{Admin: b.ReasonAdmin, User: b.ReasonUser}
}

// EndOptions are common to the routes that end sessions.
type EndOptions struct {
	IdempotencyKey string `doc:"A request with the same key is answered as the first was." header:"Idempotency-Key" maxLength:"255"`

	WaitFor string `doc:"Answer when the gateways have confirmed, or when the timeout is over." enum:"gateways" query:"wait"`

	Timeout float64 `default:"2" doc:"How long to wait, in seconds." maximum:"10" minimum:"0" query:"timeout"`
}

type endSessionInput struct {
	EndOptions

	Session string       `doc:"The session's id."     path:"session"`
	Body    *reasonsBody `doc:"Why the session ends." required:"false"`
}

type endUserInput struct {
	EndOptions

	User   string       `doc:"The user's id."                                                           path:"user"`
	Except string       `doc:"The id of a session that goes on, or \"current\" for that of the caller." maxLength:"128"  query:"except"`
	Body   *reasonsBody `doc:"Why the sessions end."                                                    required:"false"`
}

// Resolve refuses "?except=": whoever meant to keep a session and sent an empty
// variable does not want everybody signed out.
func (*endUserInput) Resolve(ctx huma.Context) []error {
	u := ctx.URL()
	values := u.Query()["except"]
	if len(values) > 1 || len(values) == 1 && values[0] == "" {
		return []error{&huma.ErrorDetail{Location: "query.except", Message: "name one session, or leave the parameter out"}}
	}
	return nil
}

type forgetUserInput struct {
	EndOptions

	User string `doc:"The user's id." path:"user"`
}

type endedOutput struct{ Body endedBody }

type endedBody struct {
	Ended    int              `doc:"How many sessions this command ended."                json:"ended"`
	Sessions []string         `doc:"Their ids."                                           json:"sessions"`
	Position uint64           `doc:"The place in the log after which they are ended."     json:"position"`
	Gateways *gatewaysOfEnded `doc:"Which gateways refuse them by now, if wait=gateways." json:"gateways,omitempty"`
}

type gatewaysOfEnded struct {
	Total     int                `json:"total"`
	Confirmed []confirmedGateway `json:"confirmed"`
	Missing   []missingGateway   `json:"missing"`
	SlowestMS float64            `doc:"The longest that one of the confirmed took, in milliseconds." json:"slowest_ms"`
}

type confirmedGateway struct {
	Gateway string  `json:"gateway"`
	Name    string  `json:"name,omitempty"`
	AfterMS float64 `json:"after_ms"`
}

type missingGateway struct {
	Gateway string `json:"gateway"`
	Name    string `json:"name,omitempty"`
}

type enders struct {
	ender         commands.Ender
	confirmations Confirmations
}

// RegisterEnders adds the routes that end sessions. Without confirmations,
// wait=gateways is refused.
func RegisterEnders(api huma.API, ender commands.Ender, confirmations Confirmations) {
	e := enders{ender, confirmations}
	huma.Register(api, huma.Operation{
		OperationID: "end-session", Method: http.MethodDelete, Path: "/v1/sessions/{session}",
		Summary:     "Terminate a session, or log out",
		Description: "Ends one session: the caller's own (logout), or another one (Terminate). Ending one that has ended changes nothing.",
		Tags:        []string{"sessions"}, Security: Bearer, BodyReadTimeout: bodyReadTimeout, MaxBodyBytes: MaxBody,
	}, e.endSession)
	huma.Register(api, huma.Operation{
		OperationID: "end-user-sessions", Method: http.MethodDelete, Path: "/v1/users/{user}/sessions",
		Summary:     "Logout All, or Logout Other Devices",
		Description: "Ends every session of a user at once; with except, every one but that.",
		Tags:        []string{"sessions"}, Security: Bearer, BodyReadTimeout: bodyReadTimeout, MaxBodyBytes: MaxBody,
	}, e.endUser)
	huma.Register(api, huma.Operation{
		OperationID: "forget-user", Method: http.MethodDelete, Path: "/v1/users/{user}",
		Summary: "Forget a user",
		Description: "For administrators. Ends every session of the user, and destroys the keys of what the history says about " +
			"the person: names, addresses, devices and reasons. It cannot be undone. Ids, times and causes stay. " +
			"Who signs in under the id afterwards is somebody new.",
		Tags: []string{"sessions"}, Security: Bearer, BodyReadTimeout: bodyReadTimeout, MaxBodyBytes: MaxBody,
	}, e.forgetUser)
}

func (e enders) endSession(ctx context.Context, in *endSessionInput) (*endedOutput, error) {
	caller, err := e.caller(ctx, in.EndOptions)
	if err != nil {
		return nil, err
	}
	ended, err := e.ender.EndSession(ctx, commands.EndSession{Caller: caller, Session: in.Session, Reasons: in.Body.reasons()})
	if err != nil {
		return nil, err
	}
	return e.answer(ctx, caller, in.EndOptions, ended, ended.Position), nil
}

func (e enders) endUser(ctx context.Context, in *endUserInput) (*endedOutput, error) {
	caller, err := e.caller(ctx, in.EndOptions)
	if err != nil {
		return nil, err
	}
	except := in.Except
	if except == "current" {
		if except = caller.Principal.Session; except == "" || caller.Principal.User != in.User {
			return nil, commands.Invalid(commands.Field{
				Name: "query.except", Message: "the caller's session is not one of this user's: name the session to keep",
			})
		}
	}
	ended, err := e.ender.EndUser(ctx, commands.EndUser{Caller: caller, User: in.User, Except: except, Reasons: in.Body.reasons()})
	if err != nil {
		return nil, err
	}
	return e.answer(ctx, caller, in.EndOptions, ended, ended.Position), nil
}

func (e enders) forgetUser(ctx context.Context, in *forgetUserInput) (*endedOutput, error) {
	caller, err := e.caller(ctx, in.EndOptions)
	if err != nil {
		return nil, err
	}
	ended, err := e.ender.ForgetUser(ctx, commands.ForgetUser{Caller: caller, User: in.User})
	if err != nil {
		return nil, err
	}
	// The gateways confirm the last end; the fact behind it is none of theirs.
	return e.answer(ctx, caller, in.EndOptions, ended, lastEnd(ended)), nil
}

func lastEnd(forgotten commands.Ended) uint64 {
	if forgotten.Ended == 0 {
		return 0
	}
	return forgotten.Position - 1
}

func (e enders) caller(ctx context.Context, in EndOptions) (commands.Caller, error) {
	if in.WaitFor != "" && e.confirmations == nil {
		return commands.Caller{}, commands.Invalid(commands.Field{Name: "query.wait", Message: "this service does not hear the gateways"})
	}
	if math.IsNaN(in.Timeout) {
		return commands.Caller{}, commands.Invalid(commands.Field{Name: "query.timeout", Message: "expected number between 0 and 10"})
	}
	return Caller(ctx, in.IdempotencyKey)
}

// answer waits, if it is to, until the gateways have confirmed a position.
func (e enders) answer(
	ctx context.Context, caller commands.Caller, in EndOptions, ended commands.Ended, position uint64,
) *endedOutput {
	body := endedBody{Ended: ended.Ended, Sessions: ended.Sessions, Position: ended.Position}
	if body.Sessions == nil {
		body.Sessions = []string{}
	}
	if in.WaitFor != "" {
		ctx, cancel := context.WithTimeout(ctx, time.Duration(in.Timeout*float64(time.Second)))
		defer cancel()
		body.Gateways = gatewaysOf(e.confirmations.Wait(ctx, caller.Principal.Tenant, position))
	}
	return &endedOutput{Body: body}
}

func gatewaysOf(report fleet.Report) *gatewaysOfEnded {
	g := &gatewaysOfEnded{
		Total: report.Total, SlowestMS: milliseconds(report.Slowest),
		Confirmed: make([]confirmedGateway, 0, len(report.Confirmed)),
		Missing:   make([]missingGateway, 0, len(report.Missing)),
	}
	for _, c := range report.Confirmed {
		g.Confirmed = append(g.Confirmed, confirmedGateway{Gateway: c.Gateway, Name: c.Name, AfterMS: milliseconds(c.After)})
	}
	for _, m := range report.Missing {
		g.Missing = append(g.Missing, missingGateway{Gateway: m.Gateway, Name: m.Name})
	}
	return g
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
