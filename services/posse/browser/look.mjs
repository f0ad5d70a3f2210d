// Looking at a state of the screen as people do: on three widths, light and dark,
// and with the eyes of axe.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { expect } from '@playwright/test';
import { artefacts, posse } from './posse.mjs';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

// WCAG 2.2 at level AA holds those before it; the rest is axe's own good advice.
const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];

const widths = [320, 768, 1280];
const schemes = ['light', 'dark'];
const examined = ['320-dark', '768-light']; // with axe: one pane, and two

/** accessible expects that axe finds nothing. The policy of the page is no matter to it. */
export async function accessible(page, state) {
  if (!await page.evaluate(() => 'axe' in globalThis)) await page.evaluate(axe);
  const { violations } = await page.evaluate((values) => globalThis.axe.run(document, {
    runOnly: { type: 'tag', values }, resultTypes: ['violations'],
  }), tags);
  const found = violations.flatMap(({ id, help, nodes }) => nodes.map((n) => `${id} (${help}): ${n.target} ${n.failureSummary}`));
  expect.soft(found, `what axe finds in "${state}"`).toEqual([]);
}

/**
 * fits expects that nothing has to be scrolled sideways, that nothing stands where
 * one cannot scroll to, and that where there is room for two panes they scroll and
 * the page does not.
 */
async function fits(page, state) {
  const outside = await page.evaluate(() => {
    const { clientWidth, scrollWidth, clientHeight, scrollHeight } = document.documentElement;
    const found = scrollWidth > clientWidth ? [`the page is ${scrollWidth} wide`] : [];
    const panesScroll = document.querySelector('.panes') && matchMedia('(min-width: 48rem) and (min-height: 30rem)').matches;
    if (panesScroll && scrollHeight > clientHeight) found.push(`the page is ${scrollHeight} high, in a window of ${clientHeight}`);
    for (const element of document.querySelectorAll('a, button, input, textarea, summary, p, h1, h2, h3, dt, dd, label')) {
      const { left, right, width } = element.getBoundingClientRect();
      const seen = element.checkVisibility({ visibilityProperty: true }) && !element.closest('.visually-hidden, .skip');
      if (seen && width > 0 && (left < 0 || right > clientWidth + 0.5)) found.push(`${element.outerHTML.slice(0, 60)} is at ${left} to ${right}`);
    }
    return found;
  });
  expect.soft(outside, `what is outside of the window in "${state}"`).toEqual([]);
}

/**
 * look examines a state: with axe, at every width and in both schemes; at every
 * width, that what should fit does; and it keeps a screenshot of each, for people.
 * It does so in one topology: the pages of the other are the same.
 */
export const look = (page, state, topology = 'serve') => see(page, state, topology, accessible);

/** glance does the same without axe, which waits for ever where no scripts run. */
export const glance = (page, state) => see(page, state, 'serve', () => {});

async function see(page, state, topology, examine) {
  if (posse.topology !== topology) return;
  const before = page.viewportSize();
  for (const width of widths) {
    await page.setViewportSize({ width, height: before.height });
    for (const colorScheme of schemes) {
      await page.emulateMedia({ colorScheme });
      const kind = `${width}-${colorScheme}`;
      if (examined.includes(kind)) await examine(page, `${state}-${kind}`);
      await page.screenshot({ path: artefacts('states', `${state}-${kind}.png`), fullPage: true, animations: 'disabled', caret: 'initial' });
    }
    await fits(page, `${state}-${width}`);
  }
  await page.emulateMedia({ colorScheme: 'light' });
  await page.setViewportSize(before);
}
