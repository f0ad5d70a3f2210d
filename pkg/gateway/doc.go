// Package gateway refuses the requests of sessions that were ended, at once and
// without asking anybody. It is the part of posse that runs in front of a POS
// backend, or inside it.
//
// # A gateway in a minute
//
// A [Gateway] follows posse's revocations over NATS, keeps them in memory and checks
// each request's access token against them. A backend needs two things for it: a
// verifier, which knows whose tokens are good, and the address of NATS.
//
//	verifier, err := tokens.NewVerifier(tokens.Config{
//		Preset:  tokens.Posse,
//		Issuer:  "https://pos.example",
//		JWKSURL: "https://pos.example/.well-known/jwks.json",
//	})
//	if err != nil {
//		return err
//	}
//	defer verifier.Close()
//
//	g, err := gateway.New(ctx, gateway.Config{
//		NATS:     gateway.NATS{URL: "nats://nats.example:4222", CredsFile: "gateway.creds"},
//		Verifier: verifier,
//		Stale:    gateway.Grace(15 * time.Minute),
//	})
//	if err != nil {
//		return err
//	}
//	defer g.Close()
//
//	server := &http.Server{Addr: ":8080", Handler: g.Middleware(handler), ReadHeaderTimeout: 5 * time.Second}
//	return server.ListenAndServe()
//
// From here on the handler sees no request of a session that was ended. It finds who
// is asking with [FromContext]:
//
//	session, ok := gateway.FromContext(r.Context())
//
// [New] returns before the revocations are loaded; until then the gateway refuses
// with 503. [Gateway.Ready] says when it is so far, and belongs behind a readiness
// probe. What of [Config] is not set has a default that its field's comment names,
// but for [Config.Stale], about which more is below.
//
// # Where to put it
//
//   - Before net/http: [Gateway.Middleware]. The example NetHTTP is a whole backend.
//   - Behind a router that takes net/http's middleware, chi for instance, the same:
//     see [examples/chirouter].
//   - In gRPC: [Gateway.Admit] takes the token from wherever it is. Interceptors for
//     calls and streams are in [examples/grpcinterceptor], to be copied.
//   - In a middleware of your own: [Gateway.AdmitRequest] decides about a request and
//     [WriteDenial] answers it.
//   - Where something else has verified the token: [Gateway.CheckSession] decides about
//     the session, and [Gateway.Touch] reports its activity.
//
// All of these but CheckSession report the session's activity, which is how posse
// knows when a till was last active: exact to the request, and late by
// [Config.TouchInterval] at most. [Gateway.Check] decides and reports nothing.
//
// The examples are a module of their own, so that a program that imports the SDK
// gets neither chi nor gRPC with it.
//
// # What a refusal says
//
// The error of every decision is a [*Denial]. Its Status says what the client has to
// do: after 401 refresh the token or sign in again, after 503 try again. Its Reason
// is the same in one word, and in the problem document that [WriteDenial] writes:
//
//   - session_revoked, 401: the session was ended; sign in again.
//   - token_expired, 401: refresh the token, or sign in again.
//   - token_invalid, token_missing, 401: sign in again.
//   - gateway_stale, not_ready, keys_unavailable, 503: nothing is known against the
//     token; try again in a second.
//
// # When posse is out of reach
//
// About once a second posse says that everything revoked so far was sent. A gateway
// that has not heard that for [Config.StaleAfter] is stale: it may be admitting a
// session that was ended. What it does then is [Config.Stale], which has no
// default:
//
//   - [FailClosed] refuses everybody until posse is back;
//   - [FailOpen] goes on with what it knows;
//   - [Grace] goes on for a stated time, and then refuses.
//
// Whatever the policy, a session that is known to be revoked is refused, and nobody
// is signed out because of a fault: a stale gateway answers 503, never 401. A
// gateway starts while NATS is away if [Config.SnapshotFile] is set, under the same
// policy, with the snapshot's age counting as staleness.
//
// Staleness is measured on the way and not by comparing clocks, so that neither a
// wrong clock nor a line that hangs and then delivers old news makes a gateway look
// fresh. A revocation that cannot be read makes it stale too, until a reading of
// the whole stream, half a minute later and again, no longer meets it: the operator
// removes it from the stream, or it expires. A machine that was suspended may take
// up to StaleAfter to notice.
//
// # Connections that stay open
//
// A WebSocket, an event stream or a stream of gRPC makes no new request that could
// be refused. [Hooks.Revoked] hears of each session that is revoked, and the server
// ends what that session has open. Between the decision and the moment from which
// the hook would find the connection the session may have been revoked, so
// the server asks [Gateway.Revoked] once after it began to keep track of it.
//
// # What a decision costs
//
// [Gateway.Check] and [Gateway.Admit] do no I/O and wait for nobody. A token is
// verified once, which takes what its signature takes, and then remembered by its
// SHA-256; from then on a decision is about half a microsecond and allocates
// nothing. Revoked sessions cost about 100 bytes of memory each until their own
// expiry. [Gateway.AdmitRequest], and so [Gateway.Middleware], wait in one case, for
// two seconds at most: for the issuer's keys, while they are not at hand.
//
// # What it tells its operator
//
// [Gateway.Stats] and [Hooks] feed metrics. [Config.Logger] hears when the gateway
// becomes ready and when it ceases to be. The gateway reports itself to posse, which
// shows how many gateways have applied a revocation; a process that only asks
// Revoked sets [Config.Unlisted].
//
// # Tests of what you build
//
// Package gatewaytest has a feed that stands for NATS and is stepped by hand, tokens,
// and a clock, so that a test can revoke a session or make the gateway stale, and
// waits for neither.
//
// # Permissions
//
// Over NATS a gateway needs no more than to subscribe to
//
//	_INBOX.KEY.>       its inbox, for a user with the public nkey KEY ([NATS.InboxPrefix])
//	pos.v1.live.>      or pos.v1.live.revocation.TENANT and pos.v1.live.tick
//	pos.v1.rollcall
//
// and to publish to
//
//	$JS.API.STREAM.INFO.POS_REVOCATIONS
//	$JS.API.STREAM.MSG.GET.POS_REVOCATIONS
//	$JS.API.CONSUMER.CREATE.POS_REVOCATIONS.*.pos.v1.revocation.*   or ….TENANT
//	$JS.API.CONSUMER.MSG.NEXT.POS_REVOCATIONS.*
//	$JS.API.CONSUMER.DELETE.POS_REVOCATIONS.*
//	pos.v1.touch.>     or pos.v1.touch.TENANT.> of its own tenant
//	pos.v1.gateway.*   or pos.v1.gateway.ID of its own
//
// Nobody may publish to pos.v1.live.>, where the server itself repeats what
// POS_REVOCATIONS stores.
//
// At the server of a store, which mirrors POS_REVOCATIONS from a hub, it asks the hub
// too how far the stream goes, since a mirror proves nothing about its own age, and
// reads there what the mirror does not have yet: on the subjects above that begin
// with $JS.API, with $JS.DOMAIN.API instead, DOMAIN being the hub's. What it hears on
// pos.v1.live.> has to come from the hub.
//
// # Promise
//
// The SDK is a module with versions of its own, which follow Semantic Versioning
// (https://semver.org). They are promised for what the packages gateway, tokens and
// gatewaytest export; [api.txt] lists it, a declaration a line:
//
//   - A patch version mends.
//   - A minor version adds lines: functions, methods, constants, fields of structs. So
//     name the fields when you make a struct. What is to go is marked as deprecated
//     first.
//   - A major version may take lines away, and has an import path of its own. Before
//     version 1 a minor version may, and the changelog says what to write instead.
//
// The words of a [Reason] are promised too, as clients act on them. The sentences of
// errors and of the log are for people and may change, and so may the examples.
//
// A program that imports the SDK gets fewer than 60 packages besides the standard
// library, and none of a web framework, a database or gRPC.
//
// [examples/chirouter]: https://pkg.go.dev/github.com/posse-pos/posse/pkg/gateway/examples/chirouter
// [examples/grpcinterceptor]: https://pkg.go.dev/github.com/posse-pos/posse/pkg/gateway/examples/grpcinterceptor
// [api.txt]: https://github.com/posse-pos/posse/blob/main/pkg/gateway/api.txt
package gateway
