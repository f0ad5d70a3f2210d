// What the Sessions screen does with JavaScript beyond what htmx does for it:
// dialogs, times in the browser's zone, staying live, and telling what changed.
// Everything works without it.
(() => {
  'use strict';

  const byId = (id) => document.getElementById(id);
  const language = document.documentElement.lang || 'en';
  // Of the page's language, the kind that the browser prefers: its clock and order.
  const locale = navigator.languages?.find((tag) => tag.split('-')[0] === language) ?? language;
  document.documentElement.classList.add('scripted');

  // ---- times ----------------------------------------------------------------

  // A tablet's clock may be wrong. Posse's is not, which each of its answers tells.
  let ahead = 0; // milliseconds that posse's clock is ahead of the browser's
  const now = () => Date.now() + ahead;

  function setClock(milliseconds) {
    ahead = Number(milliseconds) - Date.now();
  }

  const moment = new Intl.DateTimeFormat(locale, { dateStyle: 'medium', timeStyle: 'short' });
  const clock = new Intl.DateTimeFormat(locale, { timeStyle: 'medium' });
  const ago = new Intl.RelativeTimeFormat(language, { numeric: 'always' });

  function agoText(time, at) {
    const seconds = Math.max(0, (now() - at) / 1000);
    if (seconds < 60) return byId('live')?.dataset.textNow ?? time.textContent;
    if (seconds < 3600) return ago.format(-Math.floor(seconds / 60), 'minute');
    if (seconds < 86400) return ago.format(-Math.floor(seconds / 3600), 'hour');
    return ago.format(-Math.floor(seconds / 86400), 'day');
  }

  function writeTimes(root = document) {
    setLatest();
    for (const time of root.querySelectorAll('time[datetime]')) {
      const at = Date.parse(time.dateTime);
      const text = time.dataset.form === 'ago' ? agoText(time, at) : moment.format(at);
      if (time.textContent !== text) time.textContent = text;
    }
  }

  // The field for a moment is in the browser's zone; what is sent is UTC.
  function localMoment(at) {
    const local = new Date(at.getTime() - at.getTimezoneOffset() * 60000);
    return local.toISOString().slice(0, 19);
  }

  // The present, which no past moment comes after, moves on.
  function setLatest() {
    const field = byId('at');
    if (field) field.max = localMoment(new Date(now()));
  }

  function setUpMoment() {
    const field = byId('at');
    if (!field) return;
    const zone = new Intl.DateTimeFormat(locale, { timeZoneName: 'short' })
      .formatToParts(new Date()).find((part) => part.type === 'timeZoneName')?.value;
    for (const place of document.querySelectorAll('[data-zone]')) place.textContent = zone ? `(${zone})` : '';
    if (field.dataset.moment) field.value = localMoment(new Date(field.dataset.moment));
    byId('when').addEventListener('toggle', setLatest);
    field.form.addEventListener('formdata', (event) => {
      event.formData.set('at', new Date(field.value).toISOString());
      const user = byId('sessions')?.dataset.user;
      if (user) event.formData.set('user', user);
    });
  }

  // ---- panes ----------------------------------------------------------------

  const sessions = () => byId('sessions');
  const list = () => byId('user-list-pane');
  const position = (pane) => Number(pane?.dataset.position ?? 0);

  // Links lead to where one is by now, in what they name.
  function markPlaces() {
    const here = new URLSearchParams(location.search);
    for (const link of document.querySelectorAll('a[data-place]')) {
      const url = new URL(link.href);
      for (const name of link.dataset.place.split(' ')) {
        const value = here.get(name);
        if (value) url.searchParams.set(name, value);
        else url.searchParams.delete(name);
      }
      link.href = url.pathname + url.search;
      if (link.hasAttribute('hx-get')) link.setAttribute('hx-get', link.getAttribute('href'));
    }
  }

  // The list is not read again when somebody is selected; it only shows whom.
  function markSelected() {
    const selected = sessions()?.dataset.user ?? '';
    for (const link of document.querySelectorAll('#user-list a[data-user]')) {
      if (link.dataset.user === selected) link.setAttribute('aria-current', 'true');
      else link.removeAttribute('aria-current');
    }
    markPlaces();
    keepInFilter('user', selected);
    keepInFilter('view', new URLSearchParams(location.search).get('view') ?? '');
  }

  // Filtering leaves one where one is.
  function keepInFilter(name, value) {
    const filter = byId('filter');
    if (!filter) return;
    let field = filter.elements.namedItem(name);
    if (value && !field) {
      field = Object.assign(document.createElement('input'), { type: 'hidden', name });
      filter.append(field);
    }
    if (field) field.value = value;
  }

  // On a narrow screen the list gives way to the sessions, and so does the focus.
  function followFocus() {
    const active = document.activeElement;
    if (!active || active === document.body || active.getClientRects().length === 0) {
      sessions()?.focus({ preventScroll: true });
    }
  }

  // ---- what is said aloud: a summary, and not too often -----------------------

  const quiet = 10000; // milliseconds between two announcements that nobody asked for
  const said = { sessions: '', users: '', at: 0 };
  let saying;

  const summaryOf = (pane) => (pane === 'users' ? list() : sessions())?.dataset.summary ?? '';

  // While somebody is selected, what is said is about them.
  function announce(pane, wait = Math.max(300, said.at + quiet - Date.now())) {
    clearTimeout(saying);
    saying = setTimeout(() => {
      const text = summaryOf(pane);
      if (!text || text === said[pane]) return;
      said[pane] = text;
      said.at = Date.now();
      announcer.textContent = text;
    }, wait);
  }

  function announceRefresh() {
    announce(sessions()?.dataset.user ? 'sessions' : 'users');
  }

  // What is shown at the start is not news.
  function rememberSummaries() {
    for (const pane of ['sessions', 'users']) said[pane] = summaryOf(pane);
  }

  // ---- staying live -----------------------------------------------------------

  // live ──pause──▶ paused ──resume──▶ live      lost ──the stream is back──▶ live
  //   └──────────the stream breaks──────────────▶ lost
  const live = { state: 'off', connected: false, waiting: new Set(), shownAt: 0 };
  const again = 2000; // milliseconds until a stream is tried that never began
  const everyMinute = 60000; // time passes without events: dots go out, others' sessions expire

  function setState(state) {
    live.state = state;
    const bar = byId('live');
    if (!bar) return;
    const texts = bar.dataset;
    let text = { live: texts.textLive, paused: texts.textPaused, lost: texts.textLost, off: texts.textOff }[state];
    if (state === 'paused' && live.waiting.size > 0) text = texts.textWaiting;
    if (state === 'lost') text += `. ${texts.textSince} ${clock.format(live.shownAt)}`;
    bar.dataset.state = state;
    if (byId('live-text').textContent !== text) byId('live-text').textContent = text;
    const pause = byId('pause');
    pause.hidden = state === 'off';
    pause.textContent = state === 'paused' ? texts.textResume : texts.textPause;
  }

  const stream = () => document.querySelector('.stream');
  const running = () => live.state === 'live' || live.state === 'lost';

  function refreshSessions() {
    const pane = sessions();
    if (!pane?.dataset.user) return Promise.resolve();
    const query = new URLSearchParams(location.search);
    query.set('user', pane.dataset.user);
    query.set('refresh', String(position(pane)));
    return htmx.ajax('GET', `/?${query}`, { target: '#sessions', swap: 'outerMorph', source: '#sessions' });
  }

  function refreshUsers() {
    const query = new URLSearchParams(location.search);
    const filter = byId('q')?.value;
    if (filter) query.set('q', filter);
    else query.delete('q');
    query.delete('after');
    query.set('rows', String(document.querySelectorAll('#user-list > li').length));
    query.set('refresh', String(position(list())));
    return htmx.ajax('GET', `/users?${query}`, { target: '#user-list-pane', swap: 'outerMorph', source: '#user-list-pane' });
  }

  const refreshes = { users: refreshUsers, sessions: refreshSessions };
  const busy = new Set();
  const failed = new Set(); // panes whose last refresh was answered with an error
  const failedAgain = 3000; // milliseconds until it is tried again

  // One refresh of a pane at a time; what is told meanwhile is one more. One that
  // fails leaves the pane as it was.
  async function refresh(pane) {
    if (live.state === 'paused' || busy.has(pane)) {
      live.waiting.add(pane);
      if (live.state === 'paused') setState('paused');
      return;
    }
    busy.add(pane);
    failed.delete(pane);
    try {
      await refreshes[pane]();
    } finally {
      busy.delete(pane);
      if (failed.has(pane)) {
        lost();
        setTimeout(refresh, failedAgain, pane);
      } else if (live.state === 'lost' && live.connected && failed.size === 0) {
        setState('live');
      }
      if (live.state !== 'paused' && live.waiting.delete(pane)) refresh(pane);
    }
  }

  const paneOf = (id) => ({ sessions: 'sessions', 'user-list-pane': 'users' })[id];
  const isRefresh = (ctx) => ctx?.request?.action?.includes('refresh=');

  function togglePause() {
    if (live.state !== 'paused') {
      setState('paused');
      return;
    }
    setState(live.connected ? 'live' : 'lost');
    live.waiting.clear();
    refreshAll();
    reconnect();
  }

  // A stream that is not there any more is asked for anew.
  function reconnect() {
    const old = stream();
    if (!old) {
      setState('off');
      return;
    }
    if (old._htmx?.sse) return;
    const next = old.cloneNode(false);
    next.removeAttribute('data-htmx-powered');
    old.replaceWith(next);
    htmx.process(next);
  }

  function lost() {
    if (live.state === 'live' || live.state === 'off') setState('lost');
  }

  function broken() {
    live.connected = false;
    lost();
  }

  function connected() {
    live.connected = true;
    if (live.state !== 'paused' && failed.size === 0) setState('live');
  }

  document.addEventListener('htmx:sse:after:connection', connected);
  // A stream that is begun anew says only here that its viewer is signed in no more.
  document.addEventListener('htmx:sse:error', (event) => {
    if (event.detail.status === 401) end();
    else broken();
  });
  document.addEventListener('htmx:sse:close', (event) => {
    if (event.target.isConnected && event.detail.reason !== 'removed') broken();
  });
  window.addEventListener('offline', lost);
  window.addEventListener('online', () => setTimeout(() => {
    reconnect();
    refreshAll();
  }, 0));
  for (const pane of Object.keys(refreshes)) document.addEventListener(pane, () => refresh(pane));
  // Whoever ends their own session gets an answer that says so, if one comes.
  let ending = false;
  document.addEventListener('htmx:before:request', (event) => {
    if (event.detail.ctx.request.method === 'POST') ending = true;
  });
  document.addEventListener('htmx:finally:request', (event) => {
    const { request, response } = event.detail.ctx;
    if (request.method === 'POST') ending = response?.headers.has('HX-Redirect') ?? false;
  });
  document.addEventListener('submit', (event) => {
    if (event.target.matches('[action="/signout"]')) ending = true;
  });

  function end() {
    if (ending) return;
    document.body.hidden = true;
    location.assign('/signin?notice=ended');
  }

  document.addEventListener('end', end);

  function refreshAll() {
    if (stream() && running() && !document.hidden) Object.keys(refreshes).forEach(refresh);
  }

  // What is shown goes when its time has come, which no event tells.
  let expiry;

  function awaitExpiry() {
    clearTimeout(expiry);
    const next = sessions()?.dataset.next;
    const wait = Number(next) - now();
    if (next && wait <= everyMinute) expiry = setTimeout(refreshAll, wait > 0 ? wait : failedAgain);
  }

  setInterval(refreshAll, everyMinute);
  document.addEventListener('visibilitychange', refreshAll);
  setInterval(writeTimes, 10000);

  // ---- on its way -------------------------------------------------------------

  const announcer = byId('announcer');
  const underway = new Map(); // what was asked for last, by the element that waits for it
  let slow;

  // The element that shows that it waits: the question itself, if it was answered.
  function waiterOf({ request, sourceElement, target }) {
    if (request.method === 'POST') return sourceElement;
    return target?.id === 'dialog-body' ? sessions() : target;
  }

  document.addEventListener('htmx:before:request', ({ detail: { ctx } }) => {
    const waiter = waiterOf(ctx);
    if (isRefresh(ctx) || !waiter || waiter.matches('.stream')) return;
    underway.set(waiter, ctx);
    waiter.setAttribute('aria-busy', 'true');
    clearTimeout(slow);
    slow = setTimeout(() => { announcer.textContent = announcer.dataset.textLoading; }, 1000);
  });
  document.addEventListener('htmx:finally:request', ({ detail: { ctx } }) => {
    for (const [waiter, asked] of underway) {
      if (asked !== ctx) continue;
      underway.delete(waiter);
      waiter.removeAttribute('aria-busy');
    }
    if (underway.size > 0) return;
    clearTimeout(slow);
    if (announcer.textContent === announcer.dataset.textLoading) announcer.textContent = '';
  });

  // ---- when no answer comes -----------------------------------------------------

  const notice = byId('unanswered');
  const notShown = notice?.querySelector('span');
  const warningOf = (form) => form.querySelector('.unanswered');
  let missed; // what somebody asked for in vain

  // A proxy's word, or a hotel's, is no part of this page.
  const isOurs = (ctx) => ctx.response?.headers.has('Posse-Now');

  // What an open screen asks for by itself it asks for again; people are told.
  function unanswered(ctx) {
    const { sourceElement, target } = ctx;
    const pane = paneOf(target?.id);
    if (sourceElement.matches('.stream')) {
      if (sourceElement !== stream()) return;
      broken();
      setTimeout(reconnect, again);
    } else if (isRefresh(ctx)) {
      if (pane) failed.add(pane);
      else setTimeout(ask, failedAgain, ctx);
    } else {
      tell(ctx);
    }
  }

  // An open question says itself that nobody knows what came of it.
  function tell(ctx) {
    const { sourceElement, request } = ctx;
    const ends = request.method === 'POST';
    if (ends && dialog.open) {
      warningOf(sourceElement).hidden = false;
    } else if (notice) {
      missed = ctx;
      const words = ends ? warningOf(sourceElement).querySelector('span') : notShown;
      notice.querySelector('span').replaceWith(words.cloneNode(true)); // said aloud, even if it was there
      notice.querySelector('[data-again]').hidden = ends;
      notice.hidden = false;
    }
  }

  function ask({ sourceElement: source, target, swap, select, request: { action, headers } }) {
    if (source.isConnected) htmx.ajax('GET', action, { source, target: `#${target.id}`, swap, select, headers });
  }

  function dismissNotice() {
    if (!notice || notice.hidden) return;
    const focused = notice.contains(document.activeElement);
    notice.hidden = true;
    if (focused) (missed.sourceElement.querySelector('input[type=search]') ?? missed.sourceElement).focus();
  }

  document.addEventListener('htmx:error', (event) => {
    if (event.detail.ctx) unanswered(event.detail.ctx);
  });
  document.addEventListener('htmx:before:request', (event) => {
    const { request, sourceElement } = event.detail.ctx;
    if (request.method === 'POST') warningOf(sourceElement).hidden = true;
  });

  // ---- what htmx brings -------------------------------------------------------

  htmx.registerExtension('posse', {
    // An expanded user agent and an open menu stay open, whatever comes, and what is
    // waited for stays so until that comes.
    htmx_before_morph_attr: (element, { attrName }) => !(attrName === 'open' && element.localName === 'details' || attrName === 'aria-busy'),
    // The outcome of what somebody did stays until they go elsewhere.
    htmx_before_morph_node: (element, { newNode }) => !(element.id === 'outcome' && newNode.childElementCount === 0),
  });

  // An answer that was overtaken by a newer one is of no use: somebody who was
  // signed out would come back for a moment.
  document.addEventListener('htmx:before:swap', (event) => {
    const { ctx } = event.detail;
    const headers = ctx.response?.headers;
    const part = !ctx.select || ctx.text.includes('hx-history-elt');
    if (!isOurs(ctx) || !part || isRefresh(ctx) && ctx.response.status >= 400) {
      event.preventDefault();
      unanswered(ctx);
      return;
    }
    const shown = headers?.get('Posse-Position');
    const user = headers?.get('Posse-User');
    if (!isRefresh(ctx) || shown == null) return;
    const pane = ctx.target?.id === 'sessions' ? sessions() : list();
    const elsewhere = ctx.target?.id === 'sessions' && user != null && decodeURIComponent(user) !== pane?.dataset.user;
    if (Number(shown) < position(pane) || elsewhere) event.preventDefault();
  });

  // A refresh brings the first of the users, and "more" where it ends. Who was loaded
  // beyond stays as they are, so that nobody who scrolled there is thrown back.
  document.addEventListener('htmx:before:swap', ({ detail: { ctx, tasks } }) => {
    if (!isRefresh(ctx) || ctx.target?.id !== 'user-list-pane') return;
    const next = tasks.map(({ fragment }) => fragment?.querySelector?.('#user-list')).find(Boolean);
    const more = next?.querySelector('#more-item');
    const shown = [...document.querySelectorAll('#user-list > li')];
    if (!more || shown.length <= next.children.length) return;
    more.remove();
    const beyond = shown.slice(next.children.length).filter(({ id }) => !next.querySelector(`#${id}`));
    next.append(...beyond.map((row) => row.cloneNode(true)));
  });

  document.addEventListener('htmx:after:swap', (event) => {
    const { ctx } = event.detail;
    const made = ctx.response?.headers.get('Posse-Now');
    if (made) setClock(made);
    live.shownAt = now();
    writeTimes();
    awaitExpiry();
    if (!stream() && running()) setState('off'); // an error has taken its pane's place
    markSelected();
    if (!isRefresh(ctx)) dismissNotice();
    if (ctx.target?.id === 'dialog-body') openDialog();
    else if (isRefresh(ctx)) announceRefresh();
    else if (ctx.target?.id === 'user-list-pane') announce('users', 300);
    else {
      rememberSummaries();
      if (sessions()?.dataset.title) document.title = sessions().dataset.title;
      if (ctx.push || ctx.sourceElement?.matches?.('a.user, .tabs a')) followFocus();
    }
  });

  // Who has a picture that does not come has initials, which stand behind it.
  document.addEventListener('error', ({ target }) => {
    if (target.matches?.('.avatar img')) target.remove();
  }, { capture: true });

  // ---- dialogs ----------------------------------------------------------------

  const dialog = byId('dialog');
  let opener;

  function openDialog() {
    if (!dialog || dialog.open) return;
    opener = document.activeElement;
    dialog.showModal();
  }

  function closeDialog() {
    if (dialog?.open) dialog.close();
  }

  dialog?.addEventListener('close', () => {
    byId('dialog-body').replaceChildren();
    if (opener?.isConnected) opener.focus();
    else sessions()?.focus({ preventScroll: true });
  });
  document.addEventListener('posse:ended', closeDialog);
  window.addEventListener('popstate', closeDialog);
  // Whoever holds a key wants a tab or window of their own, which htmx would prevent.
  document.addEventListener('click', (event) => {
    if ((event.ctrlKey || event.metaKey || event.shiftKey) && event.target.closest('a[href]')) event.stopPropagation();
  }, { capture: true });
  document.addEventListener('click', (event) => {
    if (event.target.closest('[data-close]')) closeDialog();
    if (event.target.closest('#unanswered [data-close]')) dismissNotice();
    if (event.target.closest('[data-again]')) ask(missed);
    if (event.target === dialog) closeDialog();
    if (event.target.closest('#pause')) togglePause();
    for (const menu of document.querySelectorAll('details.menu[open]')) {
      if (!menu.contains(event.target)) menu.open = false;
    }
  });
  document.addEventListener('keydown', (event) => {
    const button = event.target.closest?.('a[role=button]');
    if (event.key === ' ' && button) { // a link does not answer to it, a button does
      event.preventDefault();
      button.click();
    }
    if (event.key !== 'Escape') return;
    for (const menu of document.querySelectorAll('details.menu[open]')) {
      menu.open = false;
      menu.querySelector('summary').focus();
    }
    // A hint can be sent away without moving the pointer (WCAG 1.4.13).
    for (const tip of document.querySelectorAll('.tip')) tip.classList.add('dismissed');
  });
  for (const name of ['pointerout', 'focusout']) {
    document.addEventListener(name, (event) => event.target.closest?.('.tip')?.classList.remove('dismissed'));
  }

  // ---- start ------------------------------------------------------------------

  setClock(document.documentElement.dataset.now);
  live.shownAt = now();
  setUpMoment();
  writeTimes();
  awaitExpiry();
  rememberSummaries();
})();
