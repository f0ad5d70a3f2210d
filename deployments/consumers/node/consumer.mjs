// Reads the history of posse with nothing but NATS's client: as a replay from any point,
// or as a durable consumer that goes on where it stopped. docs/audit-consumers.md
// explains it.
//
//     node consumer.mjs replay [--seq N | --time T] [--filter SUBJECT]
//     node consumer.mjs follow [--consumer NAME] --out FILE [--stop]
//
// NATS_URL says where NATS is, and NATS_NKEY names the file with the user's seed.
import { webcrypto } from "node:crypto";
import { open, readFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import { connect, nkeyAuthenticator, nkeys } from "@nats-io/transport-node";
globalThis.crypto ??= webcrypto; // Node 18

const stream = "POS_SESSIONS";
const whole = "pos.v1.session.>"; // of its subjects
const page = 500; // events that are asked for at once

// History gives each event once, as a line of JSON.
class History {
  // last is the sequence of the last line, 0 if none is known; gapless is said when every
  // sequence has to come, since nothing is filtered out.
  constructor(last, gapless) {
    Object.assign(this, { last, gapless });
  }

  // take returns the line of an event, and nothing for one that was taken before.
  take(sequence, stored, message) {
    if (sequence <= this.last) return "";
    if (this.gapless && this.last > 0 && sequence !== this.last + 1) {
      throw new Error(`after event ${this.last} comes ${sequence}: events are missing`);
    }
    this.last = sequence;
    const { header } = message;
    const line = { sequence, stored, subject: message.subject, id: header.get("Nats-Msg-Id"), type: header.get("ce-type") };
    try {
      line.event = JSON.parse(new TextDecoder().decode(message.data));
    } catch {
      line.data_base64 = Buffer.from(message.data).toString("base64");
    }
    return JSON.stringify(line) + "\n";
  }
}

// replay writes what the stream holds to standard output, page by page. It makes no
// consumer, so there is nothing to clean up.
async function replay(nc, { seq, time, filter }) {
  const { direct } = await jetstreamManager(nc, { checkAPI: false });
  const history = new History(time ? 0 : seq - 1, filter === whole);
  let from = time ? { start_time: time } : { seq };
  for (let pending = 1; pending > 0; from = { seq: history.last + 1 }) {
    pending = 0; // of an answer that nothing is left
    for await (const message of await direct.getBatch(stream, { ...from, batch: page, next_by_subj: filter })) {
      process.stdout.write(history.take(message.seq, message.timestamp, message));
      pending = message.pending;
    }
  }
}

// follow appends to a file what a durable consumer delivers, each event once and in
// order. An event is acknowledged when it is on the disk: killed between the two, the
// next run is given it once more, and knows it by its sequence.
async function follow(nc, { consumer: name, out, stop }) {
  const file = await open(out, "a+", 0o600);
  try {
    const consumer = await jetstream(nc).consumers.get(stream, name);
    const { config, num_pending, num_ack_pending } = await consumer.info(true);
    const history = new History(await lastWritten(file), !config.filter_subject && !config.filter_subjects?.length);
    for (let left = num_pending + num_ack_pending; left > 0 || !stop; ) {
      const message = await consumer.next({ expires: 30_000 });
      if (!message) continue;
      const { streamSequence, deliveryCount, pending, timestamp } = message.info;
      if (deliveryCount > 1) console.error(`consumer: event ${streamSequence}, delivery ${deliveryCount}`);
      await file.write(history.take(streamSequence, timestamp, { subject: message.subject, header: message.headers, data: message.data }));
      await file.sync();
      if (!(await message.ackAck())) throw new Error(`event ${streamSequence} could not be acknowledged`);
      left = pending;
    }
  } finally {
    await file.close();
  }
}

// lastWritten returns the sequence in a file's last line, and cuts off half a line that
// a crash left behind it.
async function lastWritten(file) {
  const text = await file.readFile();
  const end = text.lastIndexOf("\n") + 1;
  await file.truncate(end);
  const lines = text.subarray(0, end).toString().split("\n");
  return end === 0 ? 0 : JSON.parse(lines.at(-2)).sequence;
}

const { values, positionals: [command] } = parseArgs({
  allowPositionals: true,
  options: {
    seq: { type: "string", default: "1" },
    time: { type: "string" },
    filter: { type: "string", default: whole },
    consumer: { type: "string", default: "audit" },
    out: { type: "string" },
    stop: { type: "boolean", default: false },
  },
});
const run = { replay, follow }[command];
if (!run) throw new Error("say replay or follow");
// A user may hear answers under its own public key alone.
const seed = new TextEncoder().encode((await readFile(process.env.NATS_NKEY, "utf8")).trim());
const nc = await connect({
  servers: process.env.NATS_URL, authenticator: nkeyAuthenticator(seed),
  inboxPrefix: "_INBOX." + nkeys.fromSeed(seed).getPublicKey(), maxReconnectAttempts: -1,
});
try {
  await run(nc, { ...values, seq: Math.max(Number(values.seq), 1) });
} finally {
  await nc.close();
}
