// The pane on the left: who is signed in.
import { boss, expect, signIn, test } from './fixtures.mjs';
import { look } from './look.mjs';
import { Shop, minutesAgo } from './shop.mjs';
import { android, ipad } from './devices.mjs';

test('you stand first, then newest activity', async ({ shop, screen }) => {
  await shop.login('7', { device: ipad, personal: { username: 'anna', display_name: 'Anna' } });
  await shop.login('8', { personal: { username: 'otto', display_name: 'Otto' } });
  await shop.login('7', { device: android, personal: { username: 'anna', display_name: 'Anna' } });
  await shop.login('9', { personal: { username: 'nora', display_name: 'Nora' } });
  await shop.shown();
  await screen.open();

  await expect.poll(() => screen.order()).toEqual(['1', '9', '7', '8']);
  await expect(screen.user('1')).toContainText('Boss');
  await expect(screen.user('1')).toContainText('@boss');
  await expect(screen.userList.locator('.chip-you')).toHaveCount(1);
  await expect(screen.user('1').locator('.chip-you')).toHaveText('You');
  await expect(screen.user('7').locator('.count')).toContainText('2');
  await expect(screen.user('8').locator('.count')).toContainText('1');
  await look(screen.page, 'users');
});

test('a green dot, in words too, is on who was active within five minutes', async ({ page, screen }) => {
  const shop = await Shop.open('yesterday');
  await signIn(page, shop, { ...boss, user: 'dot' });
  await shop.shown();
  await screen.open({ q: 'cashier' });

  await expect.poll(() => screen.order()).toEqual(['11', '12', '13']);
  await expect(screen.userList.locator('.dot')).toHaveCount(0);
  await expect(screen.userList).not.toContainText('Active now');

  await screen.open();
  const you = screen.user('dot');
  await expect(you.locator('.dot')).toBeVisible();
  await expect(you).toContainText('Active now');
  const colour = await you.locator('.dot').evaluate((dot) => getComputedStyle(dot).backgroundColor.match(/\d+/g).map(Number));
  expect(colour[1], `${colour} is green`).toBeGreaterThan(Math.max(colour[0], colour[2]));
});

test('who has no picture has initials', async ({ shop, screen }) => {
  await shop.login('7', { personal: { display_name: 'Aisle Main Booth', avatar_url: 'https://elsewhere.example/anna.png' } });
  await shop.shown();
  await screen.open();
  await expect(screen.user('7').locator('.avatar')).toHaveText('AB');
});

test('the filter searches names and usernames on the server as one types', async ({ shop, screen, page }) => {
  await shop.login('7', { personal: { username: 'till-7', display_name: 'Savanna Booth' } });
  await shop.login('8', { personal: { username: 'annabel', display_name: 'Weekend' } });
  await shop.login('9', { personal: { username: 'till-9', display_name: 'Otto' } });
  await shop.shown();
  await screen.open({ user: '9' });

  const asked = page.waitForRequest((request) => new URL(request.url()).searchParams.get('q') === 'ANNA');
  await screen.filter.pressSequentially('ANNA');
  await asked;
  await expect.poll(() => screen.order()).toEqual(['8', '7']);
  await expect(screen.filter).toBeFocused();
  await expect(screen.filter).toHaveValue('ANNA');
  await expect(screen.announcer).toContainText('2');
  await expect(screen.sessions.getByRole('heading', { level: 2 })).toContainText('Otto');
  await expect(page).toHaveURL(/[?&]q=ANNA(&|$)/);

  // With nobody selected, so that the list is there on a narrow screen too.
  await screen.open({ q: 'ANNA' });
  await expect.poll(() => screen.order()).toEqual(['8', '7']);
  await look(page, 'users-filtered');

  await screen.filter.press('End');
  await screen.filter.pressSequentially(' nobody');
  await expect.poll(() => screen.order()).toEqual([]);
  await expect(screen.users).toContainText(/no.*match/i);
  await look(page, 'users-no-match');

  await screen.filter.fill('');
  await expect.poll(() => screen.order()).toEqual(['1', '9', '8', '7']);
});

test('a filter in the address is there after a reload', async ({ shop, screen }) => {
  await shop.login('7', { personal: { display_name: 'Anna' } });
  await shop.shown();
  await screen.open({ q: 'anna' });
  await expect(screen.filter).toHaveValue('anna');
  await expect.poll(() => screen.order()).toEqual(['7']);
});

test.describe('with 120 users', () => {
  test.beforeEach(async ({ shop }) => {
    await shop.crowd(120);
    await shop.shown();
  });

  const all = (order) => expect(new Set(order).size, 'users, each once').toBe(order.length);

  test('more come by a button', async ({ screen }) => {
    // Nothing comes into view by itself, so that the button alone asks for more.
    await screen.page.addInitScript(() => {
      window.IntersectionObserver = class { observe() {} unobserve() {} disconnect() {} };
    });
    await screen.page.setViewportSize({ width: 1280, height: 500 });
    await screen.open();
    await expect(screen.users).toContainText('121');
    const before = (await screen.order()).length;
    expect(before).toBeLessThan(121);
    await screen.more.focus();
    await screen.more.press('Enter');
    await expect.poll(async () => (await screen.order()).length).toBeGreaterThan(before);
    all(await screen.order());
  });

  test('more come as one scrolls', async ({ screen, page }) => {
    await screen.open();
    expect(await page.evaluate(() => document.documentElement.scrollHeight), 'the list scrolls, not the page').toBe(800);
    await look(page, 'users-many');
    await expect(async () => {
      await screen.userList.locator('li').last().scrollIntoViewIfNeeded();
      await page.mouse.wheel(0, 2000);
      expect((await screen.order()).length).toBe(121);
    }).toPass();
    const order = await screen.order();
    all(order);
    expect(order[0]).toBe('1');
    await expect(screen.more).toHaveCount(0);
  });

  test('who was loaded beyond what a refresh brings stays, and so does where one is', async ({ screen, page, shop }) => {
    await screen.open();
    await expect(async () => {
      await screen.userList.locator('li').last().scrollIntoViewIfNeeded();
      expect((await screen.order()).length).toBe(121);
    }).toPass();
    const pane = page.locator('#user-list-pane');
    const before = await pane.evaluate((list) => list.scrollTop);
    // As if thousands had been loaded.
    await page.route('**/users?*refresh=*', async (route) => {
      const url = new URL(route.request().url());
      url.searchParams.set('rows', '50');
      await route.continue({ url: url.href });
    });
    await shop.login('new', { personal: { display_name: 'Newcomer' } });
    await expect(screen.user('new')).toBeAttached();
    const order = await screen.order();
    all(order);
    expect(order.length).toBeGreaterThanOrEqual(120);
    await expect(screen.more).toHaveCount(0);
    expect(Math.abs(await pane.evaluate((list) => list.scrollTop) - before), 'pixels that the list moved').toBeLessThan(150);
    await page.unrouteAll();
  });

  test('what was loaded stays when the list is refreshed', async ({ screen, shop }) => {
    await screen.open();
    await expect(async () => {
      await screen.userList.locator('li').last().scrollIntoViewIfNeeded();
      expect((await screen.order()).length).toBeGreaterThan(60);
    }).toPass();
    const loaded = (await screen.order()).length;
    await shop.login('new', { personal: { display_name: 'Newcomer' } });
    await expect(screen.user('new')).toBeAttached();
    expect((await screen.order()).length).toBeGreaterThanOrEqual(loaded);
    all(await screen.order());
  });
});

test('activity moves a user up the list', async ({ shop, screen }) => {
  const anna = await shop.login('7');
  await shop.login('8');
  await shop.shown();
  await screen.open();
  await expect.poll(() => screen.order()).toEqual(['1', '8', '7']);
  await shop.touch(anna, { at: minutesAgo(-2) });
  await expect.poll(() => screen.order()).toEqual(['1', '7', '8']);
});
