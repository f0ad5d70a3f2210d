// What keeps the screen safe: policy, cookies, and that it answers its own pages.
import { createServer } from 'node:http';
import { expect, signIn, test } from './fixtures.mjs';
import { look } from './look.mjs';
import { admitted } from './shop.mjs';
import { posse } from './posse.mjs';
import { ipad } from './devices.mjs';

test('the policy is strict on every page', async ({ shop, page, watch }) => {
  watch.tolerate(/status of 4/);
  const { session } = await shop.login('7', { device: ipad });
  await shop.shown();
  for (const path of ['/', '/?user=7', '/?user=7&view=history', '/?at=2020-01-01T00:00:00Z', '/?at=x', '/?user=nobody',
    `/end?user=7&session=${session}`, '/end?user=7&all=1', '/end?user=7&others=1', '/end?user=nobody', '/signin', '/signin?link=x']) {
    const answer = await page.goto(path);
    const headers = answer.headers();
    const policy = Object.fromEntries(headers['content-security-policy'].split(';').map((directive) => {
      const [name, ...values] = directive.trim().split(/\s+/);
      return [name, values.join(' ')];
    }));
    expect(policy['default-src'], path).toBe("'none'");
    for (const name of ['script-src', 'style-src', 'img-src', 'connect-src', 'form-action']) expect(policy[name], `${name} of ${path}`).toBe("'self'");
    expect(policy['base-uri'], path).toBe("'none'");
    expect(policy['frame-ancestors'], path).toBe("'none'");
    expect(headers['content-security-policy'], path).not.toMatch(/unsafe|\*|http|data:|blob:/);
    expect(headers['x-content-type-options'], path).toBe('nosniff');
    expect(headers['referrer-policy'], path).toMatch(/same-origin|no-referrer/);
    expect(await page.locator('script:not([src]), style, [style], [onclick], [onload]').count(), `inline code on ${path}`).toBe(0);
  }
});

test('inline code would not run', async ({ shop, page, screen, watch }) => {
  watch.tolerate(/Content Security Policy/);
  await shop.shown();
  await screen.open();
  const ran = await page.evaluate(() => {
    const script = document.createElement('script');
    script.textContent = 'window.ran = true';
    document.body.append(script);
    return Boolean(window.ran);
  });
  expect(ran).toBe(false);
});

test('cookies are for this host, for no script, and for secure places', async ({ shop, page, context }) => {
  await shop.shown();
  const { access } = await shop.login('2', { roles: ['admin'] });
  await context.clearCookies();
  await page.goto('/signin?lang=de');
  await page.locator('details summary').click();
  await page.locator('#token').fill(access);
  await page.locator('form', { has: page.locator('#token') }).getByRole('button').click();
  await page.waitForURL(`${posse.url}/`);
  const cookies = await context.cookies();
  expect(cookies.map(({ name }) => name)).toContain('__Host-posse');
  for (const cookie of cookies) {
    expect(cookie.name).toMatch(/^__Host-/);
    expect(cookie).toMatchObject({ httpOnly: true, secure: true, path: '/', domain: new URL(posse.url).hostname });
    expect(cookie.sameSite).toMatch(/^(Lax|Strict)$/);
  }
  expect(await page.evaluate(() => document.cookie)).toBe('');
});

test('pages of other sites can make it do nothing, and cannot frame it', async ({ shop, page, context, watch }) => {
  const tablet = await shop.login('7', { device: ipad });
  await shop.shown();
  // "localhost" is another site than 127.0.0.1.
  const elsewhere = createServer((request, response) => {
    response.setHeader('Content-Type', 'text/html');
    response.end(`<!doctype html><html lang="en"><title>Elsewhere</title>
      <form action="${posse.url}/end" method="post"><input name="user" value="7"><input name="session" value="${tablet.session}"><button>Win a prize</button></form>
      <form action="${posse.url}/signout" method="post"><button>Win another</button></form>
      <iframe src="${posse.url}/?user=7"></iframe>`);
  });
  await new Promise((resolve) => { elsewhere.listen(0, '127.0.0.1', resolve); });
  const address = `http://localhost:${elsewhere.address().port}/`;
  watch.hosts.push(new URL(address).host);
  watch.tolerate(/frame/i, /status of 40[34]/);
  try {
    await page.goto(address);
    await expect(page.frameLocator('iframe').locator('#sessions')).toHaveCount(0);
    for (const button of ['Win a prize', 'Win another']) {
      await page.goto(address);
      const [answer] = await Promise.all([
        page.waitForResponse((response) => response.request().method() === 'POST'),
        page.getByRole('button', { name: button, exact: true }).click(),
      ]);
      expect(answer.status()).toBe(403);
      await expect(page.getByRole('heading', { level: 2 })).toHaveText('This came from another site');
    }
    await look(page, 'from-another-site');
  } finally {
    elsewhere.closeAllConnections?.();
    await new Promise((resolve) => { elsewhere.close(resolve); });
  }
  expect(await admitted(tablet)).toBe(200);
  await page.goto('/?user=7');
  await expect(page.locator(`[data-session="${tablet.session}"]`)).toBeVisible();
  expect((await context.cookies()).map(({ name }) => name)).toContain('__Host-posse');
});

test('an address that leads nowhere has a page for people, and a problem for programs', async ({ page, watch }) => {
  watch.tolerate(/status of 404/);
  const answer = await page.goto('/nowhere');
  expect(answer.status()).toBe(404);
  expect(answer.headers()['content-security-policy']).toContain("default-src 'none'");
  await expect(page.getByRole('heading', { level: 2 })).toHaveText('There is nothing here');
  await expect(page.getByRole('link', { name: 'Try again' })).toHaveCount(0);
  await look(page, 'nowhere');
  const program = await fetch(`${posse.url}/nowhere`);
  expect([program.status, program.headers.get('content-type')]).toEqual([404, 'application/problem+json']);
});

test('an id of another shop is as one that nobody has', async ({ shop, page, nextShop, watch }) => {
  watch.tolerate(/status of 404/);
  const foreign = await nextShop();
  const { session } = await foreign.login('77', { device: ipad });
  await shop.shown();
  await foreign.shown();
  const answers = await Promise.all(['77', 'nobody'].map(async (user) => {
    const answer = await page.request.fetch(`/?user=${user}`, { headers: await cookieOf(page) });
    return { status: answer.status(), body: alike(await answer.text(), user) };
  }));
  expect(answers[0].status).toBe(404);
  expect(answers[0].body).toBe(answers[1].body);
  expect((await page.goto(`/end?user=77&session=${session}`)).status()).toBe(404);
});

/** alike is a page without what differs from one moment, and one user, to another. */
const alike = (page, user) => page.replace(/since=[\d-]+|data-(position|now)="\d+"|[0-9a-f]{12}/g, '').replaceAll(user, '…');

/** cookieOf is the header with which the page's browser says who it is. */
async function cookieOf(page) {
  const cookies = await page.context().cookies();
  return { Cookie: cookies.map(({ name, value }) => `${name}=${value}`).join('; ') };
}

test('an auditor looks, and ends nothing of others', async ({ bare: shop, page, screen, watch }) => {
  watch.tolerate(/status of 403/);
  const tablet = await shop.login('7', { device: ipad });
  await signIn(page, shop, { user: '3', roles: ['auditor'], personal: { display_name: 'Auditor' } });
  await screen.open({ user: '7' });
  await expect(screen.card(tablet.session)).toBeVisible();
  await expect(screen.terminate(tablet.session)).toHaveCount(0);
  await expect(screen.all).toHaveCount(0);
  await look(page, 'auditor');
  const answer = await page.goto(`/end?user=7&session=${tablet.session}`);
  expect(answer.status()).toBe(403);
  await expect(page.getByRole('heading', { level: 2 })).toHaveText('You may not do this');
  await look(page, 'forbidden');
  expect(await admitted(tablet)).toBe(200);
});
