// A simulated user: windows with event streams, a mind made of chance, and a
// connection to the room they were sent to. Everything they ask and are told
// is recorded. Chance is drawn from the user's own numbers, so that a seed
// means the same characters again.

import { setTimeout as sleep } from 'node:timers/promises';

import { call, follow } from './http.mjs';
import { Random } from './random.mjs';
import { withoutCredentials } from './recording.mjs';

// What users do, with weights.
const WAITING = { stay: 66, leave: 12, vanish: 7, reload: 8, joinAgain: 7 };
const MATCHED = { come: 84, noShow: 7, vanish: 4, leave: 5 };
const LIVE = {
  leave: 34, hangUp: 14, stay: 22, reload: 14, vanish: 8, secondWindow: 8,
};

// An event stream that is opened again whenever it ends.
class Window {
  constructor(user) {
    this.user = user;
    this.open();
  }

  open() {
    const { user } = this;
    const entry = user.world.recording.stream(user.sub);
    this.entry = entry;
    this.end = follow(user.port, '/api/events', user.token, {
      opened: (status) => {
        entry.status = status;
        if (status === 200) {
          entry.opened = Date.now();
        }
      },
      event: (document) => user.told(document, entry.id),
      closed: () => {
        entry.closed = Date.now();
        entry.by ??= 'server';
        this.again();
      },
    });
  }

  again() {
    if (this.gone) {
      return;
    }
    this.timer = setTimeout(() => this.open(),
      this.user.random.between(200, 1500));
  }

  close() {
    this.gone = true;
    clearTimeout(this.timer);
    this.entry.by ??= 'user';
    this.end();
  }
}

export class User {
  constructor(world, sub, token, { port, talkMs }) {
    Object.assign(this, { world, sub, token, port, talkMs });
    this.random = new Random(world.seed, sub);
    this.windows = new Set();
    this.document = null;
    this.waiters = new Set();
    this.person = null;
  }

  get state() {
    return this.document?.state ?? 'idle';
  }

  get over() {
    return this.world.over;
  }

  // --- what they are told

  told(document, stream) {
    this.world.recording.document(this.sub, stream,
      withoutCredentials(document));
    this.take(document);
  }

  take(document) {
    if (this.document && document.version < this.document.version) {
      return;
    }
    this.document = document;
    if (this.person
      && document.session?.sessionId !== this.person.sessionId) {
      this.hangUpSoon(this.person);
    }
    this.waiters.forEach((waiter) => waiter());
  }

  // Until the state or the session is another one, for so long.
  change(ms) {
    const { state } = this;
    const sid = this.document?.session?.sessionId;
    return this.until(() => this.state !== state
      || this.document?.session?.sessionId !== sid, ms);
  }

  // Whether check() came true within ms; the run's end wakes everyone.
  async until(check, ms) {
    const end = Date.now() + ms;
    while (!check() && !this.over && Date.now() < end) {
      await new Promise((resolve) => {
        const done = () => {
          clearTimeout(timer);
          this.waiters.delete(done);
          resolve();
        };
        const timer = setTimeout(done, end - Date.now());
        this.waiters.add(done);
      });
    }
    return check();
  }

  wake() {
    this.waiters.forEach((waiter) => waiter());
  }

  nap(low, high) {
    return this.until(() => false, this.random.between(low, high));
  }

  // --- what they ask

  async ask(what, method, path, { body, patience, extra } = {}) {
    const entry = this.world.recording.request(this.sub, what, extra);
    const answer = await call(this.port, method, path, this.token, {
      agent: this.world.agent, body,
      ...(patience && { signal: AbortSignal.timeout(patience) }),
    });
    entry.error = answer.error;
    entry.status = answer.status ?? null;
    if (answer.status !== undefined) {
      entry.answered = Date.now();
      entry.body = withoutCredentials(answer.body);
      if (answer.body === null) {
        entry.text = answer.text;
      }
      if (answer.status === 200 && answer.body?.version !== undefined) {
        this.take(answer.body);
      }
    }
    return answer;
  }

  // Now and then somebody closes the window before the answer is there.
  patience() {
    return this.random.chance(0.03)
      ? { patience: this.random.between(1, 40) } : {};
  }

  join() {
    return this.ask('join', 'POST', '/api/join', this.patience());
  }

  leave() {
    return this.ask('leave', 'POST', '/api/leave', this.patience());
  }

  read() {
    return this.ask('session', 'GET', '/api/session');
  }

  poll() {
    return this.ask('poll', 'GET',
      `/api/session?version=${this.document?.version ?? 0}&wait=5`);
  }

  history() {
    return this.ask('history', 'GET', '/api/history');
  }

  // Now and then of a session that is none of theirs, or is none at all.
  async report(sessionId) {
    const sid = this.random.chance(0.1) ? this.world.anySession() : sessionId;
    if (!sid) {
      return;
    }
    const copies = this.random.chance(0.2) ? 2 : 1;
    await Promise.all(Array.from({ length: copies }, () => this.ask(
      'report', 'POST', '/api/report', {
        body: { sessionId: sid, reason: `${this.sub}: \u201crude\u201d` },
        extra: { sessionId: sid }, ...this.patience(),
      })));
  }

  // --- windows

  openWindows(count = 1) {
    for (let i = 0; i < count; i++) {
      this.windows.add(new Window(this));
    }
  }

  closeWindows() {
    this.windows.forEach((window) => window.close());
    this.windows.clear();
  }

  async reload() {
    this.closeWindows();
    await this.nap(50, 1500);
    this.openWindows();
  }

  async vanish(low, high) {
    this.hangUp();
    this.closeWindows();
    await this.nap(low, high);
    this.openWindows();
    await this.read();
  }

  // --- the room

  // With exactly what they were sent. Whether they got in.
  enter() {
    const { session } = this.document;
    if (!session?.livekit) {
      return false;
    }
    try {
      const person = this.world.media.enter(session.livekit.url,
        session.livekit.token, () => {
          if (this.person === person) {
            this.person = null;
          }
        });
      person.sessionId = session.sessionId;
      this.person = person;
      return true;
    } catch {
      return false;
    }
  }

  hangUp() {
    const { person } = this;
    this.person = null;
    if (person) {
      this.world.media.leave(person);
    }
  }

  // A page notices that its conversation is over; some never do, and the
  // server has to end them.
  hangUpSoon(person) {
    this.person = null;
    if (this.random.chance(0.9)) {
      setTimeout(() => this.world.media.leave(person),
        this.random.between(0, 400));
    }
  }

  // --- a life

  async live() {
    await this.nap(0, 4000);
    this.openWindows(this.random.weighted({ 1: 80, 2: 15, 3: 5 }) * 1);
    while (!this.over) {
      const act = { idle: 'rest', waiting: 'wait', matched: 'come',
        live: 'talk' }[this.state];
      await this[act]();
    }
    this.hangUp();
    if (this.windows.size === 0) {
      this.openWindows();
    }
  }

  async rest() {
    await this.nap(100, 2500);
    if (this.random.chance(0.04)) {
      await this.history();
    }
    if (this.random.chance(0.04)) {
      await this.report(this.document?.last?.sessionId);
    }
    if (this.over || this.state !== 'idle') {
      return;
    }
    const copies = this.random.chance(0.1) ? this.random.between(2, 3) : 1;
    const answers = await Promise.all(
      Array.from({ length: copies }, () => this.join()));
    const full = answers.find(({ status }) => status === 429 || status === 403);
    if (full && !this.random.chance(0.2)) {
      await this.nap(500, 5000);
    } else if (answers.every(({ status }) => status !== 200)) {
      await this.nap(200, 1500);
      await this.read();
    }
  }

  async wait() {
    switch (this.random.weighted(WAITING)) {
    case 'leave':
      await this.nap(50, 2500);
      await this.leave();
      break;
    case 'vanish':
      await this.vanish(1000, this.random.chance(0.3) ? 40000 : 9000);
      break;
    case 'reload':
      await this.nap(50, 1500);
      await this.reload();
      break;
    case 'joinAgain':
      await this.nap(50, 1500);
      await this.join();
      break;
    default:
      if (this.random.chance(0.1)) {
        await this.poll();
      } else {
        await this.change(10000);
      }
    }
  }

  async come() {
    switch (this.random.weighted(MATCHED)) {
    case 'noShow':
      await this.change(this.world.settings.noShowMs + 6000);
      break;
    case 'vanish':
      await this.vanish(500, 8000);
      break;
    case 'leave':
      await this.nap(0, 1500);
      await this.leave();
      break;
    default:
      await this.nap(50, 1200);
      for (let i = 0; i < 5 && this.state === 'matched'; i++) {
        if (this.person || this.enter()) {
          break;
        }
        await this.nap(200, 800);
      }
      await this.change(this.world.settings.noShowMs + 4000);
    }
  }

  async talk() {
    if (!this.person) {
      this.enter();
    }
    await this.nap(200, this.talkMs);
    if (this.state === 'live' && this.random.chance(0.06)) {
      await this.report(this.document.session.sessionId);
    }
    if (this.state !== 'live') {
      return;
    }
    switch (this.random.weighted(LIVE)) {
    case 'leave':
      await this.leave();
      break;
    case 'hangUp':
      this.hangUp();
      await this.change(this.world.settings.absenceMs + 5000);
      break;
    case 'reload':
      this.hangUp();
      await this.reload();
      this.enter();
      await this.change(5000);
      break;
    case 'vanish':
      await this.vanish(500, 9000);
      break;
    case 'secondWindow':
      this.openWindows();
      this.enter();
      break;
    default:
      await this.change(20000);
    }
  }
}
