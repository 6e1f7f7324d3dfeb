// Promise 4: points never go below zero, a session is charged once, and the
// charge is exactly what section "Points and sessions" says. A ledger of its
// own is kept here from the sessions alone, and compared with what Redis had.

import { inOrder, isLost } from './sessions.mjs';

class Ledger {
  constructor(settings) {
    this.settings = settings;
    this.windows = new Map();     // user -> { end, spent, reserved }
  }

  window(user) {
    return this.windows.get(user) ?? { end: null, spent: 0, reserved: 0 };
  }

  // The window as a commit at this time finds or opens it.
  open(user, at) {
    const window = this.window(user);
    return window.end !== null && at < window.end ? window
      : { end: at + this.settings.windowMs, spent: 0, reserved: 0 };
  }

  // Returns R.
  reserve(users, at, maxMs) {
    const windows = users.map((user) => this.open(user, at));
    const left = windows.map(({ spent, reserved }) =>
      this.settings.points - spent - reserved);
    const most = Math.min(Math.ceil(maxMs / 60000), ...left);
    users.forEach((user, i) => this.windows.set(user,
      { ...windows[i], reserved: most }));
    return most;
  }

  // What was reserved is given up, and a charge that the store did not have:
  // never is more charged.
  restore(user, { spent = 0, reserved = 0, window_end: end = null }) {
    const window = this.window(user);
    const same = end === null || (window.end !== null
      && Number(end) === 1000 * Math.ceil(window.end / 1000));
    if (Number(spent) > window.spent || Number(reserved) > 0 || !same) {
      return;
    }
    this.windows.set(user, { end: end === null ? null : Number(end),
      spent: Number(spent), reserved: 0 });
  }

  charge(user, points) {
    const { end, spent } = this.window(user);
    const total = spent + points;
    this.windows.set(user, { end: total > 0 ? end : null, spent: total,
      reserved: 0 });
  }
}

export function durationOf({ start, ended }) {
  if (!start) {
    return null;
  }
  const first = Math.floor(Number(start) / 1000);
  return Math.max(first, Math.floor(Number(ended) / 1000)) - first;
}

export function chargeOf(session) {
  const duration = durationOf(session);
  return duration === null ? 0
    : Math.min(Number(session.reserved), Math.ceil(duration / 60));
}

export function ledger(run, object) {
  const book = new Ledger(run.settings);
  const list = inOrder(run.truth);
  const back = new Set();
  list.forEach((change, i) => {
    if (isLost(run.truth, -1, change.index) && change.kind === 'user'
      && !back.has(change.id)) {
      back.add(change.id);
      book.restore(change.id, change.after);
    }
    const { kind, id, before, after } = change;
    if (kind === 'session') {
      settle(book, id, before, after, change, object);
    } else {
      enter(run, book, change, list[i - 1], object);
    }
  });
}

// Sessions come before users within a unit.
function settle(book, id, before, after, { at }, object) {
  const users = [after.a, after.b];
  if (!before.state && after.state === 'matched') {
    const most = book.reserve(users, Number(after.committed),
      Number(after.max_ms));
    if (most < 1 || Number(after.reserved) !== most) {
      object('points', `${after.reserved} were reserved, not ${most}`,
        { session: id, user: after.a, at });
    }
  }
  if (before.state && before.state !== 'ended' && after.state === 'ended') {
    users.forEach((user) => book.charge(user, chargeOf(after)));
  }
}

function enter(run, book, { id, after, at }, previous, object) {
  const say = (text) => object('points', text,
    { user: id, session: after.sid ?? after.last_sid, at });
  const window = book.window(id);
  const spent = Number(after.spent ?? 0);
  const reserved = Number(after.reserved ?? 0);
  if (spent !== window.spent || reserved !== window.reserved) {
    say(`${spent} spent and ${reserved} reserved, by the ledger ${
      window.spent} and ${window.reserved}`);
  }
  if (String(after.window_end ?? null) !== String(window.end)) {
    say(`the window ends ${after.window_end}, by the ledger ${window.end}`);
  }
  if (spent < 0 || reserved < 0 || spent + reserved > run.settings.points) {
    say(`${spent} spent and ${reserved} reserved of ${run.settings.points}`);
  }
}

// Nobody waits who has nothing left to spend.
export function admittedWithPoints(run, object) {
  for (const [user, changes] of run.truth.users) {
    for (const { before, after } of changes) {
      if (after.state !== 'waiting' || (before.state ?? 'idle') !== 'idle') {
        continue;
      }
      const used = Number(after.spent ?? 0) + Number(after.reserved ?? 0);
      if (used >= run.settings.points
        && Number(after.waiting_since) < Number(after.window_end)) {
        object('points', 'took a place in the queue with no points',
          { user, at: Number(after.version) });
      }
    }
  }
}

// What users are told is in the range.
export function toldPoints(run, object) {
  for (const { user, at, document } of run.told) {
    if (!(document.pointsLeft >= 0
      && document.pointsLeft <= run.settings.points)) {
      object('points', `told of ${document.pointsLeft} points`, { user, at });
    }
  }
}
