// Signing devices out.
import { boss, expect, test } from './fixtures.mjs';
import { look } from './look.mjs';
import { admitted } from './shop.mjs';
import { posse } from './posse.mjs';
import { android, electron, ipad, phone } from './devices.mjs';

const anna = { username: 'anna', display_name: 'Aisle Booth' };

/** annaOn signs Anna in on devices and opens her sessions. */
async function annaOn(devices, shop, screen) {
  const sessions = [];
  for (const device of devices) sessions.push(await shop.login('7', { device, personal: anna }));
  await shop.shown();
  await screen.open({ user: '7' });
  await expect(screen.cards).toHaveCount(devices.length);
  for (const session of sessions) expect(await admitted(session)).toBe(200);
  return sessions;
}

test('Terminate names user and device, focuses Cancel, and signs one device out', async ({ shop, screen, page }) => {
  const [tablet, stall] = await annaOn([ipad, android], shop, screen);

  await screen.terminate(tablet.session).click();
  await expect(screen.dialog).toBeVisible();
  const heading = screen.dialog.getByRole('heading');
  await expect(heading).toContainText('Aisle Booth');
  await expect(heading).toContainText('iOS Application');
  await expect(heading).toContainText('Till 3');
  await expect(screen.dialog).toHaveAccessibleName(/Aisle Booth.*Till 3/);
  await expect(screen.cancel).toBeFocused();
  await look(page, 'terminate');

  await screen.cancel.press('Escape');
  await expect(screen.dialog).toBeHidden();
  await expect(screen.terminate(tablet.session)).toBeFocused();
  await screen.terminate(tablet.session).press('Enter');
  await expect(screen.cancel).toBeFocused();
  await screen.cancel.click();
  await expect(screen.dialog).toBeHidden();
  await expect(screen.terminate(tablet.session)).toBeFocused();
  await expect(screen.cards).toHaveCount(2);
  expect(await admitted(tablet)).toBe(200);

  await screen.terminate(tablet.session).click();
  await screen.reason.fill('left on the bus');
  await screen.confirm();
  await expect(screen.dialog).toBeHidden();
  await expect(screen.card(tablet.session)).toHaveCount(0);
  await expect(screen.outcome).toHaveText(/1 session ended\. 1 of 1 gateway refuses it(, slowest [\d.,]+ ms)?\./);
  await expect(screen.outcome).toHaveAttribute('role', 'status');
  await expect(screen.card(stall.session)).toBeVisible();
  await expect(screen.sessions).toBeFocused();
  expect(await admitted(tablet), 'what the gateway says of it').toBe(401);
  expect(await admitted(stall)).toBe(200);
  await expect(screen.user('7').locator('.count')).toContainText('1');
  await look(page, 'terminated');

  await page.reload();
  await expect(screen.card(stall.session)).toBeVisible();
  await expect(screen.card(tablet.session)).toHaveCount(0);
  await screen.sessions.getByRole('link', { name: 'History' }).click();
  await expect(screen.card(tablet.session)).toContainText('left on the bus');
});

test('a reason is optional', async ({ shop, screen }) => {
  const [tablet] = await annaOn([ipad, android], shop, screen);
  await screen.terminate(tablet.session).click();
  await expect(screen.dialog).toContainText('optional');
  await screen.confirm();
  await expect(screen.card(tablet.session)).toHaveCount(0);
  await expect(screen.outcome).toContainText('1 of 1 gateway refuses it');
  expect(await admitted(tablet)).toBe(401);
});

test('the card that was ended never comes back', async ({ shop, screen, page }) => {
  const sessions = await annaOn([ipad, android, electron, phone], shop, screen);
  // Whatever appears in the pane, even between two frames, is noted.
  await page.evaluate(() => {
    window.seen = [];
    new MutationObserver((changes) => {
      for (const { addedNodes } of changes) {
        for (const node of addedNodes) {
          for (const card of node.parentElement?.querySelectorAll('[data-session]') ?? []) window.seen.push(card.dataset.session);
        }
      }
    }).observe(document.querySelector('main'), { childList: true, subtree: true });
  });
  for (const { session } of sessions.slice(0, 3)) {
    await screen.terminate(session).click();
    await screen.confirm();
    await expect(screen.card(session)).toHaveCount(0);
    await page.evaluate(() => { window.seen = []; });
    // Something else happens, so the pane is refreshed.
    await shop.touch(sessions[3]);
    const { session: next } = await shop.login('7', { personal: anna });
    await expect(screen.card(next)).toBeVisible();
    expect(await page.evaluate(() => window.seen), 'cards that appeared').not.toContain(session);
  }
});

test('Logout Other Devices keeps the device that one is using', async ({ shop, screen, page }) => {
  const tablet = await shop.login(boss.user, { device: ipad, personal: boss.personal });
  const handheld = await shop.login(boss.user, { device: phone, personal: boss.personal });
  await shop.shown();
  await screen.open({ user: boss.user });
  await expect(screen.cards).toHaveCount(3);

  await screen.others.click();
  await expect(screen.dialog.getByRole('heading')).toContainText('Boss');
  await expect(screen.dialog).toContainText('2 sessions end');
  await expect(screen.cancel).toBeFocused();
  await expect(screen.dialog.getByRole('radio')).toHaveCount(0);
  for (const label of ['Till 3', 'Manager’s phone']) await expect(screen.devices.filter({ hasText: label })).toBeVisible();
  await expect(screen.devices.last(), 'what goes on').toContainText('Current device');
  await look(page, 'logout-others-own');
  await screen.confirm();
  await expect(screen.cards).toHaveCount(1);
  await expect(screen.cards.locator('.chip-current')).toBeVisible();
  await expect(screen.outcome).toContainText('2 sessions ended. 1 of 1 gateway refuses it');
  expect(await admitted(tablet)).toBe(401);
  expect(await admitted(handheld)).toBe(401);
  await expect(screen.others, 'with one session there are no others').toHaveCount(0);
});

test('an administrator chooses which session of somebody else to keep', async ({ shop, screen, page }) => {
  const [tablet, stall, counter] = await annaOn([ipad, android, electron], shop, screen);
  await screen.others.click();
  await expect(screen.dialog.getByRole('radio')).toHaveCount(3);
  await expect(screen.dialog.getByRole('group')).toHaveAccessibleName(/keep/i);
  await expect(screen.dialog.getByRole('radio', { name: /Counter PC/ }), 'the one that was used last').toBeChecked();
  await look(page, 'logout-others-choose');
  await screen.dialog.getByRole('radio', { name: /Till 3/ }).check();
  await screen.confirm();
  await expect(screen.cards).toHaveCount(1);
  await expect(screen.card(tablet.session)).toBeVisible();
  await expect(screen.outcome).toContainText('1 of 1 gateway refuses it');
  expect(await admitted(tablet)).toBe(200);
  expect(await admitted(stall)).toBe(401);
  expect(await admitted(counter)).toBe(401);
  await expect(screen.others).toHaveCount(0);
});

test('Logout All signs a user out everywhere', async ({ shop, screen, page }) => {
  const [tablet, stall] = await annaOn([ipad, android], shop, screen);
  await screen.all.click();
  await expect(screen.dialog.getByRole('heading')).toContainText('Aisle Booth');
  await expect(screen.dialog).toContainText('2 sessions end');
  // Which of the two was active last, the gateway may not have told yet.
  await expect(screen.devices).toHaveCount(2);
  for (const device of [/Android Application.*Market stall/, /iOS Application.*Till 3/]) {
    await expect(screen.devices.filter({ hasText: device })).toHaveCount(1);
  }
  await expect(screen.cancel).toBeFocused();
  await look(page, 'logout-all');
  await screen.confirm();
  await expect(screen.cards).toHaveCount(0);
  await expect(screen.outcome).toContainText('2 sessions ended. 1 of 1 gateway refuses it');
  await expect(screen.sessions).toContainText('No active sessions');
  await expect(screen.user('7')).toHaveCount(0);
  expect(await admitted(tablet)).toBe(401);
  expect(await admitted(stall)).toBe(401);
  await look(page, 'logged-out-all');
});

test('Logout All of many devices names the newest and counts the others', async ({ shop, screen, page }) => {
  const long = { ...ipad, personal: { ...ipad.personal, device_label: 'The tablet that stands at the very end of the long counter. '.repeat(4) } };
  await annaOn([ipad, android, electron, phone, ipad, long, android], shop, screen);
  await screen.all.click();
  await expect(screen.devices).toHaveCount(6);
  await expect(screen.devices.last()).toHaveText('and 2 more');
  await look(page, 'logout-all-many');
});

test('ending one’s own current session says so, asks, and signs this browser out', async ({ shop, screen, page, context }) => {
  await shop.shown();
  await screen.open({ user: boss.user });
  const own = (await screen.cardOrder())[0];
  await screen.terminate(own).click();
  await expect(screen.dialog).toContainText('the device you are using right now');
  await expect(screen.cancel).toBeFocused();
  await look(page, 'terminate-own');
  await screen.confirm();
  await page.waitForURL('**/signin?notice=signed_out');
  await expect(page.getByText('You are signed out.')).toBeVisible();
  expect((await context.cookies()).filter(({ name }) => name === '__Host-posse')).toEqual([]);
  await page.goto('/');
  await expect(page).toHaveURL(/\/signin/);
});

test('Logout All of one’s own sessions says that this one is among them', async ({ shop, screen, page }) => {
  const tablet = await shop.login(boss.user, { device: ipad, personal: boss.personal });
  await shop.shown();
  await screen.open({ user: boss.user });
  await screen.all.click();
  await expect(screen.dialog).toContainText('the device you are using right now');
  await screen.confirm();
  await page.waitForURL('**/signin?notice=signed_out');
  await expect.poll(() => admitted(tablet), 'the screen does not wait for gateways when it signs itself out').toBe(401);
});

test('a question in a tab of its own ends what it asks about', async ({ shop, screen, page }) => {
  const [tablet, stall] = await annaOn([ipad, android], shop, screen);
  await page.goto(`/end?user=7&session=${tablet.session}`);
  await page.getByRole('button', { name: 'Terminate' }).click();
  await page.waitForURL(/\/\?.*user=7/);
  await expect(screen.outcome).toContainText('1 session ended. 1 of 1 gateway refuses it');
  await expect(screen.card(stall.session)).toBeVisible();
  expect(await admitted(tablet)).toBe(401);
});

test('what ended meanwhile is said to be gone', async ({ shop, screen, page, watch }) => {
  watch.tolerate(/status of 4(04|22)/);
  const [tablet, stall] = await annaOn([ipad, android], shop, screen);
  await screen.terminate(tablet.session).click();
  await expect(screen.dialog).toBeVisible();
  await shop.end(tablet.session);
  await expect(screen.card(tablet.session)).toHaveCount(0);
  await screen.confirm();
  // Ending what has ended changes nothing, and is no error.
  await expect(screen.outcome).toContainText('Nothing was left to end.');
  await expect(screen.card(stall.session)).toBeVisible();
  await look(page, 'nothing-to-end');

  await page.goto(`/end?user=7&session=${tablet.session}`);
  await expect(page.getByRole('heading', { level: 2 })).toContainText('It is not there');
  await look(page, 'not-found');

  // And what makes no sense.
  await page.goto(`/end?user=7&session=${stall.session}&all=1`);
  await expect(page.getByRole('heading', { level: 2 })).toContainText('This does not make sense');
  await look(page, 'invalid');
});

test('the status line names gateways that have not confirmed', async ({ annex, page, screen, watch }) => {
  watch.tolerate(/net::ERR_/, /htmx:error/);
  const shop = annex;
  const tablet = await shop.login('7', { device: ipad, personal: anna });
  const stall = await shop.login('7', { device: android, personal: anna });
  const counter = await shop.login('7', { device: electron, personal: anna });
  await shop.shown();
  await screen.open({ user: '7' });

  await screen.terminate(tablet.session).click();
  await screen.confirm();
  await expect(screen.outcome).toHaveText(/1 session ended\. 2 of 2 gateways refuse it, slowest [\d.,]+ ms\./);

  process.kill(posse.annex.pid, 'SIGSTOP');
  let looks = 0;
  await page.route('**/outcome?*', (route) => {
    looks += 1;
    return looks === 1 ? route.abort() : route.continue();
  });
  await screen.terminate(stall.session).click();
  await screen.confirm();
  await expect(screen.outcome).toContainText('1 session ended. 1 of 2 gateways refuse it so far.');
  await expect(screen.outcome).toContainText('Waiting for: Annex');
  await expect(screen.card(stall.session)).toHaveCount(0);

  process.kill(posse.annex.pid, 'SIGCONT');
  await expect(screen.outcome, 'it looks again by itself, even after a look in vain').toHaveText(/1 session ended\. 2 of 2 gateways refuse it, slowest [\d.,]+ ms\./);

  // Looking takes a while, after which posse may not count the gateway any more.
  process.kill(posse.annex.pid, 'SIGSTOP');
  await screen.terminate(counter.session).click();
  await screen.confirm();
  await expect(screen.outcome).toContainText('1 of 2 gateways refuse it so far.');
  await look(page, 'gateway-missing');
});
