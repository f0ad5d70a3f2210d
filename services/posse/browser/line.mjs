// A line is a stretch of network between two programs that a spec can cut.
import { createConnection, createServer } from 'node:net';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export class Line {
  ends = new Set();

  whole = true;

  constructor(to) {
    this.to = to;
    this.server = createServer((near) => {
      if (!this.whole) {
        near.destroy();
        return;
      }
      const far = createConnection(this.to);
      for (const [end, other] of [[near, far], [far, near]]) {
        this.ends.add(end);
        end.pipe(other);
        end.on('error', () => {}); // cut
        end.on('close', () => {
          this.ends.delete(end);
          other.destroy();
        });
      }
    });
  }

  /** leadTo says where the other end is. */
  leadTo(target) {
    const { hostname, port } = new URL(target);
    this.to = { host: hostname, port: Number(port) };
  }

  listen(...at) { return new Promise((resolve) => { this.server.listen(...at, resolve); }); }

  /** cut drops what is connected and lets nobody connect. */
  cut() {
    this.whole = false;
    for (const end of this.ends) end.destroy();
  }

  mend() { this.whole = true; }

  async close() {
    this.cut();
    await new Promise((resolve) => { this.server.close(resolve); });
    this.remove?.();
  }
}

/**
 * lineTo makes a line to an http URL, which leadTo may name later; its own address
 * is in url.
 */
export async function lineTo(target) {
  const line = new Line();
  if (target) line.leadTo(target);
  await line.listen(0, '127.0.0.1');
  line.url = `http://127.0.0.1:${line.server.address().port}`;
  return line;
}

/**
 * lineToPostgres makes a line to a database, which listens on a socket or a port.
 * A URL that names a socket has no host where others have theirs, which URL takes
 * for a mistake.
 */
export async function lineToPostgres(target) {
  const [, before, query = ''] = /^([^?]*)\??(.*)$/.exec(target);
  const parameters = new URLSearchParams(query);
  const [, host = 'localhost', port = '5432'] = /^[^/]*\/\/(?:[^/@]*@)?([^/:]+)(?::(\d+))?/.exec(before) ?? [];
  const socket = `.s.PGSQL.${parameters.get('port') ?? port}`;
  const dir = parameters.get('host');
  const line = new Line(dir ? { path: join(dir, socket) } : { host, port: Number(port) });
  const own = mkdtempSync(join(tmpdir(), 'posse-line-'));
  line.remove = () => rmSync(own, { recursive: true });
  await line.listen(join(own, socket));
  parameters.set('host', own);
  line.url = `${before}?${parameters}`;
  return line;
}
