// For people who use a keyboard, a touch screen, or little motion.
import { expect, test } from './fixtures.mjs';
import { admitted } from './shop.mjs';
import { android, ipad } from './devices.mjs';

const anna = { username: 'anna', display_name: 'Aisle Booth' };

/** tabTo presses Tab until something has the focus. */
async function tabTo(page, wanted, key = 'Tab') {
  for (let presses = 0; presses < 60; presses += 1) {
    if (await wanted.evaluate((element) => element === document.activeElement).catch(() => false)) return;
    await page.keyboard.press(key);
    const focus = await page.evaluate(() => {
      const { activeElement: at } = document;
      if (!at || at === document.body) return null;
      const style = getComputedStyle(at);
      const ring = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) > 0;
      const box = at.getBoundingClientRect();
      return { what: at.outerHTML.slice(0, 80), seen: ring || style.boxShadow !== 'none', box: box.width * box.height };
    });
    if (focus) {
      expect(focus.seen, `the focus shows on ${focus.what}`).toBe(true);
      expect(focus.box, `there is something to see of ${focus.what}`).toBeGreaterThan(0);
    }
  }
  throw new Error(`Tab does not lead to ${wanted}`);
}

test('everything can be done by keyboard alone', async ({ shop, screen, page }) => {
  const tablet = await shop.login('7', { device: ipad, personal: anna });
  const stall = await shop.login('7', { device: android, personal: anna });
  await shop.shown();
  await screen.open();

  await page.keyboard.press('Tab');
  await expect(page.getByRole('link', { name: 'Skip to the sessions' })).toBeFocused();
  await expect(page.getByRole('link', { name: 'Skip to the sessions' })).toBeInViewport();

  await tabTo(page, screen.pause);
  await page.keyboard.press('Space');
  await expect(screen.live).toHaveAttribute('data-state', 'paused');
  await page.keyboard.press('Enter');
  await screen.isLive();

  const menu = page.locator('#when summary');
  await tabTo(page, menu);
  await page.keyboard.press('Enter');
  await expect(page.getByLabel('Date and time')).toBeVisible();
  await page.keyboard.press('Escape');
  await expect(page.getByLabel('Date and time')).toBeHidden();
  await expect(menu).toBeFocused();

  await tabTo(page, screen.filter);
  await page.keyboard.type('anna');
  await expect.poll(() => screen.order()).toEqual(['7']);
  await tabTo(page, screen.user('7'));
  await page.keyboard.press('Enter');
  await screen.selected('7');
  await expect(screen.cards).toHaveCount(2);

  await tabTo(page, screen.card(tablet.session).locator('summary'));
  await page.keyboard.press('Enter');
  await expect(screen.card(tablet.session).locator('code')).toBeVisible();
  await tabTo(page, screen.terminate(tablet.session));
  await page.keyboard.press('Space');
  await expect(screen.dialog, 'a button answers to Space').toBeVisible();
  await expect(screen.cancel).toBeFocused();

  // The focus stays in the dialog, all around.
  for (let presses = 0; presses < 8; presses += 1) {
    await page.keyboard.press('Tab');
    expect(await page.evaluate(() => document.activeElement === document.body || document.querySelector('dialog').contains(document.activeElement))).toBe(true);
  }
  await tabTo(page, screen.reason, 'Shift+Tab');
  await page.keyboard.type('left on the bus');
  await tabTo(page, screen.dialog.locator('button.danger'));
  await page.keyboard.press('Enter');
  await expect(screen.card(tablet.session)).toHaveCount(0);
  await expect(screen.outcome).toContainText('1 of 1 gateway refuses it');
  expect(await admitted(tablet)).toBe(401);

  await tabTo(page, screen.sessions.getByRole('link', { name: 'History' }));
  await page.keyboard.press('Enter');
  await expect(screen.card(tablet.session)).toContainText('left on the bus');
  await tabTo(page, screen.sessions.getByRole('link', { name: 'Active' }), 'Shift+Tab');
  await page.keyboard.press('Enter');
  await expect(screen.card(stall.session)).toBeVisible();

  await tabTo(page, page.locator('#account summary'), 'Shift+Tab');
  await page.keyboard.press('Enter');
  await tabTo(page, page.getByRole('button', { name: 'Sign out' }));
  await page.keyboard.press('Enter');
  await page.waitForURL('**/signin?notice=signed_out');
});

for (const width of [320, 768, 1280]) {
  test(`targets are 24 pixels or more at ${width}`, async ({ shop, screen, page }) => {
    const tablet = await shop.login('7', { device: ipad, personal: anna });
    await shop.login('7', { device: android, personal: anna });
    await shop.shown();
    await page.setViewportSize({ width, height: 800 });
    const small = () => page.evaluate(() => [...document.querySelectorAll('a, button, summary, input:not([type=hidden]), textarea, label.choice')]
      .filter((element) => element.checkVisibility({ visibilityProperty: true }) && !element.matches('label.choice input, .skip'))
      .map((element) => [element.outerHTML.slice(0, 80), element.getBoundingClientRect()])
      .filter(([, box]) => box.width < 24 || box.height < 24).map(([what, box]) => `${what}: ${box.width} × ${box.height}`));
    await screen.open({ user: '7' });
    expect.soft(await small(), 'on the screen').toEqual([]);
    await page.locator('#account summary').click();
    expect.soft(await small(), 'in the account’s menu').toEqual([]);
    await page.locator('#account summary').click();
    await page.locator('#when summary').click();
    expect.soft(await small(), 'in the menu for a moment').toEqual([]);
    await page.keyboard.press('Escape');
    await screen.others.click();
    await expect(screen.dialog).toBeVisible();
    expect.soft(await small(), 'in the dialog').toEqual([]);
    await screen.cancel.click();
    await page.goto(`/end?user=7&session=${tablet.session}`);
    expect.soft(await small(), 'on the page of its own').toEqual([]);
  });
}

test.describe('motion', () => {
  const moving = (page) => page.evaluate(() => [...document.querySelectorAll('*')].flatMap((element) => ['', '::before', '::after'].flatMap((part) => {
    const style = getComputedStyle(element, part || null);
    const seconds = (list) => Math.max(...list.split(',').map(parseFloat));
    const transition = style.transitionProperty !== 'none' && seconds(style.transitionDuration) > 0.01;
    const animation = style.animationName !== 'none' && seconds(style.animationDuration) > 0.01;
    return transition || animation ? [`${element.tagName}.${element.className}${part}`] : [];
  })));

  test('is reduced for those who ask for it', async ({ shop, screen, page }) => {
    await shop.login('7', { device: ipad, personal: anna });
    await shop.shown();
    await page.emulateMedia({ reducedMotion: 'reduce' });
    await screen.open({ user: '7' });
    expect(await moving(page)).toEqual([]);
    await screen.all.click();
    await expect(screen.dialog).toBeVisible();
    expect(await moving(page)).toEqual([]);
  });
});

test('light and dark follow the system', async ({ shop, screen, page }) => {
  await shop.shown();
  await screen.open();
  const background = () => page.evaluate(() => {
    const pixel = document.createElement('canvas').getContext('2d');
    pixel.fillStyle = [document.body, document.documentElement]
      .map((element) => getComputedStyle(element).backgroundColor).find((colour) => !/, 0\)$/.test(colour));
    pixel.fillRect(0, 0, 1, 1);
    return Math.max(...pixel.getImageData(0, 0, 1, 1).data.slice(0, 3));
  });
  await page.emulateMedia({ colorScheme: 'light' });
  expect(await background()).toBeGreaterThan(200);
  await page.emulateMedia({ colorScheme: 'dark' });
  expect(await background()).toBeLessThan(60);
});
