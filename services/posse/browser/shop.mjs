// A shop is a tenant of its own, whose backend signs people in over the real API.
import { command, posse, until } from './posse.mjs';
import { nameless } from './devices.mjs';

const minute = 60_000;
export const hour = 60 * minute;
export const day = 24 * hour;

/** ago is a moment before now, as the API writes times. */
export const ago = (milliseconds) => new Date(Date.now() - milliseconds).toISOString();
export const minutesAgo = (n) => ago(n * minute);

/** ask sends JSON and takes nothing but a good answer. */
async function ask(method, url, bearer, body) {
  const response = await fetch(url, {
    method,
    headers: { Authorization: `Bearer ${bearer}`, ...body && { 'Content-Type': 'application/json' } },
    body: body && JSON.stringify(body),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} ${url}: ${response.status} ${text}`);
  return JSON.parse(text);
}

const lookouts = new Map(); // of this process, by where posse is

export class Shop {
  constructor(tenant, key, at) {
    Object.assign(this, { tenant, key, at, position: 0 });
  }

  /** open makes the backend's key and waits until posse knows it. */
  static async open(tenant, at = posse) {
    const shop = new Shop(tenant, await command('keys', 'create', '--tenant', tenant), at);
    await until(() => shop.touch({ user: 'nobody', session: 'nobodys' }), 'posse knows the new key');
    return shop;
  }

  /**
   * login signs a user in. What it takes is the API's, and `ago`, how long ago
   * that was in milliseconds. It returns the session with its access token.
   */
  async login(user, { device = nameless, ago: before, personal, ...rest } = {}) {
    const done = await ask('POST', `${this.at.recorder}/v1/sessions`, this.key, {
      user, ...device, ...rest, ...before && { created: ago(before) },
      personal: { username: `user-${user}`, display_name: `User ${user}`, ...device.personal, ...personal },
    });
    this.position = Math.max(this.position, done.position);
    return { user, session: done.session, access: done.tokens?.access_token };
  }

  /** crowd signs in many users, each on one device. */
  async crowd(size) {
    const waiting = Array.from({ length: size }, (_, i) => String(i + 1).padStart(3, '0'));
    await Promise.all(Array.from({ length: 8 }, async () => {
      for (let n = waiting.pop(); n; n = waiting.pop()) {
        await this.login(`crowd-${n}`, { personal: { username: `till-${n}`, display_name: `Cashier ${n}` } });
      }
    }));
  }

  /** touch says that a session was active, now or at a time. */
  async touch({ user, session }, { at = ago(0), ...rest } = {}) {
    return ask('POST', `${this.at.recorder}/v1/touches`, this.key, { user, session, at, ...rest });
  }

  /** end ends a session as somebody, or as the backend does. */
  async end(session, { as, ...reasons } = {}) {
    const done = await ask('DELETE', `${this.at.recorder}/v1/sessions/${session}`, as?.access ?? this.key, reasons);
    this.position = done.position;
    return done;
  }

  /** endAll ends every session of a user. */
  async endAll(user) {
    const done = await ask('DELETE', `${this.at.recorder}/v1/users/${user}/sessions`, this.key, {});
    this.position = done.position;
  }

  /** gateways are those that serve this shop. */
  async gateways(as) {
    return (await ask('GET', `${this.at.url}/v1/gateways`, as.access)).gateways;
  }

  /** shown waits until whoever reads sees all that this shop did. */
  async shown() {
    // Positions are those of one log, so somebody of another shop can wait too,
    // and is no guest in this one.
    if (!lookouts.has(this.at)) lookouts.set(this.at, Shop.open(`lookout-${process.pid}`, this.at));
    const { access } = await (await lookouts.get(this.at)).login('lookout', { roles: ['admin'] }); // anew, since tokens are good for minutes
    await ask('GET', `${this.at.url}/v1/users?page_size=1&wait_for=${this.position}`, access);
  }
}

/** admitted asks the gateway about a session's token, and returns the status. */
export async function admitted({ access }, at = posse) {
  const response = await fetch(`${at.gateway}/authz/forward-auth`, { headers: { Authorization: `Bearer ${access}` } });
  await response.arrayBuffer();
  return response.status;
}
