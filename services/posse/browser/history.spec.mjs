// What was: the ended sessions of a user, and who was signed in at a moment.
import { boss, expect, signIn, test } from './fixtures.mjs';
import { look } from './look.mjs';
import { Shop, ago, day, hour } from './shop.mjs';
import { android, electron, ipad, phone } from './devices.mjs';

const anna = { username: 'anna', display_name: 'Aisle Booth' };

test.describe('history', () => {
  test('says when each session ended, who ended it and why', async ({ shop, screen, page }) => {
    const tablet = await shop.login('7', { device: ipad, personal: anna });
    const stall = await shop.login('7', { device: android, personal: anna });
    const counter = await shop.login('7', { device: electron, personal: anna });
    const other = await shop.login('2', { roles: ['admin'], personal: { display_name: 'Floor Manager' } });
    const expired = await shop.login('7', {
      device: phone, personal: anna, created: ago(3 * hour), expires: ago(2 * hour),
    });
    await shop.end(stall.session, { as: other, reason_admin: 'tablet left on the bus' });
    await shop.end(counter.session, { as: counter });
    await shop.shown();
    await screen.open({ user: '7' });
    await screen.terminate(tablet.session).click();
    await screen.reason.fill('shift is over');
    await screen.confirm();
    await expect(screen.outcome).toContainText('1 session ended');

    await screen.sessions.getByRole('link', { name: 'History' }).click();
    await expect(screen.cards).toHaveCount(4);
    await expect(page).toHaveURL(/[?&]view=history/);
    const expected = [
      [tablet, 'Terminated', 'Boss', 'shift is over'],
      [stall, 'Terminated', 'Floor Manager', 'tablet left on the bus'],
      [counter, 'Signed out on the device', 'Aisle Booth', null],
      [expired, 'Expired', 'Nobody, by itself', null],
    ];
    for (const [{ session }, how, by, why] of expected) {
      const card = screen.card(session);
      await expect(card).toHaveClass(/ended/);
      await expect(card.locator('.chip-ended')).toHaveText('Ended');
      await expect(screen.field(session, 'How')).toHaveText(how);
      await expect(screen.field(session, 'By')).toContainText(by);
      if (why) await expect(screen.field(session, 'Reason')).toHaveText(why);
      else await expect(screen.field(session, 'Reason')).toHaveCount(0);
      await expect(card.getByRole('button', { name: 'Terminate' })).toHaveCount(0);
    }
    await expect(screen.field(tablet.session, 'By').locator('.chip-you')).toBeVisible();
    const ended = await screen.field(tablet.session, 'Ended').locator('time').getAttribute('datetime');
    expect(Math.abs(Date.now() - Date.parse(ended)), 'since it was ended').toBeLessThan(60_000);
    const expiry = await screen.field(expired.session, 'Ended').locator('time').getAttribute('datetime');
    expect(Math.abs(Date.now() - 2 * hour - Date.parse(expiry)), 'since it expired').toBeLessThan(60_000);
    await look(page, 'history');

    await screen.sessions.getByRole('link', { name: 'Active' }).click();
    await expect(screen.cards).toHaveCount(0);
    await expect(page).not.toHaveURL(/view=history/);
  });

  test('of somebody without any says so', async ({ shop, screen, page }) => {
    await shop.login('7', { device: ipad, personal: anna });
    await shop.shown();
    await screen.open({ user: '7', view: 'history' });
    await expect(screen.sessions).toContainText('No ended sessions');
    await look(page, 'history-none');
  });

  test('does not tell a user what was written for administrators', async ({ bare: shop, screen, page }) => {
    const tablet = await shop.login('7', { device: ipad, personal: anna });
    const manager = await shop.login('2', { roles: ['admin'], personal: { display_name: 'Floor Manager' } });
    await shop.end(tablet.session, { as: manager, reason_admin: 'suspected theft', reason_user: 'Please see the manager.' });
    await signIn(page, shop, { user: '7', personal: anna });
    await screen.open({ view: 'history' });
    await expect(screen.card(tablet.session)).toContainText('Please see the manager.');
    await expect(page.locator('body')).not.toContainText('suspected theft');
  });

  test('stays while one types in the filter', async ({ shop, screen, page }) => {
    const tablet = await shop.login('7', { device: ipad, personal: anna });
    await shop.end(tablet.session);
    const stall = await shop.login('7', { device: android, personal: anna });
    await shop.shown();
    await screen.open({ user: '7' });
    await screen.sessions.getByRole('link', { name: 'History' }).click();
    await expect(screen.card(tablet.session)).toBeVisible();
    await screen.filter.fill('anna');
    await expect.poll(() => screen.order()).toEqual(['7']);
    await expect(page).toHaveURL(/[?&]q=anna(&|$)/);
    await expect(page).toHaveURL(/[?&]view=history(&|$)/);
    await shop.end(stall.session);
    await expect(screen.card(stall.session), 'a refresh is of the history').toBeVisible();

    // What one typed goes along to the other tab, and is in the address there.
    await screen.sessions.getByRole('link', { name: 'Active' }).click();
    await expect(screen.sessions).toContainText('No active sessions');
    await expect(page).toHaveURL(/\/\?(q=anna&user=7|user=7&q=anna)$/);
    await page.goto(`${screen.url}/?user=7&view=history`);
    await screen.filter.fill('nobody');
    await expect.poll(() => screen.order()).toEqual([]);
    await page.reload();
    await expect(screen.sessions.locator('.tabs [aria-current]')).toHaveText('History');
    await expect(screen.cards).toHaveCount(2);
    await expect(screen.filter).toHaveValue('nobody');
  });

  test('is live, too', async ({ shop, screen }) => {
    const tablet = await shop.login('7', { device: ipad, personal: anna });
    await shop.shown();
    await screen.open({ user: '7', view: 'history' });
    await shop.end(tablet.session);
    await expect(screen.card(tablet.session)).toBeVisible();
  });
});

test.describe('at a moment', () => {
  test('one sees who was signed in then, marked as past and without actions', async ({ page, screen }) => {
    const shop = await Shop.open('yesterday');
    await signIn(page, shop, { ...boss, user: 'then' });
    await screen.open();
    await screen.user('11').waitFor();
    await expect(screen.user('14')).toHaveCount(0);

    // A day ago, as the clock on the wall showed it: the browser is in Kolkata.
    const moment = new Date(Math.floor((Date.now() - day) / 60_000) * 60_000);
    const local = new Date(moment.getTime() + 5.5 * hour).toISOString().slice(0, 16);
    await page.locator('summary', { hasText: 'At a moment' }).click();
    await expect(page.getByLabel('Date and time')).toBeVisible();
    await look(page, 'moment-form');
    await page.getByLabel('Date and time').fill(local);
    await page.getByRole('button', { name: 'Show', exact: true }).click();

    await expect(screen.past).toContainText('You are looking at the past');
    expect(new Date(new URL(page.url()).searchParams.get('at')).toISOString()).toBe(moment.toISOString());
    await expect(screen.past.locator('time')).toHaveAttribute('datetime', new RegExp(`^${moment.toISOString().slice(0, 16)}`));
    await expect.poll(async () => (await screen.order()).sort()).toEqual(['12', '13', '14']);
    await expect(screen.live).toHaveAttribute('data-state', 'off');

    await screen.user('14').click();
    await expect(screen.name).toContainText('Former Cashier');
    await expect(screen.cards).toHaveCount(1);
    await expect(screen.card('till-14')).toContainText('Till 14');
    await expect(page).toHaveURL(/[?&]at=/);
    for (const name of ['Terminate', 'Logout Other Devices', 'Logout All']) {
      await expect(page.getByRole('button', { name, disabled: false })).toHaveCount(0);
    }
    await look(page, 'past');

    await screen.past.getByRole('link', { name: 'Back to now' }).click();
    await expect(screen.past).toHaveCount(0);
    await expect(screen.user('14')).toHaveCount(0);
    await expect(screen.sessions).toContainText('No active sessions');
    await screen.isLive();
  });

  test('a moment that came after the screen was opened can be chosen', async ({ bare: shop, page, screen, watch }) => {
    watch.tolerate(/htmx:error: timeout/);
    await page.clock.install();
    await signIn(page, shop, boss);
    await screen.open();
    await page.route(/refresh=/, () => {}); // it would hear that it is not that late
    await page.clock.fastForward('05:00:00');
    await page.locator('summary', { hasText: 'At a moment' }).click();
    const field = page.getByLabel('Date and time');
    for (const [hours, possible] of [[-1, true], [4, true], [6, false]]) {
      await field.fill(new Date(Date.now() + (5.5 + hours) * hour).toISOString().slice(0, 16));
      expect(await field.evaluate((input) => input.checkValidity()), `${hours} hours after it was opened`).toBe(possible);
    }
  });

  test('before anybody was there nobody is listed', async ({ shop, screen, page }) => {
    await screen.open({ at: '2020-01-01T00:00:00Z' });
    await expect(screen.users).toContainText('Nobody was signed in');
    await look(page, 'past-empty');
    await screen.open({ at: '2020-01-01T00:00:00Z', user: boss.user });
    await expect(screen.sessions).toContainText('Not signed in at that moment');
    await shop.shown();
  });

  for (const [what, at] of [['that is none', 'yesterday'], ['that has not come yet', '2999-01-01T00:00:00Z']]) {
    test(`a moment ${what} is explained`, async ({ shop, screen, page, watch }) => {
      watch.tolerate(/status of 422/);
      await shop.shown();
      const answer = await page.goto(`/?at=${at}`);
      expect(answer.status()).toBe(422);
      await expect(page.getByRole('heading', { level: 2 })).toHaveText('That moment cannot be shown');
      await look(page, 'moment-bad');
      await page.getByRole('main').getByRole('link').first().click();
      await expect(screen.userList).toBeVisible();
    });
  }
});
