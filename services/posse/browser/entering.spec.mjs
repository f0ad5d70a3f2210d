// How people get in, and out.
import { boss, expect, signIn, test } from './fixtures.mjs';
import { lineTo } from './line.mjs';
import { look } from './look.mjs';
import { Screen } from './screen.mjs';
import { admitted } from './shop.mjs';
import { command, posse } from './posse.mjs';
import { ipad } from './devices.mjs';

const adminLink = (shop) => command('admin-link', '--url', posse.url, '--tenant', shop.tenant, '--user', '1', '--name', 'Boss');
const go = (page) => page.getByRole('button', { name: 'Sign in' }).first();

test('who has not signed in is asked to, and then goes on to where they wanted', async ({ bare: shop, page, screen }) => {
  const { session } = await shop.login('7', { device: ipad });
  await page.goto('/?user=7');
  await expect(page).toHaveURL(/\/signin\?next=/);
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('Sign in');
  await look(page, 'signin');

  const { access } = await shop.login('2', { roles: ['admin'] });
  await page.getByText('Sign in with an access token').click();
  await look(page, 'signin-token');
  await page.getByLabel('Access token').fill(access);
  await go(page).click();
  await expect(page).toHaveURL(/\/\?user=7$/);
  await expect(screen.card(session)).toBeVisible();
});

test('a link signs an administrator in, once', async ({ bare: shop, page, screen, context, watch }) => {
  watch.tolerate(/status of 410/);
  const link = await adminLink(shop);
  await page.goto(link);
  await expect(page.getByRole('main')).toContainText('This link signs you in as Boss');
  await expect(page.getByRole('main')).toContainText(shop.tenant);
  await look(page, 'signin-link');
  // Looking at a link, as programs do that check links in mails, uses nothing up.
  await page.reload();
  await go(page).click();
  await page.waitForURL(`${posse.url}/`);

  // The sign-in is a recorded login.
  await screen.user('1').click();
  await expect(screen.user('1').locator('.chip-you')).toBeVisible();
  await expect(screen.name).toContainText('Boss');
  await expect(screen.cards).toHaveCount(1);
  await expect(screen.cards.locator('.chip-current')).toHaveText('Current device');

  await page.locator('#account summary').click();
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.waitForURL('**/signin?notice=signed_out');
  await expect(page.getByText('You are signed out.')).toBeVisible();
  await look(page, 'signed-out');
  expect((await context.cookies()).filter(({ name }) => name === '__Host-posse')).toEqual([]);

  // Signing out is a revocation, and the link was used.
  await page.goto(link);
  await go(page).click();
  await expect(page.getByText('This link has been used already.')).toBeVisible();
  await look(page, 'signin-used-link');
  await page.goto('/');
  await expect(page).toHaveURL(/\/signin/);
});

test('the link that posse prints when it starts works', async ({ page, screen }) => {
  const link = posse.link || await command('admin-link', '--url', posse.url);
  await page.goto(link);
  await go(page).click();
  await page.waitForURL(`${posse.url}/`);
  await expect(screen.userList.locator('.chip-you')).toBeVisible();
});

test('what is no link, or no token, is refused', async ({ page, watch, bare: shop }) => {
  watch.tolerate(/status of 40[03]/);
  await page.goto('/signin?link=nonsense');
  await expect(page.getByText('This link is not valid here.')).toBeVisible();
  await look(page, 'signin-bad-link');
  const ended = await shop.login('7');
  await shop.end(ended.session);
  for (const token of ['nonsense', shop.key, ended.access]) {
    await expect(async () => {
      await page.goto('/signin');
      await page.getByText('Sign in with an access token').click();
      await page.getByLabel('Access token').fill(token);
      await go(page).click();
      await expect(page.getByText('This access token is not valid here')).toBeVisible({ timeout: 2000 });
    }).toPass();
  }
  await look(page, 'signin-bad-token');
  // A browser that comes back from signing in without the cookie that it got.
  await page.goto('/signin?check');
  await expect(page.getByText('Your browser did not keep the sign-in cookie.')).toBeVisible();
  await look(page, 'signin-no-cookie');
});

test('an open screen stops at once when its admin is signed out', async ({ shop, page, screen }) => {
  const tablet = await shop.login('7', { device: ipad });
  await shop.shown();
  await screen.open({ user: '7' });
  await expect(screen.card(tablet.session)).toBeVisible();
  await shop.endAll(boss.user);
  await page.waitForURL(/\/signin\?notice=ended/, { timeout: 5000 });
  await expect(page.getByText('Your session has ended. Sign in again.')).toBeVisible();
  await look(page, 'ended');
  await page.goBack();
  await expect(page.getByText('User 7')).toHaveCount(0);
});

test('a screen that could not hear of it stops when its stream is back', async ({ shop, page, watch }) => {
  watch.tolerate(/net::ERR_/, /htmx:sse:error/, /status of 401/);
  const line = await lineTo(posse.url);
  watch.hosts.push(new URL(line.url).host);
  const screen = new Screen(page, line.url);
  await shop.login('7', { device: ipad });
  await shop.shown();
  await screen.open({ user: '7' });
  line.cut();
  await expect(screen.live).toHaveAttribute('data-state', 'lost');
  await shop.endAll(boss.user);
  line.mend();
  // Its next look by itself would be a minute later.
  await page.waitForURL(/\/signin\?notice=ended/, { timeout: 15_000 });
  await expect(page.getByText('User 7')).toHaveCount(0);
  await page.goto('about:blank'); // before the line goes
  await line.close();
});

test('a screen that was out of sight stops when it is looked at again', async ({ shop, page, screen, watch }) => {
  watch.tolerate(/status of 401/, /htmx:sse:error/);
  await shop.login('7', { device: ipad });
  await shop.shown();
  await screen.open({ user: '7' });
  const turn = (away) => page.evaluate((hidden) => {
    Object.defineProperty(document, 'hidden', { configurable: true, value: hidden });
    document.dispatchEvent(new Event('visibilitychange'));
  }, away);
  await turn(true); // its stream is let go
  await shop.endAll(boss.user);
  await expect(screen.user('7')).toBeVisible();
  await turn(false);
  await page.waitForURL(/\/signin\?.*notice=ended/, { timeout: 15_000 });
});

test('a screen that is signed out elsewhere does nothing more', async ({ shop, page, screen, watch }) => {
  watch.tolerate(/status of 401/);
  const tablet = await shop.login('7', { device: ipad });
  await shop.shown();
  await screen.open({ user: '7' });
  // Its stream says nothing, as if the network were slow.
  await screen.terminate(tablet.session).click();
  await expect(screen.dialog).toBeVisible();
  await page.route('**/live*', (route) => route.abort());
  await page.context().clearCookies();
  await screen.confirm();
  await page.waitForURL(/\/signin\?.*notice=ended/);
  expect(await admitted(tablet)).toBe(200);
});

test('of two people at one browser the second is who is signed in', async ({ shop, page, screen }) => {
  await shop.shown();
  await screen.open();
  await signIn(page, shop, { user: '7', personal: { display_name: 'Anna' } });
  await screen.open();
  await expect(screen.sessions).toHaveAttribute('data-user', '7');
  await expect(screen.userList.locator('[data-user="1"]')).toHaveCount(0);
});
