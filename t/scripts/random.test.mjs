// Random sequences of every transition, in any order and with stale or foreign
// arguments, against what must hold after each of them: a user is in exactly
// one state, a waiting user's ticket lies in exactly one place, points add up,
// and every session that started is in the history once. The scripts run on
// Redis's own clock here; model.test.mjs holds them against a model.
//
// CONVO_SEED repeats a run, CONVO_STEPS sets its length.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { newSid, Pool } from '../node/pool.mjs';
import { startRedis } from '../node/redis.mjs';

const seed = Number(process.env.CONVO_SEED ?? Date.now() % 1e9);
const steps = Number(process.env.CONVO_STEPS ?? 1000);
const subs = ['ann', 'bob', 'cat', 'dan', 'eve', 'f:{x}', 'gus'];

let server;
let client;
let pool;
let random;
let last; // snapshot

before(async () => {
  server = await startRedis();
  client = server.client();
});

after(async () => {
  client.disconnect();
  await server.stop();
});

// mulberry32: the same numbers for the same seed.
function generator(state) {
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

function below(n) {
  return Math.floor(random() * n);
}

function pick(list) {
  return list[below(list.length)];
}

// What the steps remember of the past, so that they can come back to it.
const known = { claims: [], sessions: [], tickets: [] };

function remembered(list, fallback) {
  return list.length > 0 ? pick(list.slice(-3)) : fallback;
}

async function takeClaim() {
  const id = newSid();
  const tickets = await pool.claim(id,
    { max: 2 + below(5), odd: pick(['0', '1']) });
  if (tickets.length > 0) {
    known.claims.push({ id, tickets });
    known.tickets.push(...tickets);
  }
}

async function commit() {
  const claim = remembered(known.claims, { id: newSid(), tickets: [] });
  const strange = [...known.tickets.slice(-20), '1.1:ann'];
  const ticket = (own) => (random() < 0.9 && own ? own : pick(strange));
  const first = below(claim.tickets.length);
  const one = ticket(claim.tickets[first]);
  const other = ticket(claim.tickets[first === 0 ? 1 : first - 1]);
  const sub = (text) => text.slice(text.indexOf(':') + 1);
  const session = { sid: newSid(), a: sub(one), b: sub(other), one, other,
    claim: claim.id };
  const [verdict] = await pool.commit(claim.id, one, other, session.sid);
  if (verdict === 'matched') {
    known.sessions.push(session);
  }
}

// Without a step of others in between.
async function claimAndCommit() {
  await takeClaim();
  await commit();
}

// One that goes on, more often than one of the past.
function someSession() {
  const open = known.sessions.filter(({ sid }) => last.open.includes(sid));
  return random() < 0.8 && open.length > 0
    ? pick(open) : remembered(known.sessions);
}

// A commit whose answer was lost, and which is sent again.
async function commitAgain() {
  const session = someSession();
  if (session) {
    await pool.commit(session.claim, session.one, session.other, session.sid);
  }
}

// As a worker does: only a ticket that was seen to be void is forgotten.
async function giveBack() {
  const { id, tickets } = remembered(known.claims, { id: 'x', tickets: [] });
  const some = tickets.filter(() => random() < 0.7);
  const users = await Promise.all(
    some.map((ticket) => pool.user(ticket.slice(ticket.indexOf(':') + 1))));
  await pool.release(id, 'forget',
    some.filter((ticket, i) => users[i].ticket !== ticket));
  await pool.release(id, 'back', some);
}

async function loseClaim() {
  if (last.claims.length > 0) {
    const id = pick(last.claims);
    await client.zadd(pool.key('claims'), 'XX', 1, id);
    await pool.release(id, 'expired');
  }
}

async function blame() {
  const { id, tickets } = remembered(known.claims, { id: 'x', tickets: [] });
  await pool.fault(id, pick([...tickets, 'nonsense']), 'test', 2);
}

async function participant() {
  const session = someSession();
  if (session) {
    const at = await pool.now() + 1000 * (below(120) - 90);
    await pool.participant(session, pick(['a', 'b']),
      pick(['joined', 'joined', 'left']), `PA_${below(4)}`, at);
  }
}

async function bothCome() {
  const session = someSession();
  if (session) {
    const at = await pool.now() - 1000 * below(20);
    await pool.participant(session, 'a', 'joined', `PA_${below(4)}`, at);
    await pool.participant(session, 'b', 'joined', `PA_${below(4)}`, at);
  }
}

// Time passes for a session and its two, who may be in another by now.
async function age() {
  const session = someSession();
  if (session && (await pool.user(session.a)).sid === session.sid
    && (await pool.user(session.b)).sid === session.sid) {
    await pool.age(session, pick([5, 16, 31, 61, 300, 900]) * 1000);
  }
}

async function endWindow() {
  const key = pool.key('user', pick(subs));
  const user = await client.hgetall(key);
  if (user.window_end && !user.sid) {
    await client.hset(key, 'window_end', Number(user.window_end) - 41 * 60000);
  }
}

async function fallSilent() {
  const sub = pick(subs);
  const user = await pool.user(sub);
  const ticket = user.ticket ?? remembered(known.tickets, '1.1:x');
  if (user.ticket && random() < 0.5) {
    await client.hset(pool.key('user', sub), 'seen', 1);
  }
  await pool.silence(sub, ticket, { graceMs: 0 });
}

async function lookAt() {
  const session = someSession();
  if (session) {
    await pool.look(session);
  }
}

async function failRoom() {
  const session = someSession();
  if (session) {
    await pool.miss(session, pick([0, await pool.now() - below(60000)]));
    await pool.failSession(session, await pool.now() - below(60000), 'found');
  }
}

async function join() {
  pool.points = pick([15, 15, 3]);
  pool.sessionMaxS = pick([900, 60, 90]);
  await pool.join(pick(subs));
  pool.points = 15;
}

const transitions = Object.entries({
  join: [8, join],
  leave: [2, () => pool.leave(pick(subs))],
  touch: [1, () => pool.touch({ [pick(subs)]: pick(['0', '1']) })],
  takeClaim: [4, takeClaim],
  commit: [6, commit],
  claimAndCommit: [5, claimAndCommit],
  commitAgain: [1, commitAgain],
  giveBack: [1, giveBack],
  loseClaim: [1, loseClaim],
  blame: [1, blame],
  participant: [3, participant],
  bothCome: [6, bothCome],
  age: [6, age],
  endWindow: [3, endWindow],
  fallSilent: [1, fallSilent],
  lookAt: [10, lookAt],
  failRoom: [1, failRoom],
}).flatMap(([name, [weight, run]]) => Array(weight).fill([name, run]));

// --- what must hold ---

async function entriesOf(key) {
  return (await client.xrange(key, '-', '+')).map(([, flat]) =>
    Object.fromEntries(flat.flatMap((name, i) => (i % 2
      ? [] : [[name, flat[i + 1]]]))));
}

async function snapshot() {
  const claims = await client.zrange(pool.key('claims'), 0, -1);
  const held = await Promise.all(
    claims.map((id) => client.zrange(pool.key('claim', id), 0, -1)));
  const [users, histories, sessions, queue, open, closing, ended, keys]
    = await Promise.all([
      Promise.all(subs.map((sub) => pool.user(sub))),
      Promise.all(subs.map((sub) => client.lrange(pool.key('history', sub),
        0, -1))),
      Promise.all(known.sessions.map(({ sid }) => pool.session(sid))),
      pool.queue(),
      client.zrange(pool.key('sessions'), 0, -1),
      client.zrange(pool.key('closing'), 0, -1),
      entriesOf(pool.key('ended')),
      client.keys(pool.key('claim', '*')),
    ]);
  return {
    users: Object.fromEntries(subs.map((sub, i) => [sub, users[i]])),
    histories: Object.fromEntries(subs.map((sub, i) =>
      [sub, histories[i].map((text) => JSON.parse(text))])),
    sessions: new Map(known.sessions.map(({ sid }, i) => [sid, sessions[i]])),
    placed: [...queue, ...held.flat()],
    claims, held, open, closing, ended, claimKeys: keys.length,
  };
}

const waitFields = ['ticket', 'order', 'waiting_since', 'tries'];
const sessionFields = ['sid', 'side', 'peer', 'committed', 'reserved'];

function checkUser(sub, user, now) {
  const has = (names) => names.filter((name) => user[name] !== undefined);
  const state = user.state ?? 'idle';
  const held = now.placed.filter((ticket) => ticket === user.ticket).length;

  assert.ok(['idle', 'waiting', 'matched', 'live'].includes(state));
  assert.deepEqual(has(waitFields), state === 'waiting' ? waitFields : []);
  assert.equal(held, state === 'waiting' ? 1 : 0, 'its ticket is in one place');

  const talks = state === 'matched' || state === 'live';
  assert.deepEqual(has(sessionFields), talks ? sessionFields : []);
  if (talks) {
    const session = now.sessions.get(user.sid);
    assert.equal(session.state, state);
    assert.equal(session[user.side], sub);
    assert.notEqual(user.peer, sub);
    assert.equal(now.users[user.peer].peer, sub);
    assert.equal(now.users[user.peer].sid, user.sid);
    assert.equal(session.reserved, user.reserved);
  }

  const [spent, reserved] = [Number(user.spent ?? 0),
    Number(user.reserved ?? 0)];
  assert.ok(spent >= 0 && reserved >= 0 && spent + reserved <= pool.points,
    `spent ${spent}, reserved ${reserved}`);
  assert.equal(talks, reserved > 0);
}

// Only a transition changes the state, and each raises the version.
function checkChange(was, is) {
  const version = (user) => Number(user.version ?? 0);
  assert.ok(version(is) >= version(was), 'the version never falls');
  if ((was.state ?? 'idle') !== (is.state ?? 'idle') || was.sid !== is.sid) {
    assert.ok(version(is) > version(was), 'a transition raises the version');
  }
}

// What a user has spent grows by what a session cost, in the same window.
function checkCharge(sub, was, is) {
  const old = new Set(was.histories[sub].map(({ sessionId }) => sessionId));
  const fresh = is.histories[sub].filter((item) => !old.has(item.sessionId));
  const [before, now] = [was.users[sub], is.users[sub]];
  const cost = fresh.reduce((sum, { pointsSpent }) => sum + pointsSpent, 0);
  const grown = Number(now.spent ?? 0) - Number(before.spent ?? 0);

  assert.ok(fresh.length <= 1, 'one session at a time');
  if (before.window_end === now.window_end || fresh.length > 0) {
    assert.equal(grown, cost);
  }
}

function checkSession({ sid, a, b }, now) {
  const session = now.sessions.get(sid);
  const over = session.state === 'ended';
  const entries = now.ended.filter(({ sessionId }) => sessionId === sid);

  assert.equal(now.open.includes(sid), !over, 'open while not ended');
  assert.equal(now.closing.includes(pool.room(sid)), over,
    'its room is to go when it has ended');
  assert.equal(entries.length, over && session.start ? 1 : 0, 'in history');

  for (const [entry] of [entries].filter((list) => list.length)) {
    const { startTime, endTime, duration } = entry;
    assert.equal(Number(duration), endTime - startTime);
    assert.ok(duration >= 0);
    const points = Math.min(Number(session.reserved),
      Math.ceil(duration / 60));
    for (const sub of [a, b]) {
      const own = now.histories[sub].filter((item) => item.sessionId === sid);
      assert.deepEqual(own.map((item) => item.pointsSpent), [points]);
    }
  }
}

function check(was, now) {
  for (const sub of subs) {
    checkUser(sub, now.users[sub], now);
    checkChange(was.users[sub], now.users[sub]);
    checkCharge(sub, was, now);
  }
  known.sessions.slice(-12).forEach((one) => checkSession(one, now));
  assert.equal(new Set(now.placed).size, now.placed.length,
    'no ticket twice');
  assert.equal(now.claimKeys, now.claims.length, 'every claim has a lease');
  assert.ok(now.held.every((tickets) => tickets.length > 0), 'no empty claim');
  assert.equal(now.ended.length,
    new Set(now.ended.map(({ sessionId }) => sessionId)).size);
}


test(`${steps} random transitions, seed ${seed}`, async (t) => {
  const done = [];

  t.diagnostic(`CONVO_SEED=${seed}`);
  random = generator(seed);
  pool = new Pool(client);
  pool.windowMs = 40 * 60000;
  await pool.open();

  last = await snapshot();
  for (let step = 0; step < steps; step += 1) {
    const [name, run] = pick(transitions);
    try {
      await run();
      const now = await snapshot();
      done.push(name);
      check(last, now);
      last = now;
    } catch (error) {
      error.message += ` (CONVO_SEED=${seed}, step ${step}: ${
        done.slice(-8).join(' ')} ${name})`;
      throw error;
    }
  }

  const stats = await client.hgetall(pool.key('stats'));
  t.diagnostic(`${stats.matches} matches`);
  assert.ok(Number(stats.matches) > steps / 100, 'enough was matched');
});
