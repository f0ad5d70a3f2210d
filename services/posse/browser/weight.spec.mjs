// What a first visit costs.
import { expect, test } from './fixtures.mjs';
import { android, electron, ipad } from './devices.mjs';

test('a first visit takes less than 60 KB', async ({ shop, page, context }) => {
  for (const device of [ipad, android, electron]) await shop.login('7', { device });
  await shop.crowd(60);
  await shop.shown();
  const network = await context.newCDPSession(page);
  await network.send('Network.enable');
  const addresses = new Map();
  const weights = {};
  network.on('Network.requestWillBeSent', ({ requestId, request }) => addresses.set(requestId, new URL(request.url).pathname));
  network.on('Network.loadingFinished', ({ requestId, encodedDataLength }) => { weights[addresses.get(requestId)] = encodedDataLength; });
  await page.goto('/?user=7');
  await expect(page.locator('#live')).toHaveAttribute('data-state', 'live');
  await expect.poll(() => Object.keys(weights).filter((path) => path.startsWith('/assets/')).length).toBeGreaterThanOrEqual(3);
  const sum = Object.values(weights).reduce((a, b) => a + b, 0);
  console.log(`a first visit takes ${sum} bytes: ${JSON.stringify(weights)}`);
  expect(Object.keys(weights)).toContain('/');
  expect(sum).toBeLessThan(60_000);

  // Coming again, only the page itself is fetched.
  await page.goto('/');
  const again = await page.evaluate(() => performance.getEntriesByType('resource')
    .filter(({ name }) => name.includes('/assets/')).map(({ name, transferSize }) => [name, transferSize]));
  expect(again.filter(([, size]) => size > 0)).toEqual([]);
});
