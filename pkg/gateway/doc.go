// Package gateway refuses the requests of sessions that were ended, at once and
// without asking anybody. It is the part of posse that runs in front of a POS
// backend, or inside it.
//
// # A gateway in a minute
//
// A Gateway follows posse's revocations over NATS, keeps them in memory and checks
// each request's access token against them:
//
//	verifier, err := tokens.NewVerifier(tokens.Config{
//		Preset:  tokens.Posse,
//		Issuer:  "https://pos.example",
//		JWKSURL: "https://pos.example/.well-known/jwks.json",
//	})
//	...
//	g, err := gateway.New(ctx, gateway.Config{
//		NATS:     gateway.NATS{URL: "nats://nats.example:4222", CredsFile: "gateway.creds"},
//		Verifier: verifier,
//		Stale:    gateway.Grace(15 * time.Minute),
//	})
//	...
//	http.ListenAndServe(":8080", g.Middleware(handler))
//
// The handler finds who is asking with [FromContext]. Behind anything but net/http,
// a gRPC interceptor for instance, [Gateway.Admit] takes the token itself. Either
// one also reports the session's activity, which is how posse knows when a till was
// last active: exact to the request, and late by [Config.TouchInterval] at most.
//
// # What a decision costs
//
// [Gateway.Check] and [Gateway.Admit] do no I/O and wait for nobody. A token is
// verified once, which takes what its signature takes, and then remembered by its
// SHA-256; from then on a decision is about half a microsecond and allocates
// nothing. Revoked sessions cost about 100 bytes of memory each until their own
// expiry.
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
// # Who asks for what
//
// [Gateway.Ready] belongs behind a readiness probe: it is nil when a good token is
// admitted now. [Gateway.Stats] and [Hooks] feed metrics. [Hooks.Revoked] and
// [Gateway.Revoked] let a server end WebSockets of a session that was ended: the
// hook for those that are open, the question once after one was opened.
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
// The exported names of this package, of tokens and of gatewaytest follow semantic
// versions. Package gatewaytest has a feed that tests step by hand.
package gateway
