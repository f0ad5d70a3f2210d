// Four languages, and times in the browser's zone.
import { readFileSync } from 'node:fs';
import { boss, expect, signIn, test } from './fixtures.mjs';
import { look } from './look.mjs';
import { Shop, hour } from './shop.mjs';
import { android, ipad } from './devices.mjs';

const messages = (language) => JSON.parse(readFileSync(new URL(`../../query/screen/words/messages/${language}.json`, import.meta.url)));
const english = messages('en');
const anna = { username: 'anna', display_name: 'Aisle Booth' };

/** textsOf are the visible texts of a page, and those for screen readers. */
const textsOf = (page) => page.evaluate(() => {
  const texts = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) texts.push(walker.currentNode.textContent);
  for (const element of document.querySelectorAll('[aria-label], [title], [placeholder]')) {
    for (const name of ['aria-label', 'title', 'placeholder']) texts.push(element.getAttribute(name) ?? '');
  }
  return texts.map((text) => text.trim().replace(/\s+/g, ' ')).filter(Boolean);
});

for (const [language, locale] of [['de', 'de-AT'], ['es', 'es-MX'], ['fr', 'fr-CA']]) {
  test.describe(`in ${language}`, () => {
    test.use({ locale });

    test('nothing is left in English', async ({ shop, page, screen }) => {
      const own = messages(language);
      // What another language says with the same words is no leftover.
      const foreign = Object.entries(english).filter(([id, text]) => id !== 'language' && typeof text === 'string' && own[id] !== text && !text.includes('{{'))
        .map(([, text]) => text).filter((text) => !Object.values(own).includes(text));
      expect(foreign.length, 'texts to look for').toBeGreaterThan(60);

      const tablet = await shop.login('7', { device: ipad, personal: anna });
      await shop.login('7', { device: android, personal: anna });
      await shop.login('7', { device: ipad, personal: anna, ago: 3 * hour, expires: new Date(Date.now() - hour).toISOString() });
      await shop.shown();
      const states = {
        start: () => screen.open(),
        user: () => screen.open({ user: '7' }),
        own: () => screen.open({ user: boss.user }),
        terminate: async () => {
          await screen.open({ user: '7' });
          await screen.card(tablet.session).locator('a.danger').click();
          await expect(screen.dialog).toBeVisible();
        },
        ended: async () => {
          await screen.confirm();
          await expect(screen.outcome).toContainText('1');
        },
        history: () => screen.open({ user: '7', view: 'history' }),
        'no-match': () => screen.open({ q: 'zzz' }),
        past: () => screen.open({ at: new Date(Date.now() - hour).toISOString(), user: '7' }),
        'signed-out': async () => {
          await screen.open();
          await page.locator('#account summary').click();
          await page.locator('form[action="/signout"] button').click();
          await page.waitForURL('**/signin?notice=signed_out');
        },
      };
      for (const [name, go] of Object.entries(states)) {
        await go();
        await expect(page.locator('html')).toHaveAttribute('lang', language);
        const texts = await textsOf(page);
        expect(texts.filter((text) => foreign.includes(text)), `English in "${name}"`).toEqual([]);
        if (['user', 'terminate', 'past'].includes(name)) await look(page, `${language}-${name}`);
      }
    });
  });
}

test('a switch chooses the language, and it is remembered', async ({ shop, page, screen }) => {
  await shop.login('7', { personal: anna });
  await shop.shown();
  await screen.open({ user: '7' });
  await expect(page.locator('html')).toHaveAttribute('lang', 'en');
  await page.locator('#account summary').click();
  const languages = page.getByRole('navigation', { name: 'Language' });
  await expect(languages.getByRole('link')).toHaveText(['English', 'Español', 'Deutsch', 'Français']);
  await expect(languages.getByRole('link', { name: 'Deutsch' })).toHaveAttribute('hreflang', 'de');
  await look(page, 'account-menu');
  await languages.getByRole('link', { name: 'Deutsch' }).click();
  await expect(page.locator('html')).toHaveAttribute('lang', 'de');
  await screen.selected('7');
  await page.goto('/');
  await expect(page.locator('html')).toHaveAttribute('lang', 'de');
});

test('times are in the browser’s zone, with UTC on hover', async ({ shop, screen }) => {
  const { session } = await shop.login('7', { device: ipad, personal: anna, ago: 3 * hour });
  await shop.shown();
  await screen.open({ user: '7' });
  for (const field of ['Created', 'Expires']) {
    const time = screen.field(session, field).locator('time');
    const at = new Date(await time.getAttribute('datetime'));
    const clock = (timeZone, hourCycle) => new Intl.DateTimeFormat('en', { timeZone, hour: 'numeric', minute: '2-digit', hourCycle }).format(at);
    const text = (await time.innerText()).replace(/\s/g, ' ');
    expect([clock('Asia/Kolkata', 'h12'), clock('Asia/Kolkata', 'h23')].some((local) => text.includes(local.replace(/\s/g, ' '))),
      `${text} is ${at.toISOString()} in Kolkata`).toBe(true);
    await expect(time).toHaveAttribute('title', `${at.toISOString().slice(0, 19).replace('T', ' ')} UTC`);
  }
  await expect(screen.field(session, 'Last active').locator('time')).toHaveAttribute('title', /UTC/);
});

test('“last active” is said in words', async ({ page, screen }) => {
  const shop = await Shop.open('yesterday');
  await signIn(page, shop, { ...boss, user: 'words' });
  for (const [user, words] of [['11', /^1[2-9] minutes ago$/], ['12', '3 hours ago'], ['13', '2 days ago']]) {
    await screen.open({ user });
    await expect(screen.field(`till-${user}`, 'Last active').locator('time')).toHaveText(words);
    await expect(screen.card(`till-${user}`).locator('.chip-active')).toHaveCount(0);
  }
});
