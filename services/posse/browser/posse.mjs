// The posse that the specs talk to, as the environment names it, and its command.
import { execFile, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const env = process.env;
const url = env.POSSE_URL || 'http://127.0.0.1:8480';

export const posse = {
  url, // of the screen and the API that reads
  recorder: env.POSSE_RECORDER || url,
  gateway: env.POSSE_GATEWAY || url,
  link: env.POSSE_LINK || '', // that posse printed when it started, if it did
  topology: env.POSSE_TOPOLOGY || 'serve',
  // A gateway that serves the tenant "annex" alone, and that a spec may stop.
  annex: { tenant: 'annex', name: 'Annex', pid: Number(env.POSSE_ANNEX_PID || 0) },
  // An OpenID provider, for a posse that a spec starts.
  provider: env.POSSE_PROVIDER || '',
  // What further processes need; none in one that does everything.
  postgres: env.POSSE_POSTGRES || '',
  nats: env.POSSE_NATS || '',
  queryKey: env.POSSE_QUERY_NKEY || '', // file with the nkey of a query service
};

/** artefacts is where what a run leaves is kept, for people to look at. */
export const artefacts = (...path) => fileURLToPath(new URL(join('artefacts', posse.topology, ...path), import.meta.url));

/** command runs posse and returns what it prints. POSSE_KEYS says whose keys. */
export async function command(...args) {
  const { stdout } = await promisify(execFile)('posse', args);
  return stdout.trim();
}

/** role starts a process of posse and returns its addresses and its end. */
export async function role(name, environment) {
  const dir = mkdtempSync(join(tmpdir(), 'posse-role-'));
  const ready = join(dir, 'ready.json');
  const child = spawn('posse', [name], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: {
      ...env, POSSE_LISTEN: '127.0.0.1:0', POSSE_ADMIN_LISTEN: '127.0.0.1:0', ...environment, POSSE_READY_FILE: ready,
    },
  });
  let log = '';
  child.stderr.on('data', (data) => { log += data; });
  let running = true;
  const ended = new Promise((resolve) => { child.on('exit', resolve); }).then(() => { running = false; });
  const stop = async () => {
    child.kill('SIGKILL');
    await ended;
    rmSync(dir, { recursive: true });
  };
  try {
    await until(() => !running || JSON.parse(readFileSync(ready)), `posse ${name} is ready`);
    if (!running) throw new Error(`posse ${name} ended`);
  } catch (error) {
    await stop();
    throw new Error(`${error.message}\n${log}`);
  }
  return { addresses: JSON.parse(readFileSync(ready)), stop };
}

/** until asks again and again, for what takes milliseconds, and returns the answer. */
export async function until(ask, what, patience = 20_000) {
  let reason;
  for (const deadline = Date.now() + patience; Date.now() < deadline;) {
    try {
      const answer = await ask();
      if (answer) return answer;
      reason = answer;
    } catch (error) {
      reason = error;
    }
    await new Promise((resolve) => { setTimeout(resolve, 20); });
  }
  throw new Error(`waited ${patience} ms in vain until ${what}: ${reason}`);
}
