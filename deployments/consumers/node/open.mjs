// Opens what the history says about people: it reads the lines of a consumer and writes
// them again, with "personal" in place of "sealed" where the key is there.
// docs/audit-consumers.md explains it.
//
//     node consumer.mjs replay | node open.mjs
//
// NATS_URL says where NATS is, and NATS_NKEY names the file with the user's seed.
import { createDecipheriv, webcrypto } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import { connect, nkeyAuthenticator, nkeys } from "@nats-io/transport-node";
globalThis.crypto ??= webcrypto; // Node 18

// token writes an id as a part of a subject.
const token = (id) => (/^[A-Za-z0-9_-]{1,64}$/.test(id) ? id : "=" + Buffer.from(id).toString("base64url"));

// secretOf returns the secret that a fact was sealed with, and nothing if it was destroyed.
async function secretOf(nc, { tenant, user, sealed }) {
  const [quarter] = sealed.key.split("-");
  const ask = { last_by_subj: `$KV.POS_KEYS.${token(tenant)}.${token(quarter)}.${token(user)}` };
  const answer = await nc.request("$JS.API.DIRECT.GET.KV_POS_KEYS", JSON.stringify(ask));
  if (answer.headers?.code === 404) return undefined;
  const { id, secret } = answer.json();
  return id === sealed.key ? Buffer.from(secret, "base64") : undefined;
}

// opened returns a fact with what it says about the person.
function opened({ id, type, event: { sealed, ...event } }, secret) {
  const data = Buffer.from(sealed.data, "base64");
  const cipher = createDecipheriv("aes-256-gcm", secret, data.subarray(0, 12));
  cipher.setAAD(Buffer.from([id, type, event.tenant, event.user].map((part) => part + "\0").join("")));
  cipher.setAuthTag(data.subarray(-16));
  const text = Buffer.concat([cipher.update(data.subarray(12, -16)), cipher.final()]);
  return { ...event, personal: JSON.parse(text) };
}

// A user may hear answers under its own public key alone.
const seed = new TextEncoder().encode((await readFile(process.env.NATS_NKEY, "utf8")).trim());
const nc = await connect({
  servers: process.env.NATS_URL, authenticator: nkeyAuthenticator(seed),
  inboxPrefix: "_INBOX." + nkeys.fromSeed(seed).getPublicKey(), maxReconnectAttempts: -1,
});
try {
  for await (const text of createInterface({ input: process.stdin })) {
    const line = JSON.parse(text);
    const secret = line.event?.sealed && (await secretOf(nc, line.event));
    if (secret) line.event = opened(line, secret);
    console.log(JSON.stringify(line));
  }
} finally {
  await nc.close();
}
