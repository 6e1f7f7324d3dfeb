// A run of the torture test: users live, faults are injected, then everything
// is made whole, settles, and is judged.
//
//   node t/torture/main.mjs [--store=STORE] [--users=N] [--loss]
//       SECONDS [SEED...]
//
// STORE is "sqlite", "dynamodb", or "both": an odd seed has the one, an even
// one the other. --loss: Redis loses its data once.
//
// docs/torture.md says what it does and how to read what it finds.

import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';

import { account } from './account.mjs';
import { check } from './checker.mjs';
import { Injector, loss, schedule } from './faults.mjs';
import { House } from './house.mjs';
import { Operator } from './operator.mjs';
import { Recording } from './recording.mjs';
import { Tokens } from './tokens.mjs';
import { Truth } from './truth.mjs';
import { User } from './user.mjs';

const USERS = 200;
const POOL = '{default}:';

// What the system is configured to: everything short, so that a minute has
// many windows, deadlines and leases. drop_after leaves a user whose stream
// closed at one process, which says so, the time to be touched by another.
export const settings = {
  issuer: 'https://cognito-idp.us-east-1.amazonaws.com/us-east-1_torture',
  client: 'torture',
  points: 3, windowMs: 40000,
  sessionMaxS: 12, longSessionMaxS: 80,
  leaseMs: 8000, silentAfterMs: 15000, dropAfterMs: 30000,
  restartGraceMs: 15000, noShowMs: 4000, absenceMs: 3000,
};

// How long the system may take to settle once it is whole: a lease, a no-show
// or an absence after it, what was late by a back-off, and a sweep: a room's
// creation that LiveKit was slow with may take effect after its deletion.
const SETTLE_MS = 60000;

// What the process of this test has to be held up to call it a stall.
const STALL_MS = 600;

const BAD = /\[(alert|crit|emerg)\]|ERROR: \w+Sanitizer|runtime error:/;

// The accounts that are printed; the recording has the others.
const ACCOUNTS = 5;

// A session of whoever was told of one lately, or one that never was.
function anySession({ told }) {
  const sid = told.at(-1)?.document.session?.sessionId;
  return sid ?? 'a'.repeat(26);
}

export class Run {
  constructor({ seconds, seed, store = 'sqlite', users = USERS, faults = true,
    lose = false, mischief }) {
    Object.assign(this, { seconds, seed, faults, lose });
    this.recording = new Recording(
      { ...settings, leastSessions: Math.floor(users * seconds / 300) });
    this.house = new House({ seed, settings, recording: this.recording,
      store, mischief });
    this.tokens = new Tokens(settings);
    this.count = users;
  }

  async start() {
    await this.house.start(this.tokens.keySet);
    const world = {
      seed: this.seed, settings, recording: this.recording,
      media: this.house.media, over: false,
      anySession: () => anySession(this.recording),
      agent: new http.Agent({ keepAlive: true, maxSockets: Infinity }),
    };
    this.world = world;
    this.users = Array.from({ length: this.count }, (_, i) => {
      const sub = `user-${String(i).padStart(3, '0')}`;
      // every fourth comes by the door of long sessions
      const long = i % 4 === 0;
      this.recording.users.push({ sub, long });
      return new User(world, sub, this.tokens.mint(sub), {
        port: long ? this.house.ports.longEdge : this.house.ports.edge,
        talkMs: long && this.seconds > 100 ? 75000 : 14000,
      });
    });
  }

  async torture() {
    this.recording.mark('began');
    const watch = this.watch();
    const lives = this.users.map((user) => user.live());
    const injector = new Injector(this.house, this.schedule());
    const operator = new Operator(this.house, this.seed, this.users);
    const work = operator.work(this.world);
    await Promise.all([injector.run(), sleep(this.seconds * 1000)]);
    this.recording.mark('whole');
    this.house.media.obey();
    this.world.over = true;
    this.users.forEach((user) => user.wake());
    await Promise.all([...lives, work]);
    this.recording.mark('over');
    clearInterval(watch);
  }

  schedule() {
    const { seed, seconds, house } = this;
    return [
      ...this.faults ? schedule(seed, seconds, house.store.faults) : [],
      ...this.lose ? [loss(seed, seconds)] : [],
    ].sort((one, other) => one.at - other.at);
  }

  // A machine that stands still is no fault of the system's.
  watch() {
    let last = Date.now();
    return setInterval(() => {
      const now = Date.now();
      if (now - last > STALL_MS) {
        Object.assign(this.recording.fault('stall'), { from: last, to: now });
      }
      last = now;
    }, 100);
  }

  // --- settling

  // Until nothing is left to do, or for too long; users keep their streams.
  async settle() {
    const end = Date.now() + SETTLE_MS;
    let quiet = 0;
    while (Date.now() < end && quiet < 3) {
      quiet = await this.isQuiet() ? quiet + 1 : 0;
      await sleep(500);
    }
    // what was told last may still be under way
    await sleep(1500);
    this.recording.mark('settled');
  }

  async isQuiet() {
    const redis = this.house.client;
    const counts = await Promise.all([
      redis.zcard(`${POOL}sessions`), redis.zcard(`${POOL}claims`),
      redis.zcard(`${POOL}closing`), redis.xlen(`${POOL}ended`),
      redis.xlen(`${POOL}livekit`), redis.xlen(`${POOL}reports`),
      redis.zcard(`${POOL}dirty`), redis.zcard(`${POOL}probes`),
    ]);
    return counts.every((count) => count === 0) && await this.nobodyCanMeet()
      && this.house.media.rooms.size === 0
      && this.house.media.pending.size === 0;
  }

  // Whether all of the queue waits, and no two of it may be paired.
  async nobodyCanMeet() {
    const redis = this.house.client;
    const tickets = await redis.lrange(`${POOL}queue`, 0, -1);
    const subs = tickets.map((ticket) => ticket.replace(/^[^:]*:/, ''));
    const pairs = subs.flatMap((sub, i) => subs.slice(i + 1).map(
      (other) => [sub, other]));
    const blocked = await Promise.all(pairs.map(([sub, other]) =>
      redis.sismember(`${POOL}blocked:${sub}`, other)));
    const good = await Promise.all(subs.map((sub) => redis.hget(
      `${POOL}user:${sub}`, 'ticket')));
    return blocked.every(Boolean) && (tickets.length < 2
      || tickets.every((ticket, i) => ticket === good[i]));
  }

  // --- what was

  async gather() {
    const { recording, house } = this;
    const histories = {};
    for (const user of this.users) {
      const { status, body } = await user.history();
      if (status === 200) {
        histories[user.sub] = body.sessions;
      } else {
        recording.notes.push(`${user.sub}: history in the end: ${status}`);
      }
    }
    const dump = await this.dump();
    this.users.forEach((user) => user.closeWindows());
    this.world.agent.destroy();
    for (const worker of house.workers) {
      const how = await worker.end('SIGTERM');
      if (how !== 0) {
        recording.notes.push(`${worker.name} ended with ${how}`);
      }
    }
    await house.edge.end('SIGTERM');
    await house.redis.end('SIGTERM');
    this.readLogs();
    const { store } = house;
    return { ...recording, histories, dump,
      truth: new Truth(house.units()),
      stored: await store.rows('sessions'),
      storedUsers: await store.rows('users'),
      storedBlocks: await store.rows('blocked'),
      reports: await store.rows('reports') };
  }

  async dump() {
    const redis = this.house.client;
    const users = {};
    for (const key of await redis.keys(`${POOL}user:*`)) {
      users[key.slice(`${POOL}user:`.length)] = await redis.hgetall(key);
    }
    const stream = async (name) => (await redis.xrange(
      `${POOL}${name}`, '-', '+')).map(([id, fields]) =>
      `${id} ${fields.join(' ')}`);
    return {
      users,
      queue: await redis.lrange(`${POOL}queue`, 0, -1),
      claims: await redis.zrange(`${POOL}claims`, 0, -1),
      sessions: await redis.zrange(`${POOL}sessions`, 0, -1),
      closing: await redis.zrange(`${POOL}closing`, 0, -1),
      ended: await stream('ended'),
      events: await stream('livekit'),
      reports: await stream('reports'),
      dirty: await redis.zrange(`${POOL}dirty`, 0, -1),
      probes: await redis.zrange(`${POOL}probes`, 0, -1),
      dead: await stream('dead'),
      rooms: [...this.house.media.rooms.keys()],
    };
  }

  // What may not be logged; that a process was killed by us is known.
  readLogs() {
    const { house, recording } = this;
    for (const name of ['edge-error', 'edge', ...house.workers.map(
      (worker) => worker.name)]) {
      const text = readFileSync(path.join(house.dir, `${name}.log`), 'utf8');
      text.split('\n').filter((line) => BAD.test(line) && !this.isOurs(line))
        .slice(0, 5).forEach((line) => recording.notes.push(
          `${name}: ${line}`));
    }
  }

  // NGINX itself says so much when a process that still lets its requests
  // finish, after a reload, is told to end at once.
  isOurs(line) {
    const time = line.slice(0, '2000/01/01 00:00:00'.length);
    const at = Date.parse(time.replaceAll('/', '-'));
    return /exited on signal 9/.test(line)
      || (/open socket #\d+ left in connection|aborting$/.test(line)
        && this.house.edge.endings.some((end) => end.signal === 'SIGTERM'
          && at > end.at - 1000 && at < end.at + 3000));
  }

  // --- keeping

  // What was recorded, and the folder with all logs, where it is looked for.
  keep(whole, objections) {
    const logs = process.env.CONVO_LOGS;
    const dir = logs ? path.join(logs, `torture-${this.seed}`)
      : this.house.dir;
    if (whole) {
      const { truth, ...rest } = whole;
      writeFileSync(path.join(this.house.dir, 'recording.json'),
        JSON.stringify({ ...rest, objections }));
    }
    if (logs) {
      cpSync(this.house.dir, dir, { recursive: true });
    }
    return dir;
  }

  forget() {
    rmSync(this.house.dir, { recursive: true, force: true });
  }
}

// A run and its objections; dir has everything, if there are any.
export async function torture(options, say = () => {}) {
  const run = new Run(options);
  try {
    await run.start();
    say(`seed ${options.seed}, ${options.seconds} s, ${options.store
      ?? 'sqlite'}${options.lose ? ', with a loss' : ''}`);
    await run.torture();
    say(`whole again: ${summary(run.recording)}`);
    await run.settle();
    const whole = await run.gather();
    const objections = check(whole);
    const dir = objections.length ? run.keep(whole, objections) : null;
    if (!dir || process.env.CONVO_LOGS) {
      run.forget();
    }
    return { whole, objections, dir };
  } catch (error) {
    error.message += ` (see ${run.keep()})`;
    throw error;
  } finally {
    await run.house.stop();
  }
}

function summary({ requests, told, faults, media }) {
  const kinds = {};
  faults.forEach(({ kind }) => {
    kinds[kind] = (kinds[kind] ?? 0) + 1;
  });
  return `${requests.length} requests, ${told.length} documents told, ${
    media.length} events of rooms, ${faults.length} faults (${Object.entries(
    kinds).map(([kind, n]) => `${n} ${kind}`).join(', ')})`;
}

export function outcome(whole) {
  const finals = [...whole.truth.sessions.values()].map(
    (changes) => changes.at(-1).after);
  const joins = whole.requests.filter(({ what }) => what === 'join');
  const count = (status) => joins.filter((join) => join.status === status)
    .length;
  return `${finals.length} matches, ${finals.filter(({ start }) => start)
    .length} sessions held, ${whole.stored.length} stored; ${joins.length
  } joins: ${count(200)} taken, ${count(429)} without points, ${count(503)
  } unavailable, ${count(null)} without an answer; ${
    whole.requests.filter(({ what, status }) => what === 'report'
      && status === 200).length} reports, ${
    whole.bans.filter(({ status }) => status === 0).length} bans; settled in ${
    ((whole.marks.settled - whole.marks.over) / 1000).toFixed(1)} s`;
}

export function report(whole, objections) {
  const kinds = {};
  objections.forEach(({ law }) => {
    kinds[law] = (kinds[law] ?? 0) + 1;
  });
  const lines = Object.entries(kinds).map(
    ([law, n]) => `  ${n} by the law ${law}`);
  const firsts = Object.keys(kinds).map(
    (law) => objections.find((one) => one.law === law));
  return [`${objections.length} objections`, ...lines, '',
    ...firsts.slice(0, ACCOUNTS).map((one) => `${account(whole, one)}\n`)]
    .join('\n');
}

// The store of a seed.
function storeOf(store, seed) {
  return store === 'both' ? ['dynamodb', 'sqlite'][Number(seed) % 2] : store;
}

async function main() {
  const { values, positionals: [seconds = '60', ...some] } = parseArgs({
    allowPositionals: true,
    options: {
      store: { type: 'string', default: 'sqlite' },
      users: { type: 'string', default: String(USERS) },
      loss: { type: 'boolean', default: false },
    },
  });
  const say = (text) => console.log(`torture: ${text}`);
  for (const seed of some.length ? some : [String(Date.now() % 1000000)]) {
    const { whole, objections, dir } = await torture({
      seconds: Number(seconds), seed, store: storeOf(values.store, seed),
      users: Number(values.users), lose: values.loss,
    }, say);
    say(outcome(whole));
    if (objections.length) {
      console.log(report(whole, objections));
      say(`seed ${seed} broke promises; all of it is in ${dir}`);
      process.exitCode = 1;
    } else {
      say(`seed ${seed}: every promise held`);
    }
  }
}

if (import.meta.url === `file://${process.argv[1]}`) {
  await main();
}
