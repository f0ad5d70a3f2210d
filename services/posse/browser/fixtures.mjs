// What every spec has: a shop of its own, people who sign in to the screen, and a
// watch over what no page may do.
import { expect, test as base } from '@playwright/test';
import { firefox } from './devices.mjs';
import { posse, until } from './posse.mjs';
import { Shop } from './shop.mjs';
import { Screen } from './screen.mjs';

export { expect };

let shops = 0; // of this worker

/** Watch notes what no page may do: errors, violations of the policy, other hosts. */
class Watch {
  faults = [];

  // Leaving a page ends what it was still asking for, which htmx mentions.
  tolerated = [/htmx:error: Failed to fetch/];

  /** tolerate says which faults a spec brings about itself. */
  tolerate(...patterns) { this.tolerated.push(...patterns); }

  hosts = [new URL(posse.url).host]; // that pages may talk to

  over(context) {
    context.on('console', (message) => {
      if (message.type() === 'error' || message.type() === 'warning') this.faults.push(`console: ${message.text()}`);
    });
    context.on('weberror', (error) => this.faults.push(`script: ${error.error()}`));
    context.on('request', (request) => {
      const { host, protocol } = new URL(request.url());
      if (!this.hosts.includes(host) || !protocol.startsWith('http')) this.faults.push(`another host: ${request.url()}`);
    });
  }

  check() {
    const left = this.faults.filter((fault) => !this.tolerated.some((pattern) => pattern.test(fault)));
    expect(left, 'errors, violations of the policy and requests to other hosts').toEqual([]);
  }
}

export const test = base.extend({
  // Opening takes a moment, so the next spec's is opened during this one.
  nextShop: [async ({}, use, { workerIndex }) => {
    const open = () => Shop.open(`shop-${process.pid}-${workerIndex}-${shops += 1}`);
    let next = open();
    await use(() => {
      const current = next;
      next = open();
      return current;
    });
    await next;
  }, { scope: 'worker' }],

  /** bare is a shop in which nobody is signed in. */
  bare: async ({ nextShop }, use) => { await use(await nextShop()); },

  /** shop is one in which an administrator called Boss has signed in to the screen. */
  shop: async ({ bare, page }, use) => {
    await signIn(page, bare, boss);
    await use(bare);
  },

  watch: [async ({ context }, use) => {
    const watch = new Watch();
    watch.over(context);
    await use(watch);
    watch.check();
  }, { auto: true }],

  /** screen is the screen in the page. */
  screen: async ({ page }, use) => { await use(new Screen(page)); },

  /** annex is the shop with a gateway of its own beside, which goes on after the spec. */
  annex: async ({ page }, use) => {
    const shop = await Shop.open(posse.annex.tenant);
    await signIn(page, shop, boss);
    const auditor = await shop.login('auditor', { roles: ['auditor'] });
    await until(async () => (await shop.gateways(auditor)).length === 2, 'both gateways have reported');
    await use(shop);
    process.kill(posse.annex.pid, 'SIGCONT');
  },
});

/** boss is an administrator. */
export const boss = { user: '1', roles: ['admin'], personal: { username: 'boss', display_name: 'Boss' } };

/**
 * signIn has the page's browser signed in with a bearer token, as a page does that
 * embeds the screen. The session that got the token is signed out again, so that
 * the browser's is the user's only one. What people see of this is in
 * entering.spec.mjs.
 */
export async function signIn(page, shop, { user, ...who }) {
  const { access, session } = await shop.login(user, { device: firefox, ...who });
  await shop.shown(); // what they are called is looked up there
  const { url } = shop.at;
  const answer = await fetch(`${url}/signin`, {
    method: 'POST', redirect: 'manual', body: new URLSearchParams({ token: access }),
    headers: { 'User-Agent': await page.evaluate(() => navigator.userAgent) },
  });
  expect(answer.status).toBe(303);
  const [, name, value] = /^([^=]+)=([^;]+)/.exec(answer.headers.get('set-cookie'));
  await page.context().addCookies([{ name, value, url: url.replace('http:', 'https:'), secure: true, httpOnly: true, sameSite: 'Lax' }]);
  await shop.end(session);
}
