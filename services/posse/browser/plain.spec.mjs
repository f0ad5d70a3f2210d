// Without JavaScript: forms and links.
import { boss, expect, test } from './fixtures.mjs';
import { glance, look } from './look.mjs';
import { admitted, day } from './shop.mjs';
import { android, ipad } from './devices.mjs';

test.use({ javaScriptEnabled: false });

const anna = { username: 'anna', display_name: 'Aisle Booth' };

test('the page works without JavaScript', async ({ shop, screen, page }) => {
  const tablet = await shop.login('7', { device: ipad, personal: anna });
  const stall = await shop.login('7', { device: android, personal: anna });
  await shop.login('8', { personal: { display_name: 'Otto' } });
  await shop.shown();

  await page.goto('/');
  await expect(screen.pause, 'what does nothing is not there').toBeHidden();
  await glance(page, 'plain');
  await screen.filter.fill('anna');
  await screen.users.getByRole('button', { name: 'Filter' }).click();
  expect(await screen.order()).toEqual(['7']);
  await screen.user('7').click();
  await expect(screen.cards).toHaveCount(2);
  await expect(screen.filter).toHaveValue('anna');

  await screen.terminate(tablet.session).click();
  await expect(page.getByRole('heading', { level: 2 })).toContainText('Aisle Booth');
  await expect(page.getByRole('heading', { level: 2 })).toContainText('Till 3');
  await page.getByRole('link', { name: 'Cancel' }).click();
  await expect(screen.cards).toHaveCount(2);
  await screen.terminate(tablet.session).click();
  await page.getByLabel('Reason').fill('left on the bus');
  await page.getByRole('button', { name: 'Terminate' }).click();
  await expect(screen.card(tablet.session)).toHaveCount(0);
  await expect(screen.card(stall.session)).toBeVisible();
  await expect(screen.outcome).toContainText('1 session ended. 1 of 1 gateway refuses it');
  expect(await admitted(tablet)).toBe(401);
  await glance(page, 'plain-terminated');

  await screen.sessions.getByRole('link', { name: 'History' }).click();
  await expect(screen.card(tablet.session)).toContainText('left on the bus');

  await screen.sessions.getByRole('link', { name: 'Active' }).click();
  await screen.all.click();
  await page.getByRole('button', { name: 'Logout All' }).click();
  await expect(screen.cards).toHaveCount(0);
  expect(await admitted(stall)).toBe(401);
});

test('Logout Other Devices keeps what one chooses', async ({ shop, screen, page }) => {
  const tablet = await shop.login('7', { device: ipad, personal: anna });
  const stall = await shop.login('7', { device: android, personal: anna });
  await shop.shown();
  await page.goto('/?user=7');
  await screen.others.click();
  await page.getByRole('radio', { name: /Till 3/ }).check();
  await page.getByRole('button', { name: 'Logout Other Devices' }).click();
  await expect(screen.card(tablet.session)).toBeVisible();
  await expect(screen.card(stall.session)).toHaveCount(0);
});

test('times say their zone, and a moment can be chosen', async ({ shop, screen, page }) => {
  await shop.login('7', { device: ipad, personal: anna });
  await shop.shown();
  await page.goto('/?user=7');
  await expect(screen.cards.first().locator('dd', { has: page.locator('time') }).nth(1)).toContainText('UTC');
  await page.locator('summary', { hasText: 'At a moment' }).click();
  await page.getByLabel('Date and time').fill(new Date(Date.now() - day).toISOString().slice(0, 16));
  await page.getByRole('button', { name: 'Show', exact: true }).click();
  await expect(screen.past).toContainText('UTC');
});

test('pages of users follow one another', async ({ shop, screen, page }) => {
  await shop.crowd(120);
  await shop.shown();
  await page.goto('/');
  const seen = new Set();
  for (;;) {
    for (const user of await screen.order()) seen.add(user);
    if (await screen.more.count() === 0) break;
    const next = await screen.more.evaluate((more) => more.href);
    await screen.more.click();
    await page.waitForURL(next);
  }
  expect(seen.size).toBe(121);
  expect(seen).toContain(boss.user);
});

test('signing out works', async ({ shop, page }) => {
  await shop.shown();
  await page.goto('/');
  await page.locator('#account summary').click();
  await page.getByRole('button', { name: 'Sign out' }).click();
  await expect(page.getByText('You are signed out.')).toBeVisible();
});

test('pages without JavaScript are accessible too', async ({ shop, page, browser }) => {
  // axe is a script, so it looks at what a browser without scripts was sent.
  await shop.login('7', { device: ipad, personal: anna });
  await shop.login('7', { device: android, personal: anna });
  await shop.shown();
  await page.goto('/?user=7');
  const addresses = await page.locator('#sessions a[href^="/end"]').evaluateAll((links) => links.map((a) => a.href));
  expect(addresses).toHaveLength(4);
  const context = await browser.newContext({ javaScriptEnabled: true, storageState: await page.context().storageState() });
  const seeing = await context.newPage();
  for (const [i, address] of addresses.entries()) {
    await seeing.goto(address);
    await look(seeing, `end-page-${i + 1}`);
  }
  await context.close();
});
