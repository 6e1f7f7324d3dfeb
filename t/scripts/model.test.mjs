// The scripts against the reference model (t/node/model.mjs): random sequences
// of all transitions, in any order and with stale, foreign and damaged
// arguments. After every step the scripts have answered what the model answers,
// and the whole of Redis is what the model says, to the last field; and what
// has to hold for users, holds.
//
// Time is the test's: the scripts run as they are but for lib/time.lua, which
// is replaced by one that reads a key. Keys past their time are taken away by
// the test; that Redis would do so is seen by their time to live.
//
// CONVO_SEED repeats a run, CONVO_STEPS sets its length.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { Model } from '../node/model-session.mjs';
import { stateOf, waitFields } from '../node/model.mjs';
import { newSid, Pool } from '../node/pool.mjs';
import { scriptText, startRedis } from '../node/redis.mjs';

const seed = Number(process.env.CONVO_SEED ?? Date.now() % 1e9);
const steps = Number(process.env.CONVO_STEPS ?? 4000);
const subs = ['ann', 'bob', 'cat', 'dan', 'eve', 'f:{x}:user:y'];
const MINUTE = 60000;
const DAY = 1440 * MINUTE;
const FOREVER = 999999999999999;

// --- the scripts, on the test's clock ---

const realClock = `local function now_ms()
local t = redis.call('TIME')
return tonumber(t[1]) * 1000 + math.floor(tonumber(t[2]) / 1000)
end
`;
const testClock = `local function now_ms()
return tonumber(redis.call('GET', 'now'))
end
`;
const texts = new Map();

function textOf(name) {
  if (!texts.has(name)) {
    const text = scriptText(name).body.replace(realClock, testClock);
    assert.doesNotMatch(text, /'TIME'/, `${name} has no other clock`);
    texts.set(name, text);
  }
  return texts.get(name);
}

class ClockedPool extends Pool {
  run(script, keys, args = []) {
    return this.client.eval(textOf(script), keys.length, ...keys, ...args);
  }
}

// All of Redis: [key, type, time to live in ms, what it holds].
const DUMP = `
local all = {}
for _, key in ipairs(redis.call('KEYS', '*')) do
    local kind = redis.call('TYPE', key).ok
    local held
    if kind == 'string' then held = redis.call('GET', key)
    elseif kind == 'hash' then held = redis.call('HGETALL', key)
    elseif kind == 'list' then held = redis.call('LRANGE', key, 0, -1)
    elseif kind == 'set' then held = redis.call('SMEMBERS', key)
    elseif kind == 'zset' then
        held = redis.call('ZRANGE', key, 0, -1, 'WITHSCORES')
    else held = redis.call('XRANGE', key, '-', '+') end
    all[#all + 1] = {key, kind,
        string.format('%d', redis.call('PTTL', key)), held}
end
return cjson.encode(all)`;

let server;
let client;
let listener;
let pool;
let model;
let random;
const heard = [];
const born = Date.now();

before(async () => {
  server = await startRedis();
  client = server.client();
  listener = server.client();
  listener.on('pmessage', (pattern, channel, message) =>
    heard.push([channel, Number(message)]));
  await listener.psubscribe('*');
  pool = new ClockedPool(client);
  pool.windowMs = 40 * MINUTE;
});

after(async () => {
  client.disconnect();
  listener.disconnect();
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

const below = (n) => Math.floor(random() * n);
const pick = (list) => list[below(list.length)];
const some = (list) => list.filter(() => random() < 0.6);
const maybe = (likely, list, otherwise) =>
  (list.length > 0 && random() < likely ? pick(list) : otherwise());

// --- what the two have in common ---

const pairs = (flat) => flat.flatMap((name, i) =>
  (i % 2 ? [] : [[name, flat[i + 1]]]));
const texted = (object) => Object.fromEntries(Object.entries(object)
  .filter(([, value]) => value !== undefined)
  .map(([name, value]) => [name, String(value)]));

// What lies in a key, whatever the order Redis has it in.
function readHeld(key, kind, held) {
  if (kind === 'hash') {
    return Object.fromEntries(pairs(held));
  }
  if (kind === 'zset') {
    return Object.fromEntries(pairs(held).map(([member, score]) =>
      [`member ${member}`, Number(score)]));
  }
  if (kind === 'set') {
    return held.sort();
  }
  if (kind === 'stream') {
    return held.map(([, flat]) => Object.fromEntries(pairs(flat)));
  }
  return key.startsWith(pool.key('history', ''))
    ? held.map((text) => JSON.parse(text)) : held;
}

async function readRedis() {
  const state = { held: {}, lives: {} };
  for (const [key, kind, life, held] of JSON.parse(
    await client.eval(DUMP, 0))) {
    const empty = kind === 'stream' && !held.length;
    if (key !== 'now' && key !== pool.key('alive') && !empty) {
      state.held[key] = readHeld(key, kind, held);
    }
    if (Number(life) >= 0 && key !== pool.key('alive')) {
      state.lives[key] = Number(life);
    }
  }
  return state;
}

const scores = (map) => Object.fromEntries([...map].map(([member, score]) =>
  [`member ${member}`, score]));

function project() {
  const held = {};
  const put = (key, value) => {
    if (Array.isArray(value) ? value.length : Object.keys(value).length) {
      held[key] = value;
    }
  };
  const putAll = (kind, map, form) => map.forEach((value, id) =>
    put(pool.key(kind, id), form(value)));

  put(pool.key('ready'), model.isOpen ? '1' : '');
  put(pool.key('schema'), model.isOpen ? '1' : '');
  put(pool.key('order'), model.order ? String(model.order) : '');
  put(pool.key('restoring'), model.restoring ?? '');
  put(pool.key('run'), texted(model.run));
  put(pool.key('stats'), texted(model.stats));
  put(pool.key('queue'), model.queue);
  for (const kind of ['claims', 'probes', 'closing', 'dirty']) {
    put(pool.key(kind), scores(model[kind]));
  }
  put(pool.key('sessions'), scores(model.due));
  put(pool.key('dead'), model.dead.map((letter) =>
    texted({ ...letter, what: JSON.stringify(letter.what) })));
  for (const kind of ['ended', 'reports', 'livekit']) {
    put(pool.key(kind), model[kind].map(texted));
  }
  putAll('user', model.users, texted);
  putAll('session', model.sessions, texted);
  putAll('claim', model.tickets, scores);
  putAll('met', model.met, scores);
  putAll('blocked', model.blocked, (set) => [...set].sort());
  putAll('history', model.histories, (list) => list);
  model.events.forEach((id) => put(pool.key('event', id), '1'));
  return held;
}

// A key lives for as long as the model says, less what has passed since.
function checkLives(lives) {
  const passed = Date.now() - born + 1000;
  assert.deepEqual(Object.keys(lives).sort(),
    [...model.expires.keys()].map((key) => `{default}:${key}`).sort());
  for (const [key, { ms }] of model.expires) {
    const life = lives[`{default}:${key}`];
    assert.ok(life <= ms && life >= ms - passed,
      `${key} lives for ${life}, not ${ms}`);
  }
}

// --- time ---

async function setClock() {
  await client.set('now', model.now);
}

async function pass(ms) {
  model.now += ms;
  await setClock();
  const over = [...model.expires].filter(([, { at }]) => at <= model.now)
    .map(([key]) => key);
  for (const key of over) {
    const [kind, ...rest] = key.split(':');
    const id = rest.join(':');
    model.expires.delete(key);
    await client.del(`{default}:${key}`);
    if (kind === 'restoring') {
      model.restoring = null;
    } else {
      ({ user: model.users, session: model.sessions, met: model.met,
        history: model.histories, event: model.events })[kind].delete(id);
    }
  }
}

// --- what may happen ---

// Both do it; they must answer alike.
async function both(method, ...args) {
  const [is, expected] = [await pool[method](...args), model[method](...args)];
  assert.deepEqual(is, expected, `the answer of ${method}`);
  return is;
}

async function script(name, keys, args, expected) {
  const is = await pool.run(name, keys, args);
  assert.deepEqual(is, expected, `the answer of ${name}`);
  return is;
}

const past = { claims: [], sids: [], tickets: ['1.1:ann'], records: [] };
const recent = (list) => pick(list.slice(-4));

const aClaim = () => maybe(0.9, [...model.claims.keys()],
  () => (past.claims.length ? recent(past.claims) : 'none'));

function aSession() {
  const open = [...model.due.keys()].filter((sid) => model.sessions.has(sid));
  const sid = maybe(0.85, open,
    () => (past.sids.length ? recent(past.sids) : newSid()));
  const { a = 'ann', b = 'bob' } = model.sessions.get(sid) ?? {};
  return { sid, a, b };
}

function set(name, value) {
  pool[name] = value;
  model[name] = value;
}

async function join() {
  set('points', pick([15, 15, 15, 3]));
  set('sessionMaxS', pick([900, 900, 60, 90]));
  await both('join', pick(subs));
  set('points', 15);
}

async function joinAll() {
  for (const sub of some(subs)) {
    await both('join', sub);
  }
}

async function takeClaim() {
  const id = random() < 0.8 ? newSid() : aClaim();
  const tickets = await both('claim', id,
    { max: 2 + below(5), odd: pick(['0', '1']) });
  past.claims.push(id);
  past.tickets.push(...tickets);
  return id;
}

async function commitOf(id) {
  const held = [...model.tickets.get(id)?.keys() ?? []]
    .filter((ticket) => /^\d+\.\d+:/.test(ticket));
  const ticket = (own) => (own && random() < 0.95 ? own
    : recent(past.tickets));
  const [one, two] = [ticket(held[0]), ticket(held[1] ?? held[0])];
  // an id is random: none comes again when its session is forgotten
  const sid = maybe(0.05, past.sids.filter((one) => model.sessions.has(one)),
    newSid);
  if ((await both('commit', id, one, two, sid))[0] === 'matched') {
    past.sids.push(sid);
  }
}

async function claimAndCommit() {
  const id = await takeClaim();
  await commitOf(id);
  if (random() < 0.8) {
    await both('release', id, 'back', [...model.tickets.get(id)?.keys() ?? []]);
  }
}

// As a worker does: only a ticket that was seen to be void is forgotten.
async function giveBack() {
  const id = aClaim();
  const held = some([...model.tickets.get(id)?.keys() ?? []]);
  const isVoid = (ticket) =>
    model.user(ticket.slice(ticket.indexOf(':') + 1)).ticket !== ticket;
  await both('release', id, 'forget', held.filter(isVoid));
  await both('release', id, 'back', [...held, recent(past.tickets)]);
}

async function blame() {
  const id = aClaim();
  await both('fault', id, maybe(0.9,
    [...model.tickets.get(id)?.keys() ?? []], () => recent(past.tickets)),
  pick(['corrupt', 'refused']), pick([2, 5]));
}

async function participant() {
  const at = model.now + 1000 * (below(60) - 50);
  await both('participant', aSession(), pick(['a', 'b']),
    pick(['joined', 'joined', 'left']), `PA_${below(4)}`, at);
}

async function bothCome() {
  const session = aSession();
  const at = model.now - 1000 * below(5);
  await both('participant', session, 'a', 'joined', `PA_${below(4)}`, at);
  await both('participant', session, 'b', 'joined', `PA_${below(4)}`, at);
}

// Two of one side at the same time, in any order.
async function tie() {
  const [session, side, at] = [aSession(), pick(['a', 'b']), model.now];
  await both('participant', session, side, 'joined', 'PA_x', at);
  await both('participant', session, side, 'joined', 'PA_y', at);
  await both('participant', session, side, 'left', pick(['PA_x', 'PA_y']), at);
}

async function lookAtDue() {
  for (const sid of [...model.due.keys()].slice(0, 4)) {
    const { a = 'ann', b = 'bob' } = model.sessions.get(sid) ?? {};
    if (await both('look', { sid, a, b }) === 'broken') {
      await both('burySession', { sid, a, b });
    }
  }
}

async function recall() {
  const sub = pick(subs);
  const version = model.user(sub).version ?? 0;
  await both('recall', sub,
    Math.max(0, version + pick([-1, 0, 1, 5000, MINUTE])),
    pick(['waiting', 'waiting', 'idle', 'matched', 'live']),
    model.now + pick([-MINUTE, -1000, 1000]));
}

async function ban() {
  await both('ban', pick(subs), pick([0, model.now - 1,
    model.now + 5 * MINUTE, model.now + 100 * DAY, FOREVER]));
}

// Else nobody would be left who may meet anybody.
async function amnesty() {
  for (const sub of subs) {
    await both('ban', sub, 0);
    await client.del(pool.key('blocked', sub));
    model.blocked.delete(sub);
  }
}

async function damage() {
  const { sid } = aSession();
  if (model.goesOn(sid)) {
    await client.hset(pool.key('session', sid), 'max_ms', 'odd');
    model.sessions.get(sid).max_ms = 'odd';
  }
}

async function litter() {
  const kind = pick(['queue', 'claims', 'sessions', 'closing', 'probes',
    'dirty']);
  const member = pick(['rubbish', '', 'ünsinn "x"\\\n', '1.2:', `x${below(9)}`]);
  const place = model.place(kind);
  if (kind === 'queue' && !place.includes(member)) {
    await client.lpush(pool.key(kind), member);
    place.unshift(member);
  } else if (kind !== 'queue') {
    await client.zadd(pool.key(kind), model.now, member);
    place.set(member, model.now);
  }
  if (random() < 0.7) {
    await both('bury', kind, [member, 'never there']);
  }
}

async function reviveOne() {
  if (model.dead.length > 0) {
    const index = below(model.dead.length);
    const letter = (await pool.dead())[index];
    assert.equal(await pool.revive(letter), model.revive(index));
  }
}

async function dropSome() {
  const letters = await pool.dead();
  const index = below(letters.length + 1);
  const ids = letters.slice(0, index).map(({ id }) => id);
  model.dead.splice(0, index);
  await script('drop', [pool.key('dead')], [...ids, '1-1'], index);
}

async function rooms() {
  const room = maybe(0.7, [...model.closing.keys()],
    () => pool.room(newSid()));
  const closing = [pool.key('closing')];
  await script('plan_room', closing, [5000, room],
    model.planRooms(5000, [room]));
  await script('take_rooms', closing, [3, 2000], model.takeRooms(3, 2000));
  await script('room_closed', closing, [room], model.roomClosed(room));
  await both('sweepRoom', maybe(0.8, past.sids.slice(-9), newSid));
}

async function store() {
  for (const sub of await both('takeDirty', pick([1, 3, 10]), 30000)) {
    const user = model.user(sub);
    const stale = user.version === undefined ? 0 : pick([0, 0, 1]);
    await both('saved', sub, (user.version ?? 0) - stale);
    if (user.version !== undefined) {
      past.records.push({ sub, version: user.version, state: stateOf(user),
        points: user.points ?? 0, spent: user.spent ?? 0,
        windowEndS: Math.ceil((user.window_end ?? 0) / 1000),
        lastSessionS: user.last_session_s ?? 0,
        bannedUntilS: Math.floor((user.banned_until ?? 0) / 1000),
        blocked: [...model.blocked.get(sub) ?? []] });
    }
  }
}

async function restore() {
  await both('restoreLease', pick(['w1', 'w2']), 3600000,
    pick(['0', '0', '1', 'end']));
  for (const record of some(past.records.slice(-8))) {
    await both('restoreUser', record.sub, record);
  }
  for (const stored of some(model.ended.slice(-4))) {
    await both('restoreSession', storedSession(stored));
  }
  const { sid, a, b } = aSession();
  if (random() < 0.2 && model.sessions.has(sid)) {
    await both('restoreSession', storedSession({ sessionId: sid, userA: a,
      userB: b, startTime: Math.floor(model.now / 1000) - 60, duration: 60 }));
  }
  if (random() < 0.3) {
    await both('restoreSession', storedSession({ sessionId: newSid(),
      userA: pick(subs.slice(0, 3)), userB: pick(subs.slice(3)),
      startTime: Math.floor(model.now / 1000) - below(10000), duration: 60 }));
  }
}

// As the worker has it from the store.
function storedSession({ sessionId, userA, userB, startTime, duration }) {
  const entry = JSON.stringify({ sessionId, startTime,
    endTime: startTime + duration, duration,
    pointsSpent: Math.ceil(duration / 60) });
  return { sessionId, userA, userB, startTime, entry,
    untilMs: startTime * 1000 + pool.windowMs };
}

// Redis is another process, with its data, or with a beat that went back.
async function anotherRedis() {
  set('runId', newSid());
  const name = pick(['w1', 'w2']);
  const seen = model.run[`beat:${name}`] ?? 0;
  await both('beat', '', pick([0, seen, seen + 1]), name);
  await both('takeDirty', 3, 30000);
  await restore();
  await both('beat', 'w1', 0, 'w1', 1);
  await both('open');
}

// Redis loses everything; somebody restores it, and opens the pool again.
async function disaster() {
  await client.flushall();
  model.clear();
  await setClock();
  set('runId', newSid());
  await both('join', pick(subs));
  await both('ban', pick(subs), FOREVER);
  await recall();
  await restore();
  await both('beat', pick(['', 'w1', 'w2']), 0, 'w1', pick([1, 3600000]));
  await both('open');
}

async function livekitEvent() {
  const id = `EV_${below(20)}`;
  const entry = { event: 'joined', sid: newSid(), side: 'a', psid: 'P', at: 1 };
  const fresh = !model.events.has(id);
  if (fresh) {
    model.events.add(id);
    model.expire(`event:${id}`, 3600000);
    model.livekit.push(entry);
  }
  await script('livekit_event', [pool.key('event', id), pool.key('livekit')],
    [3600, ...Object.values(entry)], fresh ? 1 : 0);
}

// What was read of a stream is done with.
async function drain() {
  const kind = pick(['ended', 'reports', 'livekit']);
  const entries = await client.xrange(pool.key(kind), '-', '+', 'COUNT', 5);
  if (entries.length > 0) {
    model[kind].splice(0, entries.length);
    await script('done', [pool.key(kind)],
      ['workers', ...entries.map(([id]) => id)], entries.length);
  }
}

async function history() {
  const sub = pick(subs);
  const list = await pool.run('history', [pool.key('history', sub)], [5]);
  assert.deepEqual(list.map((text) => JSON.parse(text)),
    model.history(sub, 5));
}

// A caller that names another session than the user's.
async function strangeLeave() {
  const sub = pick(subs);
  const state = stateOf(model.user(sub));
  if (state === 'matched' || state === 'live') {
    const view = await pool.leave(sub, { sid: newSid(), a: sub, b: 'eve' });
    assert.deepEqual(view, model.answer('again', sub));
  }
}

const transitions = Object.entries({
  join: [6, join],
  joinAll: [6, joinAll],
  leave: [3, () => both('leave', pick(subs))],
  strangeLeave: [1, strangeLeave],
  view: [1, () => both('view', pick(subs))],
  touch: [1, () => both('touch', { [pick(subs)]: pick(['0', '1']) })],
  recall: [2, recall],
  anotherRedis: [1, anotherRedis],
  takeClaim: [3, takeClaim],
  commit: [3, () => commitOf(aClaim())],
  claimAndCommit: [9, claimAndCommit],
  giveBack: [1, giveBack],
  expire: [1, () => both('release', aClaim(), 'expired')],
  blame: [1, blame],
  participant: [5, participant],
  bothCome: [7, bothCome],
  tie: [1, tie],
  look: [3, () => both('look', aSession())],
  lookAtDue: [6, lookAtDue],
  failSession: [1, () => both('failSession', aSession(),
    model.now - below(MINUTE), pick(['told', 'found']))],
  miss: [2, () => both('miss', aSession(),
    pick([0, model.now - below(MINUTE), model.now + MINUTE]))],
  silence: [1, () => {
    const sub = pick(subs);
    return both('silence', sub, model.user(sub).ticket ?? '1.1:ann',
      { graceMs: pick([0, MINUTE]) });
  }],
  report: [1, () => both('report', pick(subs), aSession().sid, pick(['', 'x']))],
  ban: [1, ban],
  takeProbes: [1, () => both('takeProbes', 3, 5000)],
  dueSessions: [1, () => both('dueSessions', 3)],
  rooms: [1, rooms],
  store: [2, store],
  restore: [1, restore],
  livekitEvent: [1, livekitEvent],
  drain: [2, drain],
  history: [1, history],
  amnesty: [2, amnesty],
  damage: [0.3, damage],
  burySession: [0.2, () => both('burySession', aSession())],
  litter: [1, litter],
  revive: [1, reviveOne],
  drop: [0.5, dropSome],
  disaster: [0.1, disaster],
}).flatMap(([name, [weight, run]]) =>
  Array(Math.round(10 * weight)).fill([name, run]));
const rarely = 50;
const each = transitions.filter((one, i) => transitions.indexOf(one) === i);

const waits = [0, 0, 1, 7, 300, 1000, 5000, 16000, 31000, MINUTE,
  5 * MINUTE, 16 * MINUTE];
const longWaits = [3600000, DAY, 25 * 3600000, 31 * DAY, 91 * DAY];

// --- what must hold for users, whatever the scripts and the model say ---

function checkUser(sub, user, places, was) {
  const state = stateOf(user);
  const has = (name) => user[name] !== undefined;
  const talks = state === 'matched' || state === 'live';

  assert.equal(places.filter((ticket) => ticket === user.ticket).length,
    state === 'waiting' ? 1 : 0, `${sub}: the ticket is in one place`);
  assert.ok(waitFields.every((name) => has(name) === (state === 'waiting')));
  for (const name of ['sid', 'side', 'peer', 'committed', 'reserved']) {
    assert.equal(has(name), talks, `${sub}: ${name} while ${state}`);
  }
  for (const name of ['start', 'ends']) {
    assert.equal(has(name), state === 'live', `${sub}: ${name}`);
  }
  if (talks && model.sessions.has(user.sid)) {
    assert.equal(model.sessions.get(user.sid)[user.side], sub);
    assert.notEqual(user.peer, sub);
  }
  const [spent, reserved] = [user.spent ?? 0, user.reserved ?? 0];
  assert.ok(spent >= 0 && reserved >= 0 && spent + reserved <= 15,
    `${sub}: spent ${spent}, reserved ${reserved}`);
  if (was) {
    const changed = stateOf(was) !== state || was.sid !== user.sid;
    assert.ok(changed ? user.version > was.version
      : user.version >= was.version, `${sub}: the version`);
  }
}

function check(before) {
  const places = [...model.queue,
    ...[...model.tickets.values()].flatMap((held) => [...held.keys()])];
  const inSession = new Map();
  for (const [sub, user] of model.users) {
    checkUser(sub, user, places, before.get(sub));
    if (user.sid) {
      inSession.set(user.sid, [...inSession.get(user.sid) ?? [], sub]);
    }
  }
  for (const [sid, { state, a, b }] of model.sessions) {
    const in_ = inSession.get(sid) ?? [];
    assert.ok(in_.length <= 2 && in_.every((sub) => sub === a || sub === b));
    assert.ok(state !== 'ended' || in_.length === 0, 'it lets go of its users');
  }
  const ids = model.ended.map(({ sessionId }) => sessionId);
  assert.equal(new Set(ids).size, ids.length, 'stored once');
}

// Now and then the transitions take turns, so that none is left out.
async function step(i) {
  const turn = i / rarely;
  const [name, run] = Number.isInteger(turn)
    ? each[turn % each.length] : pick(transitions);
  await pass(random() < 0.01 ? pick(longWaits) : pick(waits));
  const users = new Map(model.users);
  await run();
  const { held, lives } = await readRedis();
  assert.deepEqual(held, project(), 'Redis is what the model says');
  checkLives(lives);
  check(name === 'disaster' ? new Map() : users);
  return name;
}

test(`${steps} random steps, seed ${seed}`, async (t) => {
  const done = [];
  const counts = {};

  t.diagnostic(`CONVO_SEED=${seed}`);
  random = generator(seed);
  const [seconds] = await client.time();
  const { name, windowMs, points, sessionMaxS, noShowMs, absenceMs, probeMs,
    leaseMs, silentMs, runId } = pool;
  model = new Model({ name, windowMs, points, sessionMaxS, noShowMs,
    absenceMs, probeMs, leaseMs, silentMs, runId,
    now: Number(seconds) * 1000 });
  await setClock();
  await both('open');

  for (let i = 0; i < steps; i += 1) {
    try {
      done.push(await step(i));
      counts[done.at(-1)] = (counts[done.at(-1)] ?? 0) + 1;
    } catch (error) {
      error.message += `\n(CONVO_SEED=${seed}, step ${i}, after ${
        done.slice(-6).join(' ')})`;
      throw error;
    }
  }

  await listener.ping();
  assert.deepEqual(heard, model.published.map(([sub, version]) =>
    [pool.key('user', sub), version]), 'every transition was told');
  t.diagnostic(`${past.sids.length} matches, ${model.published.length} changes`);
  assert.ok(past.sids.length > steps / 60, 'enough was matched');
  assert.ok(Object.keys(counts).length
    >= Math.min(each.length, steps / rarely), 'every transition was tried');
});
