// Staying live: what happens appears by itself, and disturbs nobody.
import { expect, signIn, test } from './fixtures.mjs';
import { lineTo } from './line.mjs';
import { look } from './look.mjs';
import { Screen } from './screen.mjs';
import { posse } from './posse.mjs';
import { hour } from './shop.mjs';
import { android, electron, ipad, phone } from './devices.mjs';

const anna = { username: 'anna', display_name: 'Aisle Booth' };

test('sign-ins and sign-outs appear by themselves, in both panes', async ({ shop, screen }) => {
  const first = await shop.login('7', { device: ipad, personal: anna });
  await shop.shown();
  await screen.open({ user: '7' });
  await expect(screen.cards).toHaveCount(1);

  const second = await shop.login('7', { device: android, personal: anna });
  await expect(screen.card(second.session)).toBeVisible();
  await expect(screen.user('7').locator('.count')).toContainText('2');
  await shop.login('8', { personal: { display_name: 'Otto' } });
  await expect(screen.user('8')).toBeVisible();

  await shop.end(first.session);
  await expect(screen.card(first.session)).toHaveCount(0);
  await expect(screen.user('7').locator('.count')).toContainText('1');
  await shop.end(second.session);
  await expect(screen.cards).toHaveCount(0);
  await expect(screen.user('7')).toHaveCount(0);
});

test('activity appears by itself', async ({ page, bare: shop, screen }) => {
  await page.clock.install();
  await signIn(page, shop, { user: '1', roles: ['admin'] });
  const { session, user } = await shop.login('7', { device: ipad, personal: anna });
  await shop.shown();
  await screen.open({ user: '7' });
  const active = screen.field(session, 'Last active').locator('time');
  await expect(active).toHaveText('Just now');
  const before = await active.getAttribute('datetime');
  await shop.touch({ session, user }, { ip: '203.0.113.99' });
  await expect(screen.field(session, 'IP')).toHaveText('203.0.113.99');
  expect(Date.parse(await active.getAttribute('datetime'))).toBeGreaterThan(Date.parse(before));
});

/** unheard keeps a page from asking by itself, which would tell it the time. */
const unheard = (page) => page.route(/refresh=/, () => {});

test('“last active” counts on while nothing happens', async ({ page, bare: shop, screen, watch }) => {
  watch.tolerate(/htmx:error: timeout/); // of requests that seem to take hours
  await page.clock.install();
  await signIn(page, shop, { user: '1', roles: ['admin'] });
  const { session } = await shop.login('7', { device: ipad, personal: anna });
  await shop.shown();
  await screen.open({ user: '7' });
  const active = screen.field(session, 'Last active').locator('time');
  await expect(active).toHaveText('Just now');
  await unheard(page);
  await page.clock.fastForward('04:00');
  await expect(active).toHaveText('4 minutes ago');
  await page.clock.fastForward('03:01:00');
  await expect(active).toHaveText('3 hours ago');
});

for (const [what, skew] of [['ahead', hour], ['behind', -hour]]) {
  test(`“last active” is the truth in a browser whose clock is an hour ${what}`, async ({ page, bare: shop, screen, watch }) => {
    watch.tolerate(/htmx:error: timeout/);
    await page.clock.install({ time: Date.now() + skew });
    await signIn(page, shop, { user: '1', roles: ['admin'] });
    const { session } = await shop.login('7', { device: ipad, personal: anna });
    await shop.shown();
    await screen.open({ user: '7' });
    const active = screen.field(session, 'Last active').locator('time');
    await expect(active).toHaveText('Just now');
    await shop.touch({ user: '7', session }, { ip: '203.0.113.99' });
    await expect(screen.field(session, 'IP'), 'it is refreshed').toHaveText('203.0.113.99');
    await expect(active).toHaveText('Just now');
    await unheard(page);
    await page.clock.fastForward('04:00');
    await expect(active).toHaveText('4 minutes ago');

    // On the page that asks without a script, too.
    await page.goto(`${screen.url}/end?user=7&session=${session}`);
    await expect(page.locator('.target time')).toHaveText('Just now');
    await page.clock.fastForward('04:00');
    await expect(page.locator('.target time')).toHaveText('4 minutes ago');
  });
}

test('what expires goes by itself', async ({ page, bare: shop, screen, watch }) => {
  watch.tolerate(/htmx:error: timeout/);
  await page.clock.install();
  await signIn(page, shop, { user: '1', roles: ['admin'] });
  const at = Date.now() + 10_000;
  const expires = new Date(at).toISOString();
  const tablet = await shop.login('7', { device: ipad, personal: anna, expires });
  await shop.login('7', { device: android, personal: anna });
  await shop.login('8', { device: android, expires });
  await shop.shown();
  await screen.open({ user: '7' });
  await expect(screen.user('7').locator('.count')).toContainText('2');
  await expect(screen.user('8')).toBeVisible();
  await expect(screen.card(tablet.session)).toBeVisible();
  // What is on the screen goes when its time has come, and not with the next look
  // a minute later.
  await expect(screen.card(tablet.session)).toHaveCount(0);
  expect(Date.now(), 'when it goes').toBeGreaterThanOrEqual(at);
  await expect(screen.cards).toHaveCount(1);
  await expect(screen.user('7').locator('.count')).toContainText('1');
  await expect(screen.user('8')).toHaveCount(0);
});

test('what expires out of sight goes within a minute', async ({ page, bare: shop, screen, watch }) => {
  watch.tolerate(/htmx:error: timeout/);
  await page.clock.install();
  await signIn(page, shop, { user: '1', roles: ['admin'] });
  const at = Date.now() + 8000;
  await shop.login('8', { device: android, expires: new Date(at).toISOString() });
  await shop.shown();
  await screen.open();
  await expect(screen.user('8')).toBeVisible();
  await expect.poll(() => Date.now()).toBeGreaterThan(at);
  await page.clock.fastForward('01:01');
  await expect(screen.user('8')).toHaveCount(0);
});

test('what comes leaves focus, scroll and an expanded user agent as they are', async ({ shop, screen, page }) => {
  const sessions = [];
  for (const device of [ipad, android, electron, phone]) sessions.push(await shop.login('7', { device, personal: anna }));
  await shop.crowd(30);
  await shop.shown();
  await page.setViewportSize({ width: 1280, height: 500 });
  await screen.open({ user: '7' });
  await expect(screen.cards).toHaveCount(4);

  const tablet = sessions[0];
  await screen.card(tablet.session).getByText('User Agent').click();
  await expect(screen.card(tablet.session).locator('code')).toBeVisible();
  await screen.terminate(tablet.session).focus();
  const scrolled = async () => page.evaluate(() => [window, ...document.querySelectorAll('#users, #sessions, #user-list, #user-list-pane, .cards')]
    .map((part) => Math.round(part.scrollY ?? part.scrollTop)));
  const before = await scrolled();
  expect(Math.max(...before), 'something is scrolled').toBeGreaterThan(0);

  // The tablet's own card changes, one that stands after it goes, and users come.
  await shop.touch(tablet, { ip: '203.0.113.99' });
  await expect(screen.field(tablet.session, 'IP')).toHaveText('203.0.113.99');
  await shop.end(sessions[1].session);
  await expect(screen.card(sessions[1].session)).toHaveCount(0);
  await shop.login('new', { personal: { display_name: 'Newcomer' } });
  await expect(screen.user('new')).toBeAttached();

  await expect(screen.terminate(tablet.session)).toBeFocused();
  await expect(screen.card(tablet.session).locator('code')).toBeVisible();
  await expect(screen.terminate(tablet.session)).toBeInViewport();
  expect(await scrolled(), 'how far things are scrolled').toEqual(before);
});

test('what one types in the filter is not lost', async ({ shop, screen }) => {
  await shop.login('7', { personal: anna });
  await shop.shown();
  await screen.open();
  await screen.filter.fill('ann');
  await expect.poll(() => screen.order()).toEqual(['7']);
  await screen.filter.evaluate((input) => input.setSelectionRange(1, 2));
  await shop.login('8', { personal: { display_name: 'Annabel' } });
  await expect.poll(() => screen.order()).toEqual(['8', '7']);
  await expect(screen.filter).toBeFocused();
  expect(await screen.filter.evaluate((input) => [input.value, input.selectionStart, input.selectionEnd])).toEqual(['ann', 1, 2]);
});

test('what comes leaves an open dialog as it is', async ({ shop, screen }) => {
  const tablet = await shop.login('7', { device: ipad, personal: anna });
  await shop.shown();
  await screen.open({ user: '7' });
  await screen.terminate(tablet.session).click();
  await screen.reason.fill('left on the b');
  const { session } = await shop.login('7', { device: android, personal: anna });
  await expect(screen.card(session)).toBeAttached();
  await expect(screen.dialog).toBeVisible();
  await expect(screen.reason).toBeFocused();
  await expect(screen.reason).toHaveValue('left on the b');
  await screen.reason.pressSequentially('us');
  await screen.confirm();
  await expect(screen.card(tablet.session)).toHaveCount(0);
  await expect(screen.card(session)).toBeVisible();
});

test('Pause holds everything, and Resume catches up', async ({ shop, screen, page }) => {
  await shop.login('7', { device: ipad, personal: anna });
  await shop.shown();
  await screen.open({ user: '7' });
  await screen.pause.click();
  await expect(screen.pause).toHaveText('Resume');
  // "Resume, pressed" would say the opposite of what it does.
  await expect(screen.pause).not.toHaveAttribute('aria-pressed');
  await expect(screen.live).toHaveAttribute('data-state', 'paused');

  const { session } = await shop.login('7', { device: android, personal: anna });
  await expect(screen.live).toContainText('news waiting');
  await expect(screen.card(session)).toHaveCount(0);
  await look(page, 'paused');

  await screen.pause.click();
  await expect(screen.card(session)).toBeVisible();
  await expect(screen.pause).toHaveText('Pause');
  await screen.isLive();
});

test('when the stream breaks the screen says so, and catches up when it is back', async ({ bare: shop, page, watch }) => {
  watch.tolerate(/net::ERR_/, /htmx:sse:error/);
  const line = await lineTo(posse.url);
  watch.hosts.push(new URL(line.url).host);
  const screen = new Screen(page, line.url);
  await signIn(page, shop, { user: '1', roles: ['admin'] });
  const tablet = await shop.login('7', { device: ipad, personal: anna });
  await shop.shown();
  await screen.open({ user: '7' });
  await expect(screen.card(tablet.session)).toBeVisible();

  line.cut();
  await expect(screen.live).toHaveAttribute('data-state', 'lost');
  await expect(screen.live).toContainText('Connection lost');
  await look(page, 'lost');
  const stall = await shop.login('7', { device: android, personal: anna });
  await shop.end(tablet.session);
  await shop.login('8', { personal: { display_name: 'Otto' } });
  line.mend();
  await screen.isLive();
  await expect(screen.card(stall.session)).toBeVisible();
  await expect(screen.card(tablet.session)).toHaveCount(0);
  await expect(screen.user('8')).toBeVisible();
  await line.close();
});

test('Resume does not say that the screen is live before it is', async ({ bare: shop, page, watch }) => {
  watch.tolerate(/net::ERR_/, /htmx:/);
  const line = await lineTo(posse.url);
  watch.hosts.push(new URL(line.url).host);
  const screen = new Screen(page, line.url);
  await signIn(page, shop, { user: '1', roles: ['admin'] });
  await shop.login('7', { device: ipad, personal: anna });
  await shop.shown();
  await screen.open({ user: '7' });
  await screen.pause.click();
  await page.evaluate(() => {
    window.broken = new Promise((resolve) => { document.addEventListener('htmx:sse:error', resolve, { once: true }); });
  });
  line.cut();
  await page.evaluate(() => window.broken.then(() => {}));
  await expect(screen.live).toHaveAttribute('data-state', 'paused');
  await page.evaluate(() => {
    window.states = [];
    const bar = document.querySelector('#live');
    new MutationObserver(() => window.states.push(bar.dataset.state)).observe(bar, { attributes: true });
  });
  await screen.pause.click();
  await expect(screen.live).toHaveAttribute('data-state', 'lost');
  expect(await page.evaluate(() => window.states)).not.toContain('live');
  line.mend();
  await screen.isLive();
  await page.goto('about:blank'); // before the line goes
  await line.close();
});

test('announcements are summaries', async ({ shop, screen }) => {
  await shop.login('7', { device: ipad, personal: anna });
  await shop.shown();
  await screen.open({ user: '7' });
  await expect(screen.announcer).toHaveAttribute('aria-live', 'polite');
  await expect(screen.announcer).toHaveText('');
  await shop.login('7', { device: android, personal: anna });
  await expect(screen.announcer).toHaveText(/Aisle Booth.?: 2 active sessions$/);
  // No list speaks by itself when it changes.
  await expect(screen.page.locator('main [aria-live]:not([aria-live=off])')).toHaveCount(0);
});

test('a hidden change of somebody else is nobody’s news', async ({ bare: shop, page, screen }) => {
  await signIn(page, shop, { user: '7', personal: anna });
  await screen.open();
  const asked = [];
  page.on('request', (request) => asked.push(request.url()));
  await shop.login('8');
  const { session } = await shop.login('7', { device: ipad, personal: anna });
  await expect(screen.card(session)).toBeVisible();
  expect(asked.filter((url) => url.includes('user=8'))).toEqual([]);
});
