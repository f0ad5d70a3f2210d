// When the read model cannot be reached: a query process of its own, whose line
// to the database is cut. A posse that does everything has it in memory.
import { expect, signIn, test } from './fixtures.mjs';
import { lineToPostgres } from './line.mjs';
import { look } from './look.mjs';
import { Screen } from './screen.mjs';
import { posse, role } from './posse.mjs';
import { ipad } from './devices.mjs';

if (posse.postgres) {
  test('without its database the screen says so, and goes on when it is back', async ({ bare: shop, page, watch }) => {
    watch.tolerate(/status of 50[03]/);
    const line = await lineToPostgres(posse.postgres);
    const query = await role('query', { POSSE_POSTGRES: line.url, POSSE_NATS: posse.nats, POSSE_NATS_NKEY: posse.queryKey });
    try {
      watch.hosts.push(new URL(query.addresses.api).host);
      const screen = new Screen(page, query.addresses.api);
      await signIn(page, shop, { user: '1', roles: ['admin'] });
      const tablet = await shop.login('7', { device: ipad });
      await shop.shown();
      await screen.open({ user: '7' });
      await expect(screen.card(tablet.session)).toBeVisible();

      line.cut();
      await screen.sessions.getByRole('link', { name: 'History' }).click();
      await expect(screen.sessions.getByRole('alert')).toContainText('Not available at the moment');
      await expect(screen.user('7'), 'the rest of the screen stays').toBeVisible();
      await expect(screen.live, 'it does not hear of changes now').toHaveAttribute('data-state', 'off');
      await look(page, 'unavailable-pane', 'processes');
      const answer = await page.goto(`${query.addresses.api}/?user=7`);
      expect(answer.status()).toBe(503);
      expect(answer.headers()['retry-after']).toMatch(/^\d+$/);
      await expect(page.getByRole('alert')).toContainText('Not available at the moment');
      await look(page, 'unavailable', 'processes');

      line.mend();
      await page.getByRole('link', { name: 'Try again' }).click();
      await expect(screen.card(tablet.session)).toBeVisible();
      await page.close(); // before its server goes, which it would mention
    } finally {
      await query.stop();
      await line.close();
    }
  });
}
