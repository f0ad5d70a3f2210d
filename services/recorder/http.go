package recorder

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/posse-pos/posse/events"
	"github.com/posse-pos/posse/pkg/commands"
	"github.com/posse-pos/posse/pkg/httpapi"
	"github.com/posse-pos/posse/pkg/principal"
)

const bodyReadTimeout = 10 * time.Second

// Register adds the recorder's routes to an API, but for those that end
// sessions: httpapi.RegisterEnders adds them once, whoever carries them out.
func (r *Recorder) Register(api huma.API) {
	huma.Register(api, huma.Operation{
		OperationID: "record-login", Method: http.MethodPost, Path: "/v1/sessions",
		Summary: "Record that a user signed in on a device",
		Description: "For POS backends. A repeated login with the same session id, or with the same Idempotency-Key, " +
			"changes nothing and is answered as the first was.",
		DefaultStatus: http.StatusCreated, Tags: []string{"recording"}, Security: httpapi.Bearer,
		MaxBodyBytes: httpapi.MaxBody, BodyReadTimeout: bodyReadTimeout,
		Middlewares: huma.Middlewares{r.refuseEarly(api, "login", arrivals)},
	}, r.postLogin)
	huma.Register(api, huma.Operation{
		OperationID: "record-refresh", Method: http.MethodPost, Path: "/v1/sessions/{session}/refresh",
		Summary:     "Record that a session's token was renewed",
		Description: "For POS backends that have tokens of their own.",
		Tags:        []string{"recording"}, Security: httpapi.Bearer,
		MaxBodyBytes: httpapi.MaxBody, BodyReadTimeout: bodyReadTimeout,
		Middlewares: huma.Middlewares{r.refuseEarly(api, "record_refresh", renewals)},
	}, r.postRefresh)
	r.registerTouches(api)
	if r.config.Issuer != nil {
		r.registerTokens(api)
	}
}

// refuseEarly refuses a command that there is no room for before its body is read:
// to read and to check what will not be carried out takes the processor from what is.
// Whoever passes still has to get a place.
func (r *Recorder) refuseEarly(api huma.API, name string, rank rank) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		caller, _ := principal.From(ctx.Context())
		if err := r.places.look(rank, caller.Tenant); err != nil {
			r.metrics.begin(name)(err)
			_ = huma.WriteErr(api, ctx, http.StatusInternalServerError, "", err)
			return
		}
		next(ctx)
	}
}

type loginInput struct {
	IdempotencyKey string `doc:"A login with the same key makes the same session." header:"Idempotency-Key" maxLength:"255"`
	Body           loginBody
}

type loginBody struct {
	Session string   `doc:"The backend's id for it. Posse makes one if needed." json:"session,omitempty" maxLength:"128"`
	User    string   `doc:"The user's id."                                      json:"user"              maxLength:"128" minLength:"1"`
	Roles   []string `doc:"They go into minted tokens and nowhere else."        json:"roles,omitempty"   maxItems:"32"`

	Platform   string `doc:"As the device declares it: ios, android, electron, web, …"   json:"platform,omitempty"    maxLength:"64"`
	AppVersion string `doc:"As the device declares it."                                  json:"app_version,omitempty" maxLength:"64"`
	Build      string `doc:"As the device declares it."                                  json:"build,omitempty"       maxLength:"64"`

	Created  *time.Time `doc:"When the session began; now, if not given."                                        json:"created,omitempty"`
	Expires  *time.Time `doc:"When it ends, at most the tenant's absolute lifetime later, which is the default." json:"expires,omitempty"`
	Personal personal   `json:"personal,omitzero"`
}

type personal struct {
	Username    string            `json:"username,omitempty"                         maxLength:"256"`
	DisplayName string            `json:"display_name,omitempty"                     maxLength:"256"`
	AvatarURL   string            `json:"avatar_url,omitempty"                       maxLength:"1024"`
	DeviceLabel string            `doc:"What people call the device: Till 3."        json:"device_label,omitempty" maxLength:"256"`
	UserAgent   string            `json:"user_agent,omitempty"                       maxLength:"512"`
	ClientHints map[string]string `doc:"Sec-CH-UA headers and the like, at most 16." json:"client_hints,omitempty"`
	IP          string            `doc:"The device's address."                       json:"ip,omitempty"           maxLength:"64"`
}

type loginOutput struct {
	Location string `header:"Location"`
	Body     commands.LoggedIn
}

func (r *Recorder) postLogin(ctx context.Context, in *loginInput) (*loginOutput, error) {
	caller, err := httpapi.Caller(ctx, in.IdempotencyKey)
	if err != nil {
		return nil, err
	}
	b := in.Body
	done, err := r.Login(ctx, commands.Login{
		Caller: caller, Session: b.Session, User: b.User, Roles: b.Roles,
		Platform: b.Platform, AppVersion: b.AppVersion, Build: b.Build,
		Created: orZero(b.Created), Expires: orZero(b.Expires), Personal: events.LoginPersonal(b.Personal),
	})
	if err != nil {
		return nil, err
	}
	return &loginOutput{Location: "/v1/sessions/" + url.PathEscape(done.Session), Body: done}, nil
}

func orZero(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}

type refreshInput struct {
	Session        string `doc:"The session's id."                                path:"session"`
	IdempotencyKey string `doc:"A refresh with the same key is the same refresh." header:"Idempotency-Key" maxLength:"255"`
	Body           struct {
		User      string     `doc:"The user's id."                                 json:"user"              maxLength:"128" minLength:"1"`
		Expires   *time.Time `doc:"The session's new end; unchanged if not given." json:"expires,omitempty"`
		IP        string     `doc:"The device's address."                          json:"ip,omitempty"      maxLength:"64"`
		UserAgent string     `json:"user_agent,omitempty"                          maxLength:"512"`
	}
}

type refreshOutput struct{ Body commands.Refreshed }

func (r *Recorder) postRefresh(ctx context.Context, in *refreshInput) (*refreshOutput, error) {
	caller, err := httpapi.Caller(ctx, in.IdempotencyKey)
	if err != nil {
		return nil, err
	}
	done, err := r.RecordRefresh(ctx, commands.RecordRefresh{
		Caller: caller, User: in.Body.User, Session: in.Session,
		Expires: orZero(in.Body.Expires), IP: in.Body.IP, UserAgent: in.Body.UserAgent,
	})
	if err != nil {
		return nil, err
	}
	return &refreshOutput{done}, nil
}
