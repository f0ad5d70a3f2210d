// The pane on the right: on which devices a user is signed in.
import { boss, expect, signIn, test } from './fixtures.mjs';
import { look } from './look.mjs';
import { day, hour } from './shop.mjs';
import { android, electron, firefox, hostile, ipad, nameless, phone } from './devices.mjs';

const anna = { username: 'anna', display_name: 'Aisle Booth' };

test('a card per session says what, where and when', async ({ shop, screen, page }) => {
  const devices = [
    [ipad, 'iOS Application', 'WCPOS 1.8.1', 'iOS', 'Till 3', '203.0.113.43', 'tablet'],
    [android, 'Android Application', 'WCPOS 1.8.1', 'Android', 'Market stall', '198.51.100.140', 'mobile'],
    [electron, 'Desktop Application', 'WCPOS 1.8.0', 'Windows', 'Counter PC', '203.0.113.22', 'desktop'],
    [firefox, 'Web Application', 'Firefox 140', 'Linux', '', '2001:db8:4a7:1::90', 'desktop'],
    [phone, 'Web Application', 'Chrome Mobile 138', 'Android', 'Manager’s phone', '198.51.100.77', 'mobile'],
  ];
  const sessions = [];
  for (const [device] of devices) sessions.push(await shop.login('7', { device, ago: 3 * hour, personal: anna }));
  await shop.shown();
  await screen.open({ user: '7' });

  await expect(screen.name).toContainText('Aisle Booth');
  await expect(screen.sessions).toContainText('@anna');
  await expect(screen.cards).toHaveCount(devices.length);
  expect(await screen.cardOrder(), 'newest activity first').toEqual(sessions.map((s) => s.session).reverse());
  for (const [i, [device, application, program, system, label, ip, icon]] of devices.entries()) {
    const card = screen.card(sessions[i].session);
    await expect(card.getByRole('heading', { level: 3 })).toContainText(application);
    await expect(card).toContainText(program);
    await expect(card).toContainText(system);
    if (label) await expect(card).toContainText(label);
    await expect(screen.field(sessions[i].session, 'IP')).toHaveText(ip);
    await expect(card.locator('header svg use')).toHaveAttribute('href', `#i-${icon}`);
    await expect(screen.field(sessions[i].session, 'Last active').locator('time')).toHaveText('Just now');
    await expect(card.locator('.chip-active')).toHaveText('Active now');
    const created = await screen.field(sessions[i].session, 'Created').locator('time').getAttribute('datetime');
    const expires = await screen.field(sessions[i].session, 'Expires').locator('time').getAttribute('datetime');
    expect(Math.abs(Date.now() - 3 * hour - Date.parse(created)), 'since it was created').toBeLessThan(60_000);
    expect(Date.parse(expires) - Date.parse(created), 'life of a session').toBeGreaterThan(day);
    await expect(card.locator('code')).toBeHidden();
    await card.getByText('User Agent').click();
    await expect(card.locator('code')).toHaveText(device.personal.user_agent);
  }
  await look(page, 'sessions');
});

test('one’s own session stands first and is marked', async ({ shop, screen, page }) => {
  await shop.login(boss.user, { device: ipad, personal: boss.personal });
  await shop.login(boss.user, { device: phone, personal: boss.personal });
  await shop.shown();
  await screen.open({ user: boss.user });

  await expect(screen.cards).toHaveCount(3);
  const first = screen.cards.first();
  await expect(first.locator('.chip-current')).toHaveText('Current device');
  await expect(screen.sessions.locator('.chip-current')).toHaveCount(1);
  await expect(first).toContainText('Web Application');
  await expect(screen.cards.nth(1)).toContainText('Manager’s phone');
  await expect(screen.cards.nth(2)).toContainText('Till 3');
  await expect(screen.sessions.locator('.chip-you')).toBeVisible();
  await look(page, 'sessions-own');
});

test('what is not known is said so', async ({ shop, screen }) => {
  const { session } = await shop.login('7', { device: nameless });
  await shop.shown();
  await screen.open({ user: '7' });
  await expect(screen.field(session, 'IP')).toHaveText('N/A');
  await screen.card(session).getByText('User Agent').click();
  await expect(screen.card(session).locator('details')).toContainText(/no user agent|none|did not/i);
});

test('the precision of “last active” is explained on hover, on focus, and for screen readers', async ({ shop, screen, page }) => {
  const { session } = await shop.login('7', { device: ipad });
  await shop.shown();
  await screen.open({ user: '7' });
  const tip = screen.card(session).getByRole('tooltip');
  const about = screen.card(session).locator('.tip button');
  await expect(tip).toBeHidden();
  await about.hover();
  await expect(tip).toBeVisible();
  await expect(tip).toContainText(/\d+ seconds/);
  // WCAG 1.4.13: one can go to what appeared, and dismiss it without moving.
  await tip.hover();
  await expect(tip).toBeVisible();
  await page.mouse.move(0, 0);
  await expect(tip).toBeHidden();
  await about.focus();
  await expect(tip).toBeVisible();
  await expect(about).toHaveAccessibleDescription(/\d+ seconds/);
  await look(page, 'sessions-precision');
  await page.keyboard.press('Escape');
  await expect(tip).toBeHidden();
});

test('a hostile name and user agent are rendered harmlessly', async ({ shop, screen, page }) => {
  let alerted = false;
  page.on('dialog', async (dialog) => {
    alerted = true;
    await dialog.dismiss();
  });
  const { session } = await shop.login('66', { device: hostile });
  await shop.login('7', { personal: { display_name: 'x'.repeat(256), username: 'y'.repeat(256), device_label: 'z'.repeat(256) }, device: ipad });
  await shop.shown();
  await screen.open({ user: '66' });

  await expect(screen.user('66')).toContainText(hostile.personal.display_name);
  await expect(screen.user('66')).toContainText(hostile.personal.username);
  await expect(screen.name).toContainText(hostile.personal.display_name);
  await expect(screen.card(session)).toContainText(hostile.personal.device_label);
  await screen.card(session).getByText('User Agent').click();
  await expect(screen.card(session).locator('code')).toHaveText(hostile.personal.user_agent);
  // The override of direction ends where the name does.
  for (const name of [screen.user('66').locator('.name bdi'), screen.name.locator('bdi')]) {
    await expect(name.first()).toHaveText(hostile.personal.display_name);
  }
  await look(page, 'hostile');
  await screen.terminate(session).click();
  await expect(screen.dialog).toContainText('<script>alert(document.cookie)</script>');
  await look(page, 'hostile-dialog');
  expect(await page.locator('main script, main img[src=x], dialog script, svg[onload]').count()).toBe(0);
  expect(alerted).toBe(false);
});

test('names without end are cut to fit', async ({ shop, screen, page }) => {
  await shop.login('7', { device: ipad, personal: { display_name: 'Anna '.repeat(51), username: 'y'.repeat(256), device_label: 'z'.repeat(256) } });
  await shop.shown();
  await screen.open({ user: '7' });
  await expect(screen.cards).toHaveCount(1);
  const lines = await screen.name.locator('bdi').evaluate((name) => getComputedStyle(name).webkitLineClamp);
  expect(lines, 'lines of the name, of which the last ends in an ellipsis').toBe('2');
  await look(page, 'names-long');
});

test('a deep link selects a user', async ({ shop, screen }) => {
  await shop.login('7', { device: ipad, personal: anna });
  await shop.login('8');
  await shop.shown();
  await screen.open({ user: '7' });
  await screen.selected('7');
  await expect(screen.page).toHaveTitle(/Aisle Booth/);
});

test('people without the admin role have the screen for themselves', async ({ bare: shop, page, screen }) => {
  await shop.login('8', { personal: { display_name: 'Somebody Else' } });
  await signIn(page, shop, { user: '7', personal: anna });
  const tablet = await shop.login('7', { device: ipad, personal: anna });
  await shop.shown();
  await screen.open();
  await expect(screen.sessions).toHaveAttribute('data-user', '7');
  await expect(screen.cards).toHaveCount(2);
  await expect(screen.cards.first().locator('.chip-current')).toBeVisible();
  await expect(page.locator('body')).not.toContainText('Somebody Else');
  await look(page, 'alone');

  await screen.open({ user: '8' });
  await expect(screen.sessions).toHaveAttribute('data-user', '7');
  await expect(page.locator('body')).not.toContainText('Somebody Else');

  await screen.terminate(tablet.session).click();
  await screen.confirm();
  await expect(screen.card(tablet.session)).toHaveCount(0);
  await expect(screen.outcome).toContainText(/1 of 1/);
});
