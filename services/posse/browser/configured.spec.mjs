// What an operator can have besides: a provider where people sign in, pictures of
// people, and a page that embeds the screen. A posse of its own, with the flags
// for them; of separate processes, another query service beside the first.
import { createServer } from 'node:http';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, signIn, test as base } from './fixtures.mjs';
import { lineTo } from './line.mjs';
import { look } from './look.mjs';
import { Screen } from './screen.mjs';
import { Shop, admitted } from './shop.mjs';
import { posse, role } from './posse.mjs';
import { android, ipad } from './devices.mjs';

const portrait = Buffer.from('iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAIAAABLbSncAAAAKElEQVR42mP4dWcVVsQAZ2lETQMidAmIKLIcIQmcRmGxHNkQZIRTAgATLHihrOXXLwAAAABJRU5ErkJggg==', 'base64');

/** host serves what a function answers to a path, and counts who asks. */
async function host(name, answer) {
  const asked = [];
  const server = createServer((request, response) => {
    asked.push(request.url);
    const [status, type, body] = answer(request.url);
    response.writeHead(status, { 'Content-Type': type }).end(body);
  });
  await new Promise((resolve) => { server.listen(0, '127.0.0.1', resolve); });
  const close = () => new Promise((resolve) => { server.close(resolve); server.closeAllConnections(); });
  return { url: `http://${name}:${server.address().port}`, asked, close };
}

const pictures = () => host('127.0.0.1', (path) => (path === '/anna.png' ? [200, 'image/png', portrait] : [404, 'text/plain', 'no']));

// An admin of somebody else's, which has the screen in a frame and signs it in
// with a token.
const admin = (embedded) => host('localhost', () => [200, 'text/html', `<!doctype html><html lang="en">
  <title>Back office</title>
  <style>body { margin: 0; font-family: sans-serif } h1 { margin: 0.5rem 1rem; font-size: 1.25rem } iframe { border: 0; width: 100%; height: 40rem }</style>
  <main><h1>Back office</h1><iframe name="posse" title="Sessions"></iframe>
  <form method="post" target="posse" action="${embedded()}/signin"><input type="hidden" name="token"></form></main>`]);

const apart = posse.topology === 'processes';

const test = base.extend({
  /** configured is a posse with everything, and what is around it. */
  configured: [async ({}, use) => {
    const dir = mkdtempSync(join(tmpdir(), 'posse-configured-'));
    // Its address has to be known before it starts.
    const line = await lineTo();
    const around = await Promise.all([pictures(), pictures(), admin(() => line.url), admin(() => line.url)]);
    const [listed, unlisted, embedding, stranger] = around;
    const { addresses, stop } = await role(apart ? 'query' : 'serve', {
      ...apart ? { POSSE_POSTGRES: posse.postgres, POSSE_NATS: posse.nats, POSSE_NATS_NKEY: posse.queryKey }
        : { POSSE_DATA: dir, POSSE_STALE_POLICY: 'fail_closed', POSSE_NATS_LISTEN: '127.0.0.1:0' },
      POSSE_PUBLIC_URL: line.url,
      POSSE_OIDC_ISSUER: posse.provider, POSSE_OIDC_CLIENT_ID: 'public', POSSE_OIDC_NAME: 'Example ID',
      POSSE_OIDC_TENANT_CLAIM: 'org.id', POSSE_OIDC_ADMIN_VALUES: 'pos-admins',
      POSSE_AVATAR_HOSTS: new URL(listed.url).host, POSSE_FRAME_ANCESTORS: embedding.url,
    });
    line.leadTo(addresses.api);
    const { recorder, gateway } = apart ? posse : { recorder: line.url, gateway: line.url };
    await use({ url: line.url, recorder, gateway, listed, unlisted, embedding, stranger });
    await stop();
    await Promise.all([line, ...around].map((each) => each.close()));
    rmSync(dir, { recursive: true });
  }, { scope: 'worker' }],

  shop: async ({ configured }, use, { testId }) => { await use(await Shop.open(`shop-${testId}`, configured)); },
  screen: async ({ page, configured, watch }, use) => {
    watch.hosts = [new URL(configured.url).host];
    await use(new Screen(page, configured.url));
    await page.goto('about:blank'); // before the server goes
  },
});

if (posse.provider) {
  test.describe.configure({ mode: 'default' }); // one posse is enough

  test('a provider signs people in', async ({ page, configured, screen, watch }) => {
    watch.hosts.push(new URL(posse.provider).host);
    watch.tolerate(/status of 40[034]/); // the provider has no icon, and says no
    await page.goto(`${configured.url}/?view=history`);
    const enter = page.getByRole('link', { name: 'Sign in with Example ID' });
    await expect(enter).toBeVisible();
    await look(page, 'signin-provider');
    await enter.click();
    await page.getByLabel('Username').fill('test-user@127.0.0.1');
    await page.getByLabel('Password').fill('verysecure');
    await page.getByRole('button', { name: 'Login' }).click();

    await page.waitForURL(`${configured.url}/?view=history`);
    await screen.user('id1').click();
    await expect(screen.user('id1').locator('.chip-you')).toBeVisible();
    await expect(screen.name).toContainText('Test User');
    await screen.sessions.getByRole('link', { name: 'Active' }).click();
    await expect(screen.cards).toHaveCount(1);
    await expect(screen.cards.locator('.chip-current')).toHaveText('Current device');

    await page.locator('#account summary').click();
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.waitForURL('**/signin?notice=signed_out');

    // Back from the provider with nothing good.
    await page.goto(`${configured.url}/signin/oidc/callback?error=access_denied`);
    await expect(page.getByRole('status')).toBeVisible();
    await expect(enter).toBeVisible();
    await look(page, 'signin-provider-failed');

    // And with a no, which the provider says of what it was asked.
    const [asked] = await Promise.all([page.waitForRequest((request) => new URL(request.url()).searchParams.has('state')), enter.click()]);
    const state = new URL(asked.url()).searchParams.get('state');
    await page.goto(`${configured.url}/signin/oidc/callback?${new URLSearchParams({ error: 'access_denied', state })}`);
    await expect(page.getByText('The sign-in service did not let you in.')).toBeVisible();
    await look(page, 'signin-provider-denied');
  });

  test('pictures are those of listed hosts, and come from here', async ({ page, configured, screen, shop, watch }) => {
    watch.tolerate(/status of 404/);
    const { listed, unlisted } = configured;
    await shop.login('7', { device: ipad, personal: { display_name: 'Aisle Booth', avatar_url: `${listed.url}/anna.png` } });
    await shop.login('8', { device: android, personal: { display_name: 'Bread Counter', avatar_url: `${listed.url}/gone.png` } });
    await shop.login('9', { device: android, personal: { display_name: 'Cash Office', avatar_url: `${unlisted.url}/anna.png` } });
    await signIn(page, shop, { user: '1', roles: ['admin'] });
    await shop.shown();
    await screen.open({ user: '7' });
    const width = (picture) => picture.evaluate((image) => image.complete && image.naturalWidth);
    for (const place of [screen.user('7'), screen.sessions]) {
      await expect.poll(() => width(place.locator('.avatar img'))).toBe(8);
    }
    for (const [user, initials] of [['8', 'BC'], ['9', 'CO']]) {
      await expect(screen.user(user).locator('.avatar img')).toHaveCount(0);
      await expect(screen.user(user).locator('.avatar')).toHaveText(initials);
    }
    await look(page, 'pictures');
    expect(listed.asked.sort()).toEqual(['/anna.png', '/gone.png']);
    expect(unlisted.asked).toEqual([]);
  });

  test('a page that may embed the screen signs it in, and it works there', async ({ page, configured, shop, watch, screen: alone }) => {
    watch.hosts.push(new URL(configured.embedding.url).host);
    // The admin has no icon. A frame may not take the focus by itself, which the
    // dialog has all the same.
    watch.tolerate(/status of 404/, /Blocked autofocusing/);
    const tablet = await shop.login('7', { device: ipad, personal: { display_name: 'Aisle Booth' } });
    const { access } = await shop.login('1', { roles: ['admin'] });
    await shop.shown();
    await page.goto(configured.embedding.url);
    await post(page, access);
    const frame = page.frame('posse');
    const screen = new Screen(frame, configured.url);
    await screen.isLive();
    await screen.user('7').click();
    await expect(screen.card(tablet.session)).toBeVisible();
    const stall = await shop.login('7', { device: android });
    await expect(screen.card(stall.session), 'it is live').toBeVisible();
    await look(page, 'embedded');
    await screen.terminate(tablet.session).click();
    await expect(screen.dialog).toContainText('Aisle Booth');
    await expect(screen.cancel).toBeFocused();
    await screen.confirm();
    await expect(screen.card(tablet.session)).toHaveCount(0);
    expect(await admitted(tablet, configured), 'what the gateway says of it').toBe(401);

    // The frame's cookie is the frame's: by itself the screen knows nobody.
    await page.goto(configured.url);
    await expect(page).toHaveURL(/\/signin/);
    await expect(alone.users).toHaveCount(0);
  });

  test('a page that may not embed the screen neither shows it nor signs it in', async ({ page, configured, shop, screen, watch }) => {
    watch.hosts.push(new URL(configured.stranger.url).host);
    watch.tolerate(/status of 40[34]/, /frame-ancestors/);
    const { access } = await shop.login('1', { roles: ['admin'] });
    await page.goto(configured.stranger.url);
    const answer = page.waitForResponse(`${configured.url}/signin`);
    await post(page, access);
    expect((await answer).status()).toBe(403);
    await expect(page.frameLocator('iframe').getByRole('heading')).toHaveCount(0);
    expect(await page.context().cookies(configured.url)).toEqual([]);
    await expect(screen.users).toHaveCount(0);
  });
}

/** post has the page post a token into the frame. */
const post = (page, token) => page.evaluate((value) => {
  const form = document.querySelector('form');
  form.elements.token.value = value;
  form.submit();
}, token);
