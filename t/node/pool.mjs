// One pool in a real Redis, spoken to as the edge and the worker speak to it:
// a method for each script, with the keys that script declares.

import { randomBytes } from 'node:crypto';

import { readView, runScript } from './redis.mjs';

const BASE32 = 'abcdefghijklmnopqrstuvwxyz234567';

export function newSid() {
  return Array.from(randomBytes(26), (byte) => BASE32[byte & 31]).join('');
}

export class Pool {
  constructor(client, name = 'default') {
    Object.assign(this, { client, name });
    this.points = 15;
    this.windowMs = 24 * 3600 * 1000;
    this.sessionMaxS = 900;
    this.noShowMs = 30000;
    this.absenceMs = 15000;
    this.leaseMs = 30000;
    this.probeMs = 5000;
    this.silentMs = 15000;
    this.runId = 'run-1';
    this.token = ['', ''];
  }

  // The same pool, asked with the token of a sign-in: [sign_in, issued_s].
  as(...token) {
    return Object.assign(Object.create(this), { token });
  }

  key(kind, id) {
    return id === undefined
      ? `{${this.name}}:${kind}` : `{${this.name}}:${kind}:${id}`;
  }

  keys(...kinds) {
    return kinds.map((kind) => this.key(kind));
  }

  room(sid) {
    return `${this.name}.${sid}`;
  }

  run(script, keys, args = []) {
    return runScript(this.client, script, keys, args);
  }

  // What a heartbeat does, or a worker that has restored the pool.
  async beat(restorer = '', seen = 0, name = 'w1', lateMs = 3600000) {
    const [status, beat] = await this.run('open_pool',
      this.keys('ready', 'schema', 'alive', 'run', 'livekit', 'ended',
        'reports', 'restoring'),
      [this.runId, 'workers', 15, restorer, name, seen, lateMs]);
    this.lastBeat = beat;
    return status;
  }

  // As a worker that had nothing to restore.
  async open() {
    await this.client.set(this.key('restoring'), 'opener');
    return this.beat('opener');
  }

  async now() {
    const [seconds, micros] = await this.client.time();
    return Number(seconds) * 1000 + Math.floor(Number(micros) / 1000);
  }

  user(sub) {
    return this.client.hgetall(this.key('user', sub));
  }

  session(sid) {
    return this.client.hgetall(this.key('session', sid));
  }

  queue() {
    return this.client.lrange(this.key('queue'), 0, -1);
  }

  async join(sub) {
    return readView(await this.run('join',
      [this.key('user', sub),
        ...this.keys('queue', 'order', 'ready', 'schema', 'stats', 'dirty',
          'revoked')],
      [sub, this.points, this.windowMs, this.sessionMaxS, ...this.token]));
  }

  async view(sub) {
    return readView(await this.run('session',
      [this.key('user', sub), ...this.keys('queue', 'stats')],
      [this.points]));
  }

  async leave(sub, named = null) {
    const none = this.key('none');
    const tail = named === null ? Array(9).fill(none) : [
      this.key('session', named.sid), this.key('user', named.a),
      this.key('user', named.b),
      ...this.keys('sessions', 'closing', 'ended'),
      this.key('history', named.a), this.key('history', named.b),
      this.key('probes')];
    const reply = readView(await this.run('leave',
      [this.key('user', sub), ...this.keys('queue', 'stats'), ...tail,
        ...this.keys('dirty', 'ready', 'schema', 'revoked')],
      [this.points, named ? named.sid : '',
        named ? this.room(named.sid) : '', ...this.token]));
    if (reply.status !== 'again' || named !== null) {
      return reply;
    }
    const [a, b] = reply.side === 'a'
      ? [sub, reply.peer] : [reply.peer, sub];
    return this.leave(sub, { sid: reply.sid, a, b });
  }

  touch(users) {
    const subs = Object.keys(users);
    return this.run('touch', subs.map((sub) => this.key('user', sub)),
      [this.silentMs, ...subs.map((sub) => users[sub])]);
  }

  claim(id, { max = 64, odd = '0' } = {}) {
    return this.run('claim',
      [...this.keys('queue', 'claims'), this.key('claim', id),
        ...this.keys('ready', 'schema')],
      [id, max, odd, this.leaseMs]);
  }

  release(id, mode, tickets = []) {
    return this.run('release',
      [...this.keys('queue', 'claims'), this.key('claim', id)],
      [id, mode, ...tickets]);
  }

  commit(id, ticketA, ticketB, sid) {
    const sub = (ticket) => ticket.slice(ticket.indexOf(':') + 1);
    return this.run('commit',
      [this.key('user', sub(ticketA)), this.key('user', sub(ticketB)),
        ...this.keys('queue', 'claims'), this.key('claim', id),
        this.key('session', sid),
        ...this.keys('sessions', 'closing', 'stats'),
        this.key('blocked', sub(ticketA)), ...this.keys('probes', 'dirty')],
      [id, ticketA, ticketB, sid, this.room(sid), this.noShowMs,
        this.absenceMs, this.probeMs]);
  }

  silence(sub, ticket, { dropAfterMs = 45000, graceMs = 60000 } = {}) {
    return this.run('silence', [this.key('user', sub), ...this.keys('run', 'dirty')],
      [ticket, this.runId, dropAfterMs, graceMs]);
  }

  fault(id, ticket, reason = 'corrupt', maxTries = 5) {
    const sub = /^\d+\.\d+:(.+)$/.exec(ticket)?.[1];
    return this.run('fault',
      [sub ? this.key('user', sub) : this.key('none'),
        ...this.keys('queue', 'claims'), this.key('claim', id),
        ...this.keys('dead', 'stats', 'dirty')],
      [id, ticket, reason, maxTries]);
  }

  participant({ sid, a, b }, side, what, psid, at) {
    return this.run('participant',
      [this.key('session', sid), this.key('user', a), this.key('user', b),
        this.key('sessions'), this.key('met', a), this.key('met', b),
        this.key('dirty')],
      [sid, side, what, psid, at]);
  }

  endKeys({ sid, a, b }) {
    return [this.key('session', sid), this.key('user', a),
      this.key('user', b), ...this.keys('sessions', 'closing', 'ended'),
      this.key('history', a), this.key('history', b), this.key('probes')];
  }

  look(session) {
    return this.run('look', [...this.endKeys(session), ...this.keys('queue', 'dirty')],
      [session.sid, this.room(session.sid)]);
  }

  failSession(session, at, how = 'told') {
    return this.run('fail_session',
      [...this.endKeys(session), this.key('dirty')],
      [session.sid, this.room(session.sid), at, how]);
  }

  miss({ sid }, at) {
    return this.run('miss', [this.key('session', sid)], [at]);
  }

  async report(sub, sid, reason = 'rude', named = null) {
    const blocked = named === null ? this.keys('none', 'none')
      : named.map((one) => this.key('blocked', one));
    const reply = await this.run('report',
      [this.key('session', sid), ...blocked,
        ...this.keys('reports', 'revoked')],
      [sub, sid, reason, ...(named ?? ['', '']), ...this.token]);
    return reply[0] === 'again' && named === null
      ? this.report(sub, sid, reason, reply.slice(1)) : reply;
  }

  async ban(sub, untilMs, named = null) {
    const none = this.key('none');
    const tail = named === null ? Array(9).fill(none) : this.endKeys(named);
    const reply = await this.run('ban',
      [this.key('user', sub), ...this.keys('ready', 'schema'), ...tail,
        this.key('dirty')],
      [untilMs, named ? named.sid : '', named ? this.room(named.sid) : '']);
    if (reply[0] !== 'again' || named !== null) {
      return reply;
    }
    const [, sid, side, peer] = reply;
    const [a, b] = side === 'a' ? [sub, peer] : [peer, sub];
    return this.ban(sub, untilMs, { sid, a, b });
  }

  async recall(sub, version, state, waitingSinceMs = 0) {
    return readView(await this.run('recall',
      [this.key('user', sub),
        ...this.keys('queue', 'order', 'ready', 'schema', 'stats', 'dirty',
          'revoked')],
      [sub, version, state, waitingSinceMs, this.points, this.windowMs,
        this.sessionMaxS, ...this.token]));
  }

  // by: the token that asks, as [sub, sign_in, issued_s]; none: an operator
  revoke(member, { lifetimeMs = 0, by = ['', '', ''] } = {}) {
    return this.run('revoke', this.keys('revoked'),
      [member, lifetimeMs, ...by]);
  }

  readRevoked(cursor = 0, count = 100) {
    return this.run('read_revoked', this.keys('revoked'), [cursor, count]);
  }

  takeDirty(limit = 10, leaseMs = 30000) {
    return this.run('take_dirty', this.keys('dirty', 'run'),
      [limit, leaseMs, this.runId]);
  }

  saved(sub, version) {
    return this.run('saved', [this.key('user', sub), this.key('dirty')],
      [sub, version]);
  }

  takeProbes(limit = 10, intervalMs = 5000) {
    return this.run('take_probes', this.keys('probes', 'run'),
      [limit, intervalMs, this.runId]);
  }

  dueSessions(limit = 10) {
    return this.run('due_sessions', this.keys('sessions', 'run'),
      [limit, this.runId]);
  }

  sweepRoom(sid) {
    return this.run('sweep_room',
      [this.key('session', sid), this.key('closing')], [this.room(sid)]);
  }

  bury(kind, members, { reason = 'rubbish', group = '' } = {}) {
    return this.run('bury', this.keys(kind, 'dead', 'stats'),
      [group, reason, ...members]);
  }

  burySession({ sid, a, b }, reason = 'rubbish') {
    return this.run('bury_session',
      [this.key('session', sid), this.key('user', a), this.key('user', b),
        ...this.keys('sessions', 'closing', 'probes', 'dead', 'stats',
          'dirty')],
      [sid, this.room(sid), reason]);
  }

  revive({ id, from, kind, what }) {
    const sub = kind === 'ticket' && /^\d+\.\d+:([^]+)$/.exec(what)?.[1];
    return this.run('revive',
      [...this.keys('dead', from),
        sub ? this.key('user', sub) : this.key('none'),
        ...this.keys('order', 'dirty')],
      [id]);
  }

  restoreUser(sub, {
    version, state = 'idle', points = 0, spent = 0, windowEndS = 0,
    lastSessionS = 0, bannedUntilS = 0, blocked = [],
  }) {
    return this.run('restore_user',
      [this.key('user', sub), this.key('blocked', sub),
        ...this.keys('dirty', 'run')],
      [version, state, points, spent, windowEndS, lastSessionS, bannedUntilS,
        ...blocked]);
  }

  restoreSession({ sessionId, userA, userB, startTime, entry, untilMs = 0 }) {
    return this.run('restore_session',
      ['user', 'blocked', 'history', 'met'].flatMap((kind) => (
        [this.key(kind, userA), this.key(kind, userB)])).concat(
        this.key('session', sessionId),
        this.keys('sessions', 'probes', 'closing', 'dirty')),
      [sessionId, userA, userB, startTime, untilMs, entry,
        this.room(sessionId)]);
  }

  restoreLease(name, leaseMs = 30000, renew = '0') {
    return this.run('restore_lease', this.keys('ready', 'restoring', 'run'),
      [name, leaseMs, renew, this.runId]);
  }

  // The entries of a stream, oldest first.
  async entries(kind) {
    const list = await this.client.xrange(this.key(kind), '-', '+');
    return list.map(([, flat]) => Object.fromEntries(
      flat.flatMap((name, i) => (i % 2 ? [] : [[name, flat[i + 1]]]))));
  }

  // Every dead letter, oldest first, with what it holds.
  async dead() {
    const entries = await this.client.xrange(this.key('dead'), '-', '+');
    return entries.map(([id, flat]) => {
      const letter = { id };
      for (let i = 0; i < flat.length; i += 2) {
        letter[flat[i]] = flat[i + 1];
      }
      const bytes = (text) => (letter.encoding === 'base64'
        ? Buffer.from(text, 'base64') : text);
      const what = JSON.parse(letter.what);
      letter.what = Array.isArray(what) ? what.map(bytes) : bytes(what);
      return letter;
    });
  }

  // Users whose record the store does not have yet.
  dirty() {
    return this.client.zrange(this.key('dirty'), 0, -1);
  }

  // Two users from nothing to matched: what the rest of a test starts from.
  async pair(a, b) {
    await this.join(a);
    await this.join(b);
    const id = newSid();
    const [ticketA, ticketB] = await this.claim(id);
    const sid = newSid();
    const reply = await this.commit(id, ticketA, ticketB, sid);
    if (reply[0] !== 'matched') {
      throw new Error(`not matched: ${reply}`);
    }
    return { sid, a, b, reserved: reply[1] };
  }

  // ... and on to live, since so many ms ago.
  async live(a, b, agoMs = 0) {
    const session = await this.pair(a, b);
    await this.age(session, agoMs);
    const at = await this.now() - agoMs;
    await this.participant(session, 'a', 'joined', 'PA_a', at);
    await this.participant(session, 'b', 'joined', 'PA_b', at);
    return session;
  }

  // Moves a session and its users into the past: real time passing, for a
  // test that cannot wait for it.
  async age({ sid, a, b }, ms) {
    const back = async (key, names) => {
      for (const name of names) {
        const value = await this.client.hget(key, name);
        if (value) {
          await this.client.hset(key, name, Number(value) - ms);
        }
      }
    };
    const session = this.key('session', sid);
    await back(session, ['committed', 'start', 'ends', 'here_a', 'here_b',
      'gone_a', 'gone_b', 'joined_a', 'joined_b', 'window_a', 'window_b']);
    for (const sub of [a, b]) {
      await back(this.key('user', sub),
        ['committed', 'start', 'ends', 'window_end']);
    }
    await this.client.zadd(this.key('sessions'), 0, sid);
  }
}
