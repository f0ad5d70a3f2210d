// The parts of the screen by what a person would call them.
import { expect } from '@playwright/test';
import { posse } from './posse.mjs';

export class Screen {
  constructor(page, url = posse.url) {
    Object.assign(this, { page, url });
    this.users = page.locator('#users');
    this.userList = page.locator('#user-list');
    this.filter = page.getByRole('searchbox', { name: 'Filter users' });
    this.more = page.locator('#more');
    this.sessions = page.locator('#sessions');
    this.cards = this.sessions.locator('article.card');
    this.dialog = page.getByRole('dialog');
    this.outcome = page.locator('#outcome');
    this.announcer = page.locator('#announcer');
    this.live = page.locator('#live');
    this.name = this.sessions.getByRole('heading', { level: 2 });
    this.others = this.sessions.getByRole('button', { name: 'Logout Other Devices' });
    this.all = this.sessions.getByRole('button', { name: 'Logout All' });
    this.devices = this.dialog.locator('.targets dd'); // that end, and that go on
    this.reason = this.dialog.getByRole('textbox');
    this.cancel = this.dialog.getByRole('button', { name: 'Cancel' });
    this.past = page.locator('#past');
    this.unanswered = page.locator('#unanswered');
    this.again = this.unanswered.getByRole('button', { name: 'Try again' });
    this.pause = page.getByRole('button', { name: /^(Pause|Resume)$/ });
  }

  /** open goes to an address of the screen and waits until it is live. */
  async open(query = {}) {
    await this.page.goto(`${this.url}/?${new URLSearchParams(query)}`);
    if (!query.at) await this.isLive();
  }

  isLive() { return expect(this.live).toHaveAttribute('data-state', 'live'); }

  user(id) { return this.userList.locator(`a[data-user="${id}"]`); }

  /** order is the ids of the users as they stand in the list. */
  order() { return this.userList.locator('a[data-user]').evaluateAll((links) => links.map((a) => a.dataset.user)); }

  card(session) { return this.sessions.locator(`article.card[data-session="${session}"]`); }

  /** cardOrder is the ids of the sessions as their cards stand. */
  cardOrder() { return this.cards.evaluateAll((cards) => cards.map((c) => c.dataset.session)); }

  /** field is the value that stands under a name on a card. */
  field(session, name) {
    return this.card(session).locator('dl > div', { has: this.page.locator('dt', { hasText: new RegExp(`^\\s*${name}`) }) }).locator('dd');
  }

  terminate(session) { return this.card(session).getByRole('button', { name: 'Terminate' }); }

  /** confirm presses the button of the dialog that does what its heading asks. */
  confirm() { return this.dialog.locator('button.danger').click(); }

  /** selected expects that a user's sessions are shown, and nobody else's. */
  async selected(id) {
    await expect(this.sessions).toHaveAttribute('data-user', id);
    await expect(this.user(id)).toHaveAttribute('aria-current', 'true');
    await expect(this.userList.locator('[aria-current]')).toHaveCount(1);
  }
}
