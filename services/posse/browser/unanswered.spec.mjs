// When no answer comes: the line is down or slow, or somebody else answers.
import { boss, expect, test as base } from './fixtures.mjs';
import { lineTo } from './line.mjs';
import { look } from './look.mjs';
import { Screen } from './screen.mjs';
import { admitted } from './shop.mjs';
import { posse } from './posse.mjs';
import { android, ipad } from './devices.mjs';

const anna = { username: 'anna', display_name: 'Aisle Booth' };
const otto = { username: 'otto', display_name: 'Office Kiosk' };

const test = base.extend({
  /** line is between the page and posse. */
  line: async ({ watch }, use) => {
    const line = await lineTo(posse.url);
    watch.hosts.push(new URL(line.url).host);
    watch.tolerate(/net::ERR_/, /htmx:/);
    await use(line);
    await line.close();
  },
  screen: async ({ page, line }, use) => {
    await use(new Screen(page, line.url));
    await page.goto('about:blank'); // before the line goes
  },
  /** tablet and stall are Anna's devices, and Otto has one too. */
  devices: async ({ shop }, use) => {
    const tablet = await shop.login('7', { device: ipad, personal: anna });
    const stall = await shop.login('7', { device: android, personal: anna });
    await shop.login('8', { device: android, personal: otto });
    await shop.shown();
    await use({ tablet, stall });
  },
});

test('what one asks for in vain is said so, and can be asked for again', async ({ devices, line, screen, page }) => {
  await screen.open({ user: '7' });
  await expect(screen.cards).toHaveCount(Object.keys(devices).length);

  line.cut();
  await screen.user('8').click();
  await expect(screen.unanswered).toBeVisible();
  await expect(screen.unanswered).toHaveAttribute('role', 'alert');
  await expect(screen.sessions, 'what was shown stays').toHaveAttribute('data-user', '7');
  await expect(screen.user('8')).toBeFocused();
  await look(page, 'unanswered');
  await screen.again.click();
  await expect(screen.unanswered).toBeVisible();
  line.mend();
  await screen.again.click();
  await screen.selected('8');
  await expect(screen.unanswered).toBeHidden();
  await expect(page).toHaveURL(/\?user=8$/);
  await screen.isLive();

  for (const [what, ask, came] of [
    ['a filter', () => screen.filter.fill('office'), () => expect.poll(() => screen.order()).toEqual(['8'])],
    ['a question', () => screen.all.click(), () => screen.cancel.click()],
    ['a tab', () => screen.sessions.getByRole('link', { name: 'History' }).click(), () => expect(page).toHaveURL(/view=history/)],
  ]) {
    await test.step(what, async () => {
      line.cut();
      await ask();
      await expect(screen.unanswered).toBeVisible();
      line.mend();
      await screen.again.click();
      await came();
      await expect(screen.unanswered).toBeHidden();
    });
  }
});

test('going back in vain is said so', async ({ devices, line, screen, page }) => {
  await screen.open({ user: '7' });
  await screen.user('8').click();
  await screen.selected('8');
  line.cut();
  await page.goBack();
  await expect(screen.unanswered).toBeVisible();
  line.mend();
  await screen.again.click();
  await screen.selected('7');
  await expect(screen.cards).toHaveCount(Object.keys(devices).length);
  await screen.isLive();
});

test('Terminate on a dead line says that it may have happened, and can be repeated', async ({ devices: { tablet }, line, screen, page }) => {
  await screen.open({ user: '7' });
  await screen.terminate(tablet.session).click();
  await screen.reason.fill('left on the bus');
  line.cut();
  await screen.confirm();
  await expect(screen.dialog.getByRole('alert')).toContainText('may or may not have happened');
  await expect(screen.reason).toHaveValue('left on the bus');
  await look(page, 'unanswered-terminate');
  expect(await admitted(tablet)).toBe(200);

  line.mend();
  await screen.confirm();
  await expect(screen.card(tablet.session)).toHaveCount(0);
  await expect(screen.outcome).toContainText('1 session ended');
  expect(await admitted(tablet)).toBe(401);
});

test('an end whose answer is lost happened once, however often it is sent', async ({ devices: { tablet }, screen, page }) => {
  await page.clock.install();
  await screen.open({ user: '7' });
  await screen.terminate(tablet.session).click();
  const asked = [];
  let answered;
  await page.route('**/end', async (route) => {
    asked.push(route);
    if (asked.length === 1) {
      await route.fetch();
      return;
    }
    await new Promise((resolve) => { answered = resolve; });
    await route.continue();
  });
  await screen.confirm();
  await expect.poll(() => admitted(tablet), 'it has ended, but no answer comes').toBe(401);
  await page.clock.fastForward(61_000);
  await expect(screen.dialog.getByRole('alert')).toContainText('may or may not have happened');

  // Waiting for a recorder and the list takes up to twenty seconds.
  await screen.confirm();
  await expect.poll(() => asked.length).toBe(2);
  await expect(screen.dialog.getByRole('alert')).toBeHidden();
  await page.clock.fastForward(21_000);
  answered();
  await expect(screen.outcome).toContainText('1 session ended');
  await expect(screen.dialog).toBeHidden();
});

test('an end without an answer is said so when its dialog is closed, and keeps no screen open', async ({ shop, devices: { tablet }, screen, page }) => {
  await screen.open({ user: '7' });
  await screen.terminate(tablet.session).click();
  let asked;
  await page.route('**/end', (route) => { asked = route; });
  await screen.confirm();
  await expect.poll(() => asked).toBeTruthy();
  await screen.cancel.click();
  await asked.abort();
  await expect(screen.unanswered).toContainText('may or may not have happened');
  await expect(screen.again).toBeHidden();
  await shop.endAll(boss.user);
  await page.waitForURL(/\/signin\?notice=ended/, { timeout: 15_000 });
});

for (const [what, status] of [['a proxy’s error', 502], ['somebody’s welcome', 200]]) {
  test(`${what} is not taken for the screen`, async ({ shop, devices: { tablet }, screen, page, watch }) => {
    watch.tolerate(/status of 502/);
    await screen.open({ user: '7' });
    await screen.card(tablet.session).waitFor();
    const page502 = '<html><head><title>Elsewhere</title></head><body><center><h1>Elsewhere</h1></center></body></html>';
    const elsewhere = (route) => route.fulfill({ status, contentType: 'text/html', body: page502 });
    await page.route(/refresh=/, elsewhere);
    const { session } = await shop.login('7', { device: android, personal: anna });
    await expect(screen.live, 'what changed cannot be read').toHaveAttribute('data-state', 'lost');
    await expect(screen.card(tablet.session)).toBeVisible();
    await page.unroute(/refresh=/);
    await expect(screen.card(session)).toBeVisible();
    await screen.isLive();

    await page.route(/user=8/, elsewhere);
    await screen.user('8').click();
    await expect(screen.unanswered).toBeVisible();
    await expect(screen.card(tablet.session)).toBeVisible();
    await page.unroute(/user=8/);
    await screen.again.click();
    await screen.selected('8');
    await expect(page).toHaveTitle(/Office Kiosk/);
  });
}
test('what takes long is seen to be on its way', async ({ devices, screen, page }) => {
  await screen.open({ user: '7' });
  await expect(screen.cards).toHaveCount(Object.keys(devices).length);
  await page.evaluate(() => { globalThis.htmx.config.defaultTimeout = 0; }); // looking takes longer
  let answered;
  await page.route(/user=8/, async (route) => {
    await new Promise((resolve) => { answered = resolve; });
    await route.continue();
  });
  await screen.user('8').click();
  await expect(screen.sessions).toHaveAttribute('aria-busy', 'true');
  await expect(screen.announcer).toHaveText('Loading…');
  await expect(screen.sessions).toHaveCSS('filter', 'grayscale(1)');
  await look(page, 'loading');
  answered();
  await screen.selected('8');
  await expect(screen.sessions).not.toHaveAttribute('aria-busy');
  await expect(screen.announcer).toHaveText('');

  await page.unroute(/user=8/);
  await page.route('**/end', async (route) => {
    if (route.request().method() === 'POST') await new Promise((resolve) => { answered = resolve; });
    await route.continue();
  });
  await screen.all.click();
  const form = screen.dialog.locator('form');
  await form.evaluate((element) => element.setAttribute('hx-config', 'timeout:0'));
  await screen.confirm();
  await expect(form).toHaveAttribute('aria-busy', 'true');
  await look(page, 'loading-end');
  answered();
  await expect(screen.outcome).toContainText('1 session ended');
});
