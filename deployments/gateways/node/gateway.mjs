// A gateway for one tenant that knows posse by docs/gateway-contract.md alone. Its policy
// is fail_closed; it reports what it applied, and no touches. README.md says how to run it.
import { randomUUID, webcrypto } from "node:crypto";
import { createServer } from "node:http";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import { connect, nkeyAuthenticator, nkeys } from "@nats-io/transport-node";
import { createRemoteJWKSet, jwtVerify } from "jose";
globalThis.crypto ??= webcrypto; // Node 18
const { POSSE_NATS, POSSE_NKEY, POSSE_JWKS, POSSE_ISSUER, POSSE_TENANT: tenant, POSSE_LISTEN = "127.0.0.1:8480", POSSE_STALE_AFTER = "5s" } = process.env;
const stream = "POS_REVOCATIONS", leeway = 10, staleAfter = parseFloat(POSSE_STALE_AFTER) * 1000, gateway = randomUUID();
const revocations = "pos.v1.revocation." + (/^[\w-]{1,64}$/.test(tenant) ? tenant : "=" + Buffer.from(tenant).toString("base64url"));
const keys = createRemoteJWKSet(new URL(POSSE_JWKS), { cooldownDuration: 1000 });
// The revoked sessions with how long each is remembered; until when they are all, by a clock that nobody sets back.
let denied = new Map(), freshUntil = -Infinity, applied = 0, messages, asking;

createServer(async (request, response) => {
  const answer = (status, reason, headers) => response.writeHead(status, {
    "Content-Type": "application/problem+json", "Cache-Control": "no-store", ...headers,
  }).end(JSON.stringify({ type: `urn:posse:problem:${reason}`, title: reason.replace("_", " "), status, reason }));
  const unavailable = (reason) => answer(503, reason, { "Retry-After": "1" });
  const unauthorized = (reason) => answer(401, reason, { "WWW-Authenticate": 'Bearer realm="posse"' + (bearer ? ', error="invalid_token"' : "") });
  const [, bearer] = /^bearer +(\S+)$/i.exec(request.headers.authorization ?? "") ?? [];
  if (!bearer) return unauthorized("token_missing");
  try {
    const { payload: { type, tenant: of, sid, sub } } = await jwtVerify(bearer, keys, {
      issuer: POSSE_ISSUER, algorithms: ["EdDSA", "ES256"], clockTolerance: leeway, requiredClaims: ["exp", "sid", "sub", "tenant"],
    });
    if (type !== "access" || of !== tenant) return unauthorized("token_invalid");
    if (denied.has(sid)) return unauthorized("session_revoked");
    if (performance.now() >= freshUntil) return unavailable("gateway_stale");
    const plain = (id) => (/^[!-$&-~]+$/.test(id) ? id : encodeURIComponent(id));
    response.writeHead(200, { "X-Session-Id": plain(sid), "X-User-Id": plain(sub), "X-Tenant-Id": plain(of), "Cache-Control": "no-store" }).end();
  } catch ({ code = "unreachable" }) { // only jose's own errors have a code that says something against the token
    if (/unreachable|TIMEOUT|GENERIC|JWKS_INVALID/.test(code)) return unavailable("keys_unavailable");
    unauthorized(code === "ERR_JWT_EXPIRED" ? "token_expired" : "token_invalid");
  }
}).listen(POSSE_LISTEN.split(":")[1], POSSE_LISTEN.split(":")[0]);

const { host, username, password } = new URL(POSSE_NATS), seed = new TextEncoder().encode(POSSE_NKEY?.trim());
const nc = await connect({
  servers: host, name: "posse gateway in Node", waitOnFirstConnect: true, maxReconnectAttempts: -1, reconnectTimeWait: 250, pingInterval: 2000, maxPingOut: 2,
  ...(POSSE_NKEY ? { authenticator: nkeyAuthenticator(seed), inboxPrefix: "_INBOX." + nkeys.fromSeed(seed).getPublicKey() }
    : { user: decodeURIComponent(username), pass: decodeURIComponent(password) }) });
const { streams } = await jetstreamManager(nc, { checkAPI: false, timeout: 1000 });
(async () => { for await (const { type } of nc.status()) if (type === "reconnect") messages?.stop(); })();
// Reads the stream from its first message until something is wrong with it, into a set that takes the old one's place when whole.
async function follow() {
  const loading = new Map();
  let whole = false, unreadable = false, created, read = 0, heard = performance.now(), proof = { last: Infinity };
  messages = await (await jetstream(nc, { timeout: 2000 }).consumers.get(stream, {})).consume();
  clearInterval(asking);
  asking = setInterval(async () => { // what lies beyond the end of the stream was written after it was asked for that
    if (performance.now() > Math.max(freshUntil, heard) + staleAfter) messages.stop(); // it hangs, or cannot be read
    const asked = performance.now(), before = read, info = await streams.info(stream).catch(() => undefined);
    if (info) proof = { asked, last: info.state.last_seq };
    if (!info || (info.created === (created ??= info.created) && info.state.last_seq >= before)) return;
    freshUntil = -Infinity; // another stream, or its end is lost
    messages.stop();
  }, 400);
  for await (const message of messages) {
    read = message.seq;
    try {
      if (message.subject === "pos.v1.tick" && read > proof.last && !unreadable) { // everything before it was read
        const { sequence, as_of, written } = message.json(), until = proof.asked - (written - as_of) * 1000 + staleAfter;
        if (written >= as_of) [denied, whole, freshUntil, applied] = [loading, true, Math.max(freshUntil, until), sequence];
      } else if (message.subject === revocations) { // of the others nobody is admitted here
        const { session, tenant: of, expires, sequence, previous } = message.json();
        if (typeof session !== "string" || of !== tenant || !(expires > 0) || !(sequence > 0)) throw new Error("revocation is malformed");
        for (const set of [loading, denied]) set.set(session, expires + 60);
        if (previous <= applied) applied = Math.max(applied, sequence);
        if (!whole) heard = performance.now();
      }
    } catch { if (message.subject !== "pos.v1.tick") [unreadable, freshUntil] = [true, -Infinity]; }
  }
}
setInterval(() => denied.forEach((until, session) => until < Date.now() / 1000 && denied.delete(session)), 60_000);
setInterval(() => nc.publish(`pos.v1.gateway.${gateway}`, JSON.stringify({ gateway, tenant, applied, at: Date.now() / 1000,
  stale: performance.now() >= freshUntil, entries: denied.size, interval: 1 })), 1000);
for (;;) await follow().catch(() => undefined).then(() => new Promise((rested) => setTimeout(rested, 250)));
