// What was: the users and sessions of a pool after every unit of Redis's log,
// and what of their meeting is written elsewhere.
//
// A change is { index, at, before, after }, with the hashes as they were before
// and after the unit; a hash that is not there is {}. The time of a unit (ms)
// is the version that it gave to a user, else Redis's note of the second; what
// a restore gave is an old one.

const KEY = /^\{[^}]+\}:(user|session|blocked|history|claim|met):(.+)$/s;
const PLAIN = /^\{[^}]+\}:(\w+)$/;

// What changes without a transition: signs of life, and faults of a ticket.
const QUIET = new Set(['seen', 'tries']);

function timeOf({ at_s, commands }, lostAt) {
  for (const [name, key, ...rest] of commands) {
    const i = rest.indexOf('version');
    if (name === 'HSET' && KEY.exec(key)?.[1] === 'user' && i >= 0
      && Number(rest[i + 1]) >= lostAt) {
      return Number(rest[i + 1]);
    }
  }
  return Math.max(1000 * at_s, lostAt);
}

export class Truth {
  constructor(units = []) {
    this.hashes = new Map();
    this.users = new Map();       // sub -> changes
    this.sessions = new Map();    // sid -> changes
    this.ended = [];              // entries of the stream of ended sessions
    this.blocks = [];             // { index, at, sub, other }
    this.meetings = [];           // { index, sub, other, until }
    this.seen = new Map();        // sub -> [{ index, at }], signs of life
    this.claims = new Map();      // id -> { index, tickets }, in their order
    this.taken = [];              // { index, claim, ticket }, out of a claim
    this.plans = new Map();       // room -> { index, rooms }, first planned
    this.units = units.length;
    this.pending = { dirty: new Set(), ended: new Map(), reports: new Map() };
    this.lost = null;
    this.ready = [];              // { index, at }, the pool is served
    units.forEach((unit, index) => (
      unit.lost ? this.lose(unit, index) : this.apply(unit, index)));
  }

  // Redis was emptied: what it had then, and of that what it had not handed
  // over to the store.
  lose({ at }, index) {
    const { dirty, ended, reports } = this.pending;
    const of = (kind) => new Map([...this.hashes].filter(([key]) => (
      KEY.exec(key)[1] === kind)).map(([key, hash]) => [KEY.exec(key)[2],
      hash]));
    this.lost = { index, at, users: of('user'), sessions: of('session'),
      dirty, ended: new Set([...ended.values()].map((one) => one.sessionId)),
      reports: [...reports.values()] };
    this.hashes = new Map();
    this.pending = { dirty: new Set(), ended: new Map(), reports: new Map() };
  }

  apply(unit, index) {
    const touched = new Map();
    const at = timeOf(unit, this.lost?.at ?? 0);
    for (const words of unit.commands) {
      this.command(words, touched, at, index);
    }
    for (const [name, before] of touched) {
      const [, kind, id] = KEY.exec(name);
      const after = { ...this.hashes.get(name) };
      const names = new Set([...Object.keys(before), ...Object.keys(after)]);
      if ([...names].some((field) => !QUIET.has(field)
        && before[field] !== after[field])) {
        this.note(kind === 'user' ? this.users : this.sessions, id,
          { index, at, before, after });
      }
    }
  }

  note(map, id, change) {
    if (!map.has(id)) {
      map.set(id, []);
    }
    map.get(id).push(change);
  }

  command([word, key, ...rest], touched, at, index) {
    const name = word.toUpperCase();
    const [, kind, id] = KEY.exec(key ?? '') ?? [];
    if (kind === 'user' || kind === 'session') {
      if (!touched.has(key)) {
        touched.set(key, { ...this.hashes.get(key) });
      }
      this.change(name, key, rest);
      this.sign(kind, name, id, rest, index);
    } else {
      this[`${kind ?? PLAIN.exec(key ?? '')?.[1]} ${name}`]?.(
        id, rest, index, at);
    }
  }

  sign(kind, name, sub, rest, index) {
    const i = rest.indexOf('seen');
    if (kind === 'user' && name === 'HSET' && i >= 0) {
      this.note(this.seen, sub, { index, at: Number(rest[i + 1]) });
    }
  }

  'blocked SADD'(sub, others, index, at) {
    others.forEach((other) => this.blocks.push({ index, at, sub, other }));
  }

  'met ZADD'(sub, [until, other], index) {
    this.meetings.push({ index, sub, other, until: Number(until) });
  }

  'claim ZADD'(id, [, ticket], index) {
    if (!this.claims.has(id)) {
      this.claims.set(id, { index, tickets: [] });
    }
    this.claims.get(id).tickets.push(ticket);
  }

  'claim ZREM'(claim, tickets, index) {
    tickets.forEach((ticket) => this.taken.push({ index, claim, ticket }));
  }

  'closing ZADD'(id, [, room], index) {
    if (this.plan?.index !== index) {
      this.plan = { index, rooms: [] };
    }
    if (!this.plans.has(room)) {
      this.plan.rooms.push(room);
      this.plans.set(room, this.plan);
    }
  }

  'ready SET'(id, rest, index, at) {
    this.ready.push({ index, at });
  }

  'ended XADD'(id, rest, index) {
    this.ended.push({ index, ...this.add('ended', rest) });
  }

  'reports XADD'(id, rest) {
    this.add('reports', rest);
  }

  'ended XDEL'(id, ids) {
    ids.forEach((one) => this.pending.ended.delete(one));
  }

  'reports XDEL'(id, ids) {
    ids.forEach((one) => this.pending.reports.delete(one));
  }

  'dirty ZADD'(id, [, sub]) {
    this.pending.dirty.add(sub);
  }

  'dirty ZREM'(id, [sub]) {
    this.pending.dirty.delete(sub);
  }

  // ID field value ... of an XADD, behind its options.
  add(stream, rest) {
    const first = rest.findIndex((word) => /^\d+-\d+$/.test(word));
    const entry = {};
    for (let i = first + 1; i < rest.length; i += 2) {
      entry[rest[i]] = rest[i + 1];
    }
    this.pending[stream].set(rest[first], entry);
    return entry;
  }

  change(name, key, rest) {
    const hash = this.hashes.get(key) ?? {};
    this.hashes.set(key, hash);
    switch (name) {
    case 'HSET':
    case 'HMSET':
      for (let i = 0; i < rest.length; i += 2) {
        hash[rest[i]] = rest[i + 1];
      }
      break;
    case 'HSETNX':
      hash[rest[0]] ??= rest[1];
      break;
    case 'HDEL':
      rest.forEach((field) => delete hash[field]);
      break;
    case 'HINCRBY':
      hash[rest[0]] = String(Number(hash[rest[0]] ?? 0) + Number(rest[1]));
      break;
    case 'PEXPIRE':
    case 'PEXPIREAT':
    case 'PERSIST':
      break;
    case 'DEL':
    case 'UNLINK':
      this.hashes.delete(key);
      break;
    default:
      throw new Error(`the log has ${name} of ${key}: not understood`);
    }
  }
}
