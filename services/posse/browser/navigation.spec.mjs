// Addresses: selecting, going back and forward, coming from a link.
import { expect, test } from './fixtures.mjs';
import { look } from './look.mjs';
import { android, ipad } from './devices.mjs';

test.beforeEach(async ({ shop }) => {
  await shop.login('7', { device: ipad, personal: { display_name: 'Aisle Booth' } });
  await shop.login('8', { device: android, personal: { display_name: 'Office Kiosk' } });
  await shop.shown();
});

test('without a user the screen says what to do', async ({ screen, page }) => {
  await screen.open();
  await expect(screen.sessions).toContainText('Select a user');
  await expect(screen.userList.locator('[aria-current]')).toHaveCount(0);
  await look(page, 'start');
});

test('back and forward work', async ({ screen, page }) => {
  await screen.open();
  await screen.user('7').click();
  await screen.selected('7');
  await expect(page).toHaveURL(/\?user=7$/);
  await expect(page).toHaveTitle(/^.?Aisle Booth/);
  await screen.user('8').click();
  await screen.selected('8');
  await screen.sessions.getByRole('link', { name: 'History' }).click();
  await expect(page).toHaveURL(/user=8&view=history/);
  await expect(screen.sessions).toContainText('No ended sessions');

  await page.goBack();
  await expect(page).toHaveURL(/\?user=8$/);
  await screen.selected('8');
  await expect(screen.cards).toHaveCount(1);
  await page.goBack();
  await screen.selected('7');
  await expect(page).toHaveTitle(/^.?Aisle Booth/);
  await page.goBack();
  await expect(screen.sessions).toContainText('Select a user');
  await page.goForward();
  await screen.selected('7');
  await page.reload();
  await screen.selected('7');
  await screen.isLive();
});

test('going back leaves the screen live', async ({ screen, page, shop }) => {
  await screen.open({ user: '7' });
  await screen.user('8').click();
  await screen.selected('8');
  await page.goBack();
  await screen.selected('7');
  await screen.isLive();
  const { session } = await shop.login('7', { device: android, personal: { display_name: 'Aisle Booth' } });
  await expect(screen.card(session)).toBeVisible();
});

test('a dialog has no address, and closes when one goes back', async ({ screen, page }) => {
  await screen.open({ user: '7' });
  await screen.user('8').click();
  await screen.selected('8');
  const address = page.url();
  await screen.all.click();
  await expect(screen.dialog).toBeVisible();
  expect(page.url()).toBe(address);
  await page.goBack();
  await screen.selected('7');
  await expect(screen.dialog).toBeHidden();
});

test('a user whom nobody knows is said to be unknown', async ({ screen, page, watch }) => {
  watch.tolerate(/status of 404/);
  const answer = await page.goto('/?user=nobody');
  expect(answer.status()).toBe(404);
  await expect(screen.sessions).toContainText('There is no such user');
  await expect(screen.user('7')).toBeVisible();
  await look(page, 'unknown-user');
});

test('a link opens in another tab as a page of its own', async ({ screen, page, context }) => {
  await screen.open();
  const [tab] = await Promise.all([context.waitForEvent('page'), screen.user('7').click({ modifiers: ['ControlOrMeta'] })]);
  await expect(tab.locator('#sessions')).toHaveAttribute('data-user', '7');
  await expect(screen.sessions).toContainText('Select a user');
  await expect(page).not.toHaveURL(/user=/);
});

test('on a narrow screen one pane follows the other', async ({ screen, page }) => {
  await page.setViewportSize({ width: 320, height: 640 });
  await screen.open();
  await expect(screen.userList).toBeVisible();
  await screen.user('7').click();
  await expect(screen.cards).toHaveCount(1);
  await expect(screen.cards.first()).toBeInViewport();
  await screen.sessions.getByRole('link', { name: 'All users' }).click();
  await expect(screen.user('8')).toBeInViewport();
});
