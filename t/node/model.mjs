// The reference model: what a pool is and what each script does to it, in plain
// JavaScript, written from docs/redis.md and not from the scripts. It has a
// clock of its own and no I/O; t/scripts/model.test.mjs holds it against them.
//
// Each method is named as the script, takes what t/node/pool.mjs takes for it,
// and answers what that answers. Sessions are in model-session.mjs.

const DAY_MS = 86400 * 1000;
const USER_TTL_MS = 90 * DAY_MS;
const START_MS = 10000;
const SETTLE_AFTER_MS = 60000;

export const waitFields = ['ticket', 'order', 'waiting_since', 'seen', 'tries'];
export const sessionFields = ['sid', 'side', 'peer', 'committed', 'start',
  'ends'];

const kinds = {
  queue: 'ticket', claims: 'claim', sessions: 'session', closing: 'room',
  probes: 'probe', dirty: 'user',
};

const bytes = (a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b));

// The members of a sorted set (a Map of scores), in Redis's order.
export function ordered(map) {
  return [...map.entries()]
    .sort(([a, x], [b, y]) => x - y || bytes(a, b)).map(([member]) => member);
}

export const stateOf = (user) => user.state ?? 'idle';

export class PoolModel {
  constructor(settings) {
    Object.assign(this, settings);
    this.published = [];
    this.clear();
  }

  // All data is lost.
  clear() {
    Object.assign(this, {
      users: new Map(), queue: [], order: 0, claims: new Map(),
      tickets: new Map(), sessions: new Map(), due: new Map(),
      probes: new Map(), closing: new Map(), met: new Map(),
      blocked: new Map(), dirty: new Map(), histories: new Map(),
      ended: [], reports: [], livekit: [], events: new Set(), dead: [],
      stats: {}, run: {}, isOpen: false, restoring: null,
      expires: new Map(),
    });
  }

  expire(key, ms) {
    this.expires.set(key, { ms, at: this.now + ms });
  }

  // --- users ---

  user(sub) {
    return this.users.get(sub) ?? {};
  }

  // Every transition: a higher version, told, and noted for the store.
  change(sub, set, unset = [], floor = 0) {
    const user = { ...this.user(sub) };
    user.version = Math.max(Math.max(user.version ?? 0, floor) + 1, this.now);
    Object.assign(user, set);
    for (const name of [...unset, 'lost']) {
      delete user[name];
    }
    this.users.set(sub, user);
    const ban = set.banned_until ?? this.user(sub).banned_until ?? 0;
    this.expire(`user:${sub}`, Math.max(USER_TTL_MS, ban - this.now));
    this.dirty.set(sub, this.now);
    this.published.push([sub, user.version]);
  }

  fail(sub, floor) {
    this.change(sub, {
      state: 'idle', last_sid: '', last_reason: 'failed', last_duration: 0,
      last_points: 0,
    }, waitFields, floor);
  }

  isBanned(sub) {
    return this.now < (this.user(sub).banned_until ?? 0);
  }

  hasWindow(sub) {
    return this.now < (this.user(sub).window_end ?? 0);
  }

  left(sub, points) {
    const { spent = 0, reserved = 0 } = this.user(sub);
    return this.hasWindow(sub)
      ? Math.max(0, points - spent - reserved) : points;
  }

  enqueue(sub, since, { points, windowMs, sessionMaxS }, floor = 0) {
    const version = Math.max(
      Math.max(this.user(sub).version ?? 0, floor) + 1, this.now);
    this.order += 1;
    const ticket = `${this.order}.${version}:${sub}`;
    this.queue.push(ticket);
    this.change(sub, {
      state: 'waiting', ticket, order: this.order, waiting_since: since,
      seen: this.now, tries: 0, points, join_points: points,
      join_window: windowMs, join_max: sessionMaxS,
    }, [], floor);
  }

  // The document's values, as the scripts reply with them.
  answer(status, sub) {
    const user = this.user(sub);
    const state = stateOf(user);
    const view = {
      status, now: this.now, state, version: user.version ?? 0,
      points_left: this.left(sub, this.points),
      window_end: this.hasWindow(sub) ? user.window_end : '',
      last_session: user.last_session_s ?? '',
      ...user.lost === undefined ? {} : { lost: user.lost },
    };
    if (state === 'waiting') {
      const [head] = this.queue;
      const first = Number(/^(\d+)\./.exec(head ?? '')?.[1] ?? user.order);
      Object.assign(view, {
        waiting_since: user.waiting_since,
        position: Math.max(1, user.order - first + 1),
        estimate: this.estimate(user),
      });
    }
    if (state === 'matched' || state === 'live') {
      for (const name of [...sessionFields, 'reserved']) {
        view[name] = user[name] ?? '';
      }
    }
    if (this.isBanned(sub)) {
      view.banned_until = user.banned_until;
    }
    if (user.last_reason) {
      for (const name of ['sid', 'reason', 'duration', 'points']) {
        view[`last_${name}`] = user[`last_${name}`];
      }
    }
    return Object.fromEntries(
      Object.entries(view).map(([name, value]) => [name, String(value)]));
  }

  estimate({ waiting_since: since }) {
    const average = this.stats.wait_ms;
    const waited = Math.max(0, this.now - since);
    return average === undefined ? '' : Math.max(1, Math.ceil(
      Math.max(average - waited, average / 2, waited / 2) / 1000));
  }

  // --- before the match ---

  open() {
    this.restoring = 'opener';
    return this.beat('opener');
  }

  beat(restorer, seen = 0, name = 'w1', lateMs = 3600000) {
    const field = `beat:${name}`;
    this.running();
    const isLost = restorer === '' && (this.run[field] ?? 0) < seen
      && this.isOpen && !this.isRestored();
    if (restorer === '') {
      this.beatAs(field);
    }
    if (isLost) {
      this.isOpen = false;
      this.restoring = null;
      this.expires.delete('restoring');
    }
    if (restorer !== '' && this.restoring === restorer) {
      if (this.isOpen && this.isDueAgain()) {
        delete this.run.again;
      } else {
        this.run.again = this.now + lateMs;
      }
      this.isOpen = true;
      this.restoring = null;
      this.expires.delete('restoring');
      this.run.read = this.runId;
    }
    return isLost ? 'lost' : this.isOpen ? 'ready' : 'restoring';
  }

  // Workers long gone leave.
  beatAs(field) {
    for (const [name, at] of Object.entries(this.run)) {
      if (name.startsWith('beat:') && at < this.now - DAY_MS / 24) {
        delete this.run[name];
      }
    }
    this.run[field] = Math.max((this.run[field] ?? 0) + 1, this.now);
  }

  running() {
    if (this.run.id !== this.runId) {
      Object.assign(this.run, { id: this.runId, since: this.now });
    }
    return this.now - this.run.since;
  }

  isRestored() {
    return this.run.read === this.runId;
  }

  isDueAgain() {
    return this.isRestored() && this.run.again <= this.now;
  }

  join(sub) {
    if (!this.isOpen) {
      return { status: 'restoring' };
    }
    const user = this.user(sub);
    if (user.state === 'waiting') {
      this.users.set(sub, { ...user, seen: this.now });
    } else if (stateOf(user) === 'idle') {
      if (this.isBanned(sub)) {
        return this.answer('banned', sub);
      }
      if (this.left(sub, this.points) < 1) {
        return this.answer('no_points', sub);
      }
      this.enqueue(sub, this.now, this);
    }
    return this.answer('ok', sub);
  }

  view(sub) {
    this.touch({ [sub]: '1' });
    return this.answer('ok', sub);
  }

  touch(users) {
    let waiting = 0;
    for (const [sub, alive] of Object.entries(users)) {
      const user = this.user(sub);
      if (user.state === 'waiting') {
        waiting += 1;
        const seen = alive === '1' ? this.now : this.now - this.silentMs - 1;
        this.users.set(sub, { ...user, seen });
      }
    }
    return waiting;
  }

  recall(sub, told, state, since = 0) {
    if (!this.isOpen) {
      return { status: 'restoring' };
    }
    const user = this.user(sub);
    const version = user.version ?? 0;
    const isLost = stateOf(user) === 'idle' && state === 'waiting'
      && told >= (user.lost ?? Infinity);
    if (!isLost && (version > told
      || (version === told && stateOf(user) === state))) {
      return this.answer('ok', sub);
    }
    if (state !== 'waiting' || stateOf(user) !== 'idle') {
      this.change(sub, {}, [], told);
    } else if (this.isBanned(sub) || this.left(sub, this.points) < 1) {
      this.fail(sub, told);
    } else {
      this.enqueue(sub, Math.min(since, this.now), this, told);
    }
    return this.answer('ok', sub);
  }

  silence(sub, ticket, { dropAfterMs = 45000, graceMs = 60000 } = {}) {
    const user = this.user(sub);
    if (user.state !== 'waiting' || user.ticket !== ticket) {
      return 'void';
    }
    if (this.now - user.seen < dropAfterMs || this.running() < graceMs) {
      return 'kept';
    }
    this.change(sub, { state: 'idle' }, waitFields);
    return 'dropped';
  }

  // --- tickets ---

  claim(id, { max = 64, odd = '0' } = {}) {
    let count = Math.min(max, this.queue.length);
    count -= odd === '1' ? 0 : count % 2;
    if (!this.isOpen || count < 2) {
      return [];
    }
    const taken = this.queue.splice(0, count);
    const held = this.tickets.get(id) ?? new Map();
    const first = held.size + 1;
    taken.forEach((ticket, i) => held.set(ticket, first + i));
    this.tickets.set(id, held);
    this.claims.set(id, this.now + this.leaseMs);
    return taken;
  }

  holds(id, ticket) {
    return this.tickets.get(id)?.has(ticket) ?? false;
  }

  takeFromClaim(id, ticket) {
    if (!this.holds(id, ticket)) {
      return false;
    }
    const held = this.tickets.get(id);
    held.delete(ticket);
    if (held.size === 0) {
      this.tickets.delete(id);
      this.claims.delete(id);
    }
    return true;
  }

  release(id, mode, tickets = []) {
    let named = tickets;
    if (mode === 'expired') {
      if (!this.claims.has(id) || this.claims.get(id) > this.now) {
        return 0;
      }
      named = ordered(this.tickets.get(id) ?? new Map());
      this.claims.delete(id);
    }
    let taken = 0;
    for (const ticket of [...named].reverse()) {
      if (this.takeFromClaim(id, ticket)) {
        taken += 1;
        if (mode !== 'forget') {
          this.queue.unshift(ticket);
        }
      }
    }
    return taken;
  }

  fault(id, ticket, reason = 'corrupt', maxTries = 5) {
    if (!this.takeFromClaim(id, ticket)) {
      return 'lost';
    }
    const sub = /^\d+\.\d+:([^]+)$/.exec(ticket)?.[1];
    if (sub === undefined) {
      this.letter('queue', ticket, reason);
      return 'dead';
    }
    const user = this.user(sub);
    if (user.state !== 'waiting' || user.ticket !== ticket) {
      return 'void';
    }
    if (user.tries + 1 >= maxTries) {
      this.fail(sub);
      this.letter('queue', ticket, reason);
      return 'dead';
    }
    this.users.set(sub, { ...user, tries: user.tries + 1 });
    this.queue.unshift(ticket);
    return 'retry';
  }

  // --- rooms ---

  planRooms(delayMs, rooms) {
    rooms.forEach((room) => this.closing.set(room, this.now + delayMs));
    return rooms.length;
  }

  take(map, limit, putOffMs) {
    const taken = ordered(map)
      .filter((member) => map.get(member) <= this.now).slice(0, limit);
    taken.forEach((member) => map.set(member, this.now + putOffMs));
    return taken;
  }

  takeRooms(limit, leaseMs) {
    return this.take(this.closing, limit, leaseMs);
  }

  roomClosed(room) {
    return this.closing.delete(room) ? 1 : 0;
  }

  maySettle() {
    return this.isRestored() || this.running() >= SETTLE_AFTER_MS;
  }

  takeProbes(limit = 10, intervalMs = 5000) {
    return this.maySettle() ? this.take(this.probes, limit, intervalMs) : [];
  }

  dueSessions(limit = 10) {
    return this.maySettle() ? ordered(this.due).filter(
      (sid) => this.due.get(sid) <= this.now).slice(0, limit) : [];
  }

  sweepRoom(sid) {
    const room = this.room(sid);
    if (['matched', 'live'].includes(this.sessions.get(sid)?.state)
      || this.closing.has(room)) {
      return 0;
    }
    this.closing.set(room, this.now);
    return 1;
  }

  room(sid) {
    return `${this.name}.${sid}`;
  }

  // --- records ---

  takeDirty(limit = 10, leaseMs = 30000) {
    return this.isRestored() ? this.take(this.dirty, limit, leaseMs) : [];
  }

  saved(sub, version) {
    if ((this.user(sub).version ?? 0) === version) {
      this.dirty.delete(sub);
      return 1;
    }
    this.dirty.set(sub, this.now);
    return 0;
  }

  restoreLease(name, leaseMs, renew) {
    if (renew === 'end') {
      if (this.restoring === name) {
        this.restoring = null;
        this.expires.delete('restoring');
      }
      return 'ended';
    }
    const { id, since, [`beat:${name}`]: beat = 0 } = this.run;
    const isAgain = this.isOpen && this.isDueAgain();
    if (this.isOpen && !isAgain && (this.isRestored()
      || id !== this.runId || beat < since)) {
      return 'ready';
    }
    if (this.restoring !== null && this.restoring !== name) {
      return 'other';
    }
    if (this.restoring === null && renew === '1') {
      return 'lost';
    }
    this.restoring = name;
    this.expire('restoring', leaseMs);
    return isAgain ? 'again' : this.isOpen ? 'open' : 'mine';
  }

  restoreUser(sub, record) {
    for (const peer of record.blocked) {
      this.block(sub, peer);
    }
    const user = this.user(sub);
    const version = user.version ?? 0;
    const state = stateOf(user);
    const isNewer = version < record.version;
    const { since } = this.run;
    const inDoubt = since !== undefined && record.version < version
      && record.version < since && version >= since - START_MS;
    const place = (name) => (name === 'live' ? 'matched' : name);
    const isThere = state !== 'idle' && place(state) === place(record.state);
    const bans = record.bannedUntilS * 1000 > this.now && !this.isBanned(sub);
    const inSession = place(state) === 'matched';
    if (isNewer && !isThere) {
      return this.replaceUser(sub, record);
    }
    return isNewer || inDoubt ? this.mergeUser(sub, record, bans, inSession)
      : 0;
  }

  mergeUser(sub, record, bans, inSession) {
    const user = this.user(sub);
    const set = {};
    const end = record.windowEndS * 1000;
    const own = Math.ceil((user.window_end ?? 0) / 1000) * 1000;
    const isOver = end <= own && !this.hasWindow(sub);
    const spent = Math.min(record.spent,
      (user.points ?? record.points) - (user.reserved ?? 0));
    if (end > this.now && !isOver
      && spent > (this.hasWindow(sub) ? user.spent ?? 0 : 0)) {
      Object.assign(set, { spent },
        this.hasWindow(sub) ? {} : { window_end: end });
    }
    if (bans && !inSession) {
      if (user.state === 'waiting') {
        this.fail(sub);
      }
      set.banned_until = record.bannedUntilS * 1000;
    }
    const changes = Object.keys(set).length > 0;
    if (changes) {
      this.change(sub, set);
    }
    return bans && inSession ? [sub, record.bannedUntilS * 1000]
      : Number(changes);
  }

  replaceUser(sub, record) {
    const restored = { version: record.version, state: 'idle' };
    if (record.points > 0) {
      restored.points = record.points;
    }
    if (record.windowEndS * 1000 > this.now) {
      restored.spent = record.spent;
      restored.window_end = record.windowEndS * 1000;
    }
    if (record.lastSessionS > 0) {
      restored.last_session_s = record.lastSessionS;
    }
    if (record.bannedUntilS * 1000 > this.now) {
      restored.banned_until = record.bannedUntilS * 1000;
    }
    if (record.state !== 'idle') {
      Object.assign(restored, {
        lost: record.version, version: record.version + 1, last_sid: '',
        last_reason: 'failed', last_duration: 0, last_points: 0,
      });
      this.dirty.set(sub, this.now);
    }
    this.users.set(sub, restored);
    this.expire(`user:${sub}`, Math.max(USER_TTL_MS,
      record.bannedUntilS * 1000 - this.now));
    this.published.push([sub, restored.version]);
    return 1;
  }

  restoreSession({ userA, userB, untilMs, ...item }) {
    this.endLost(item.sessionId);
    const known = (sub) => this.user(sub).points !== undefined
      || this.blocked.has(sub);
    return this.restoreSide(known, userA, userB, untilMs, item)
      + this.restoreSide(known, userB, userA, untilMs, item);
  }

  restoreSide(known, sub, peer, untilMs, { sessionId, startTime, entry }) {
    if (!known(sub)) {
      return 0;
    }
    if (untilMs > this.now) {
      const met = this.met.get(sub) ?? new Map();
      met.set(peer, Math.max(untilMs, met.get(peer) ?? 0));
      this.met.set(sub, met);
      this.expire(`met:${sub}`, Math.max(...met.values()) - this.now);
    }
    const list = this.histories.get(sub) ?? [];
    const stored = JSON.parse(entry);
    const there = list.findIndex((item) => item.sessionId === sessionId);
    if (list.length >= 50 && list[49].startTime > startTime
      || there >= 0 && list[there].startTime === startTime
        && list[there].endTime === stored.endTime) {
      return 0;
    }
    if (there >= 0) {
      list.splice(there, 1);
    }
    const place = list.findIndex((item) => item.startTime <= startTime);
    list.splice(place < 0 ? list.length : place, 0, stored);
    this.histories.set(sub, list.slice(0, 50));
    this.expire(`history:${sub}`, 90 * DAY_MS);
    return 1;
  }

  // --- dead letters ---

  letter(from, what, reason) {
    this.dead.push({ kind: kinds[from], from, what, reason, at: this.now });
    this.stats.dead = (this.stats.dead ?? 0) + 1;
  }

  // The set or list of that kind of key.
  place(kind) {
    return kind === 'sessions' ? this.due : this[kind];
  }

  bury(kind, members, { reason = 'rubbish' } = {}) {
    let buried = 0;
    for (const member of members) {
      const place = this.place(kind);
      const index = Array.isArray(place) ? place.indexOf(member) : -1;
      if (index >= 0) {
        place.splice(index, 1);
      }
      if (index >= 0 || (!Array.isArray(place) && place.delete(member))) {
        this.letter(kind, member, reason);
        buried += 1;
      }
    }
    return buried;
  }

  revive(index) {
    const { from, kind, what } = this.dead[index];
    const sub = kind === 'ticket' && /^\d+\.\d+:([^]+)$/.exec(what)?.[1];
    if (sub) {
      const user = this.user(sub);
      if (stateOf(user) !== 'idle' || this.isBanned(sub)
        || user.join_points === undefined
        || this.left(sub, user.join_points) < 1) {
        return 'void';
      }
      this.enqueue(sub, this.now, {
        points: user.join_points, windowMs: user.join_window,
        sessionMaxS: user.join_max,
      });
    } else if (kind === 'ticket') {
      this.queue.push(what);
    } else {
      this.place(from).set(what, this.now);
    }
    this.dead.splice(index, 1);
    return 'back';
  }

  // --- whom nobody meets again ---

  block(sub, peer) {
    const set = this.blocked.get(sub) ?? new Set();
    this.blocked.set(sub, set.add(peer));
  }
}
