import { defineConfig } from '@playwright/test';
import { artefacts, posse } from './posse.mjs';

// The browser is the machine's own. It runs as root in containers, where it has
// no sandbox, and asks nobody on the network for anything.
const chromium = {
  executablePath: process.env.POSSE_CHROMIUM || '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--disable-background-networking',
    '--disable-component-update', '--no-first-run', '--font-render-hinting=none'],
};

// What pages say, weigh and look like is the same wherever they come from: once is
// enough. Whatever asks posse for something is played in each topology.
const once = ['languages', 'weight', 'keyboard'].map((part) => `${part}.spec.mjs`);

export default defineConfig({
  testDir: '.',
  testIgnore: posse.topology === 'serve' ? [] : once,
  outputDir: artefacts('results'),
  fullyParallel: true,
  forbidOnly: Boolean(process.env.CI),
  retries: 0,
  workers: 2,
  timeout: 120_000,
  expect: { timeout: 20_000 },
  reporter: [['list']],
  use: {
    baseURL: posse.url,
    actionTimeout: 15_000,
    navigationTimeout: 30_000,
    launchOptions: chromium,
    viewport: { width: 1280, height: 800 },
    locale: 'en-GB',
    // Neither UTC nor a whole hour from it, so that a mistaken zone shows.
    timezoneId: 'Asia/Kolkata',
    contextOptions: { reducedMotion: 'reduce' },
    screenshot: 'only-on-failure',
  },
});
