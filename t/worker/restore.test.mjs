// A Redis that has lost its data is filled from the store before its pools are
// served: points, windows, blocks, bans and the last sessions.

import assert from 'node:assert/strict';
import { rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, afterEach, before, test } from 'node:test';

import { newSid, Pool } from '../node/pool.mjs';
import { insert, lock, select } from '../node/sqlite.mjs';
import { sleep, startBareStage, until } from '../node/worker.mjs';

const DAY = 86400;

let stage;
let pool;
let file;

before(async () => {
  stage = await startBareStage();
  pool = stage.pool;
  file = path.join(stage.dir, 'history.db');
});

afterEach(() => stage?.clear());
after(() => stage?.stop());

const now = () => Math.floor(Date.now() / 1000);

function isReady(on = pool) {
  return on.client.exists(on.key('ready'));
}

function ready(on = pool, ms = 30000) {
  return until(async () => await isReady(on) === 1, 'the pool is ready', ms);
}

// What a user has of theirs, as the edge would show it.
async function shown(sub) {
  const { client } = pool;
  const [view, blocked, history] = [await pool.view(sub),
    await client.smembers(pool.key('blocked', sub)),
    await client.lrange(pool.key('history', sub), 0, -1)];
  return {
    points: view.points_left, windowEnds: Math.ceil(view.window_end / 1000),
    last: view.last_session, blocked: blocked.sort(),
    sessions: history.map((text) => JSON.parse(text)).map((entry) => [
      entry.sessionId, entry.startTime, entry.endTime, entry.duration,
      entry.pointsSpent]),
  };
}

async function emptied() {
  await until(async () => await pool.client.xlen(pool.key('ended')) === 0
    && await pool.client.xlen(pool.key('reports')) === 0
    && await pool.client.zcard(pool.key('dirty')) === 0,
  'the store has all', 30000);
}

// The store as a worker made it, empty, with nobody at work.
async function makeStore() {
  const worker = await stage.worker();
  await until(() => select(file, 'SELECT name FROM sqlite_schema').length > 0,
    'the tables are there');
  await worker.end();
  await pool.client.flushall();
}

const userRow = (sub, fields = {}) => Object.values({
  userId: sub, pool: 'default', points: 15, pointsLeft: 12, pointsSpent: 3,
  windowEndsAt: now() + 3600, lastSessionTimestamp: now() - 7200,
  isWaitingInQueue: 0, bannedUntil: 0, version: Date.now() - 5000,
  state: 'idle', ...fields,
});

const sessionRow = (a, b, start, duration = 60) => [newSid(), a, b, start,
  start + duration, duration, start + duration + 90 * DAY];

test('all that users had is there again', async () => {
  for (const [peer, ago] of [['bob', 61000], ['cat', 30000]]) {
    const session = await pool.live('ann', peer, ago);
    await pool.leave(peer);
    if (peer === 'cat') {
      await pool.report('ann', session.sid);
    }
  }
  const till = await pool.now() + 3600000;
  await pool.ban('bob', till);
  const worker = await stage.worker();
  await emptied();
  const subs = ['ann', 'bob', 'cat'];
  const before = await Promise.all(subs.map(shown));
  assert.equal(before[0].points, '12');
  assert.equal(before[0].sessions.length, 2);
  assert.deepEqual(before[0].blocked, ['cat']);
  await worker.end();

  await pool.client.flushall();
  const next = await stage.worker();
  await ready();
  assert.deepEqual(await Promise.all(subs.map(shown)), before);
  assert.equal((await pool.join('bob')).status, 'banned');
  assert.equal((await pool.join('bob')).banned_until,
    String(Math.ceil(till / 1000) * 1000));
  assert.equal((await pool.join('ann')).status, 'ok');
  await next.logged(/pool default is ready: 3 users were restored in \d+ ms/);
});

test('Redis loses all while a worker runs: the same', async () => {
  await pool.live('ann', 'bob', 61000);
  await pool.leave('ann');
  const worker = await stage.worker();
  await emptied();
  const before = await shown('ann');
  await pool.client.flushall();
  await ready();
  assert.deepEqual(await shown('ann'), before);
  await worker.logged(/pool default is new to Redis: it is filled from the/);
  await stage.pool.join('ann');
  assert.equal(await worker.end(), 0);
});

test('Redis is back with older data: without "ready" it learns the rest',
  async () => {
    const session = await pool.live('ann', 'bob', 61000);
    await pool.leave('bob');
    const snapshot = await pool.client.dumpBuffer(
      pool.key('user', 'bob'));
    await pool.report('ann', session.sid);
    await pool.ban('bob', (now() + 3600) * 1000);
    await stage.worker();
    await emptied();

    await pool.client.restore(pool.key('user', 'bob'), 0, snapshot, 'REPLACE');
    await pool.client.del(pool.key('blocked', 'ann'),
      pool.key('blocked', 'bob'));
    await pool.client.del(pool.key('ready'));
    await ready();
    assert.equal((await pool.join('bob')).status, 'banned');
    assert.deepEqual((await shown('ann')).blocked, ['bob']);
    assert.deepEqual((await shown('bob')).blocked, ['ann']);
    assert.equal((await shown('bob')).points, '13');
  });

// Redis as it was at some moment, then what is lost when it is started with
// that again: bans, a report, points, sessions.
async function goBack() {
  await pool.live('ann', 'bob', 61000);
  const { sid } = await pool.user('ann');
  await pool.leave('bob');
  const over = await pool.live('fay', 'gus', 61000);
  await pool.join('eve');
  await emptied();
  await pool.client.save();

  await pool.report('ann', sid);
  for (const sub of ['cat', 'eve', 'fay']) {
    await pool.ban(sub, (now() + 3600) * 1000);
  }
  await pool.client.del(pool.key('queue')); // there is a void ticket
  await pool.live('dan', 'hal', 61000);
  await pool.leave('hal');
  const subs = ['ann', 'bob', 'cat', 'dan', 'eve', 'fay', 'gus', 'hal'];
  await emptied();
  const before = await Promise.all(subs.map(shown));
  return async () => {
    await until(async () => (await pool.session(over.sid)).state === 'ended',
      'its session has ended', 30000);
    assert.deepEqual(await Promise.all(subs.map(shown)), before);
    for (const sub of ['cat', 'eve', 'fay']) {
      assert.equal((await pool.view(sub)).state ?? 'idle', 'idle');
      assert.equal((await pool.join(sub)).status, 'banned');
    }
    assert.equal((await pool.view('gus')).state, 'idle');
    assert.equal(await pool.client.sismember(pool.key('blocked', 'bob'),
      'ann'), 1);
    assert.deepEqual((await pool.client.zrange(pool.key('met', 'hal'), 0, -1)),
      ['dan']);
    await emptied();
    assert.equal(select(file, 'SELECT * FROM users WHERE bannedUntil > 0')
      .length, 3, 'the store has them still');
  };
}

// With the data of the last save(), which no other test is to find.
async function restart() {
  await stage.redis.kill();
  await stage.redis.start();
  rmSync(path.join(stage.redis.dir, 'dump.rdb'));
}

test('Redis is started with an older snapshot: a worker closes it, fills it',
  async () => {
    const worker = await stage.worker();
    await ready();
    const isRight = await goBack();
    await sleep(6000); // a beat beyond the snapshot's
    await restart();
    await worker.logged(/pool default: Redis has lost data: it is closed/);
    await worker.logged(/pool default is ready: 8 users were restored/, 30000);
    await ready();
    await isRight();
  });

test('the same without a worker that knew: it is read again, and served',
  async () => {
    const worker = await stage.worker();
    await ready();
    const isRight = await goBack();
    await worker.end();
    await restart();
    assert.equal((await pool.join('cat')).status, 'ok', 'not known yet');
    const next = await stage.worker();
    await next.logged(/pool default: Redis has what the store knows of 8 users/,
      30000);
    assert.equal(next.log.includes('is closed'), false);
    assert.equal((await pool.view('cat')).state, 'idle', 'by the ban');
    await isRight();
  });

test('a Redis that was started with all of its data: nothing changes',
  async () => {
    const worker = await stage.worker();
    await ready();
    await pool.live('ann', 'bob', 61000);
    await pool.leave('bob');
    await pool.join('cat');
    await pool.live('dan', 'eve', 1000);
    await emptied();
    const subs = ['ann', 'bob', 'cat', 'dan', 'eve'];
    const before = await Promise.all(subs.map((sub) => pool.user(sub)));
    await worker.end();
    await pool.client.save();
    await restart();
    const next = await stage.worker();
    await next.logged(/pool default: Redis has what the store knows of 5 users/,
      30000);
    for (const [i, sub] of subs.entries()) {
      const { version, state } = await pool.user(sub);
      assert.deepEqual([version, state], [before[i].version, before[i].state]);
    }
    assert.equal(await isReady(), 1);
  });

test('what came to the store too late is read, whoever restored the pool',
  async () => {
    await makeStore();
    const banned = { bannedUntil: now() + 3600 };
    insert(file, 'users', [userRow('ann')]);
    insert(file, 'sessions', [sessionRow('ann', 'bob', now() - 7200)]);
    const worker = await stage.worker();
    await ready();
    const again = () => pool.client.hget(pool.key('run'), 'again');
    assert.ok(await again() > await pool.now() + 10000);
    await pool.join('ann');
    await worker.end('SIGKILL');

    insert(file, 'users', [userRow('bob', banned)]);
    assert.deepEqual((await shown('bob')).sessions, []);
    await pool.client.hset(pool.key('run'), 'again', await pool.now());
    const next = await stage.worker();
    await next.logged(/pool default: the store is read once more/);
    await next.logged(/pool default: Redis has what the store knows of 2 users/);
    assert.equal((await pool.join('bob')).status, 'banned');
    assert.equal((await shown('bob')).sessions.length, 1);
    assert.equal((await pool.view('ann')).state, 'waiting');
    assert.equal(await again(), null, 'it was the last time');
  });

test('an empty store: ready at once', async () => {
  await pool.client.flushall();
  const worker = await stage.worker();
  await ready(pool, 5000);
  await worker.logged(/pool default is ready: the store knows nobody of it/);
});

test('until then nobody may join', async () => {
  await makeStore();
  insert(file, 'users', [userRow('ann', { pointsSpent: 15 })]);
  assert.equal((await pool.join('ann')).status, 'restoring');
  await stage.worker();
  await ready();
  assert.equal((await pool.join('ann')).status, 'no_points');
});

test('the store is away: the pool stays closed, then opens', async () => {
  await makeStore();
  insert(file, 'users', [userRow('ann')]);
  const other = new Pool(pool.client, 'other');
  await other.open();
  const saved = stage.copyStore();
  writeFileSync(file, 'this is no database\n'.repeat(500));
  const worker = await stage.worker({ pool: 'default other' });
  await worker.logged(/pool default stays closed, it could not be restored: /);
  assert.equal((await pool.join('ann')).status, 'restoring');
  assert.equal((await other.join('cat')).status, 'ok');
  await sleep(2500);
  assert.equal(await isReady(), 0);
  assert.ok(worker.log.match(/stays closed/g).length < 8);

  saved();
  await ready();
  assert.equal((await shown('ann')).points, '12');
});

test('a store that is being written to is read all the same', async () => {
  await makeStore();
  insert(file, 'users', [userRow('ann')]);
  const release = await lock(file);
  await stage.worker();
  await ready();
  assert.equal((await shown('ann')).points, '12');
  await release();
});

test('what Redis knows of a later time is left alone', async () => {
  await makeStore();
  const version = Date.now() - 5000;
  insert(file, 'users', [userRow('ann', { version }),
    userRow('bob', { version })]);
  insert(file, 'sessions', [sessionRow('ann', 'bob', now() - 7200)]);
  await pool.client.hset(pool.key('user', 'ann'), 'version', version + 1,
    'points', 15, 'spent', 9, 'window_end', Date.now() + 1000000);
  const newer = JSON.stringify({ sessionId: newSid(), startTime: now() });
  await pool.client.rpush(pool.key('history', 'ann'), newer);
  await stage.worker();
  await ready();
  assert.equal((await pool.user('ann')).spent, '9');
  assert.equal((await pool.user('bob')).spent, '3');
  const [first, ...older] = await pool.client.lrange(
    pool.key('history', 'ann'), 0, -1);
  assert.deepEqual([first, older.length], [newer, 1]);
  assert.equal((await shown('bob')).sessions.length, 1);
});

// promise 2: nobody is idle without having been told why.
test('who was in a session is told "failed", who waited waits on', async () => {
  const version = Date.now() - 5000;
  await makeStore();
  insert(file, 'users', [
    userRow('ann', { state: 'live', version }),
    userRow('bob', { state: 'matched', version }),
    userRow('cat', { state: 'waiting', isWaitingInQueue: 1, version }),
    userRow('dan', { state: 'waiting', isWaitingInQueue: 1, version })]);
  await stage.worker();
  await ready();
  for (const sub of ['ann', 'bob', 'cat', 'dan']) {
    const view = await pool.view(sub);
    assert.deepEqual([view.state, view.last_reason, Number(view.version)],
      ['idle', 'failed', version + 1]);
  }
  await until(() => select(file, 'SELECT * FROM users').every((row) => (
    row.state === 'idle' && row.isWaitingInQueue === 0
      && row.version === version + 1)), 'the store has learned it');
  assert.equal((await shown('ann')).points, '12');

  const view = await pool.recall('cat', version, 'waiting', version - 9000);
  assert.deepEqual([view.state, view.waiting_since],
    ['waiting', String(version - 9000)]);
  await until(() => select(file, 'SELECT * FROM users').some((row) => (
    row.userId === 'cat' && row.isWaitingInQueue === 1)), 'it is stored');
});

test('windows and bans that are over are gone, bans for good are not',
  async () => {
    await makeStore();
    insert(file, 'users', [
      userRow('over', { windowEndsAt: now() - 1, bannedUntil: now() - 1 }),
      userRow('unspent', { pointsSpent: 0, pointsLeft: 15 }),
      userRow('ever', { bannedUntil: 253402300799 }),
    ]);
    await stage.worker();
    await ready();
    assert.deepEqual([(await shown('over')).points,
      (await shown('unspent')).points], ['15', '15']);
    assert.equal((await pool.join('over')).status, 'ok');
    assert.equal((await pool.join('unspent')).status, 'ok');
    assert.equal((await pool.join('ever')).status, 'banned');
    assert.ok(await pool.client.pttl(pool.key('user', 'ever'))
      > 1000 * 365 * DAY * 1000);
  });

test('users come to the pool of their record, and to no other', async () => {
  await makeStore();
  insert(file, 'users', [userRow('ann'), userRow('cat', { pool: 'other' }),
    userRow('dan', { pool: 'elsewhere' })]);
  insert(file, 'sessions', [sessionRow('cat', 'dan', now() - 7200)]);
  const other = new Pool(pool.client, 'other');
  await stage.worker({ pool: 'default other' });
  await ready();
  await ready(other);
  const names = (await pool.client.keys('*:user:*')).sort();
  assert.deepEqual(names, ['{default}:user:ann', '{other}:user:cat']);
  assert.deepEqual(await pool.client.keys('*:history:*'),
    ['{other}:history:cat']);
});

test('a ban holds in every pool, and costs no points', async () => {
  const other = new Pool(pool.client, 'other');
  const both = { pool: 'default other' };
  const worker = await stage.worker(both);
  await ready();
  await ready(other);
  await pool.live('ann', 'bob', 61000);
  await pool.leave('ann');
  const before = await shown('ann');
  const till = (now() + 3600) * 1000;
  await pool.ban('ann', till);
  await emptied();
  await other.ban('ann', till);
  await until(async () => await other.client.zcard(other.key('dirty')) === 0,
    'the ban of the other pool is stored, too');
  await worker.end();
  assert.deepEqual(select(file,
    'SELECT pool, pointsSpent, bannedUntil FROM users'
    + " WHERE userId = 'ann'"), [{
    pool: 'default', pointsSpent: 2, bannedUntil: till / 1000,
  }]);

  await pool.client.flushall();
  await stage.worker(both);
  await ready();
  await ready(other);
  assert.deepEqual(await shown('ann'), before);
  assert.equal((await pool.join('ann')).status, 'banned');
  assert.equal((await other.join('ann')).status, 'banned');
});

test('the newest 50 sessions, newest first, without the expired', async () => {
  await makeStore();
  const rows = Array.from({ length: 60 },
    (_, i) => sessionRow('ann', `peer-${i}`, now() - 100 * DAY + i * DAY));
  insert(file, 'sessions', [...rows].sort());
  insert(file, 'users', [userRow('ann')]);
  await stage.worker();
  await ready();
  const { sessions } = await shown('ann');
  const alive = rows.filter(([, , , , , , expires]) => expires > now());
  assert.deepEqual(sessions, alive.reverse().slice(0, 50)
    .map(([sid, , , start, end, duration]) => [sid, start, end, duration, 1]));
});

test('two who met today do not meet again', async () => {
  await makeStore();
  insert(file, 'users', ['ann', 'bob', 'cat'].map((sub) => userRow(sub)));
  insert(file, 'sessions', [sessionRow('ann', 'bob', now() - 7200),
    sessionRow('cat', 'ann', now() - DAY - 1)]);
  await stage.worker();
  await ready();
  const met = (sub) => pool.client.zrange(pool.key('met', sub), 0, -1,
    'WITHSCORES');
  const [peer, until_] = await met('ann');
  assert.equal(peer, 'bob');
  assert.ok(Math.abs(until_ - (now() - 7200 + DAY) * 1000) < 60000);
  assert.deepEqual(await met('bob'), ['ann', until_]);
  assert.deepEqual(await met('cat'), []);
});

test('who is known by blocks alone has them and their sessions', async () => {
  await makeStore();
  insert(file, 'users', [userRow('ann', { version: 0, points: 0, pointsLeft: 0,
    pointsSpent: 0, windowEndsAt: 0, lastSessionTimestamp: 0 })]);
  insert(file, 'blocked', [['ann', 'bob']]);
  insert(file, 'sessions', [sessionRow('ann', 'bob', now() - 7200)]);
  await stage.worker();
  await ready();
  const ann = await shown('ann');
  assert.deepEqual([ann.points, ann.blocked, ann.sessions.length],
    ['15', ['bob'], 1]);
});

test('many blocked users are all blocked', async () => {
  await makeStore();
  const blocked = Array.from({ length: 2500 }, (_, i) => `peer-${i}`);
  insert(file, 'users', [userRow('ann')]);
  insert(file, 'blocked', blocked.map((sub) => ['ann', sub]));
  await stage.worker();
  await ready();
  assert.deepEqual((await shown('ann')).blocked, blocked.sort());
});

test('one worker restores, the others wait', async () => {
  await makeStore();
  insert(file, 'users', [userRow('ann')]);
  await pool.restoreLease('somebody', 3000);
  const worker = await stage.worker();
  await sleep(1500);
  assert.equal(await isReady(), 0);
  await ready();
  assert.equal((await shown('ann')).points, '12');
  assert.equal(await pool.client.exists(pool.key('restoring')), 0);
  assert.equal(await worker.end(), 0);
});

test('killed again and again while it restores: all is there', async () => {
  await makeStore();
  const count = 3000;
  const rows = Array.from({ length: count }, (_, i) => userRow(`user-${i}`));
  insert(file, 'users', rows);
  insert(file, 'sessions', rows.map((_, i) => sessionRow(`user-${i}`,
    `user-${(i + 1) % count}`, now() - 7200)));
  let killed = 0;
  for (let i = 0; i < 4 && await isReady() === 0; i++) {
    const worker = await stage.worker({ name: 'same' });
    await sleep(30 + 40 * i);
    killed += await isReady() === 0;
    await worker.end('SIGKILL');
  }
  assert.ok(killed > 0, 'it was killed before it was done');
  await stage.worker({ name: 'same' });
  await ready();
  const users = await pool.client.keys('{default}:user:*');
  const histories = await pool.client.keys('{default}:history:*');
  assert.deepEqual([users.length, histories.length], [count, count]);
  assert.equal((await shown('user-7')).sessions.length, 2);
  assert.equal((await shown(`user-${count - 1}`)).points, '12');
});

test('Redis is killed while it is being filled: it is filled again',
  async () => {
    await makeStore();
    const rows = Array.from({ length: 3000 }, (_, i) => userRow(`user-${i}`));
    insert(file, 'users', rows);
    const worker = await stage.worker();
    await until(async () => await pool.client.dbsize() > 500, 'it has begun');
    await stage.redis.kill();
    await stage.redis.start();
    await ready();
    assert.equal((await pool.client.keys('{default}:user:*')).length, 3000);
    assert.equal(await worker.end(), 0);
  });

// A worker that has begun to restore so many users, and is not done.
async function begun(count) {
  await makeStore();
  insert(file, 'users',
    Array.from({ length: count }, (_, i) => userRow(`user-${i}`)));
  const worker = await stage.worker();
  await until(async () => await pool.client.dbsize() > 500, 'it has begun');
  assert.equal(await isReady(), 0);
  return worker;
}

async function usersThere() {
  return (await pool.client.keys('{default}:user:*')).length;
}

test('Redis is emptied while it is being filled: it is filled again',
  async () => {
    const worker = await begun(20000);
    await pool.client.flushall();
    await ready();
    assert.equal(await usersThere(), 20000);
    await worker.logged(/pool default: the lease to restore it was lost: it /);
  });

test('who has lost the lease does not open the pool, and says so',
  async () => {
    const worker = await begun(20000);
    await pool.client.set(pool.key('restoring'), 'somebody');
    await worker.logged(/pool default: the lease to restore it was lost: /);
    await sleep(1500);
    assert.equal(await isReady(), 0);
    await pool.client.del(pool.key('restoring'));
    await ready();
    assert.equal(await usersThere(), 20000);
  });

test('who is told to stop gives the lease back: the next begins at once',
  async () => {
    const worker = await begun(20000);
    assert.equal(await worker.end(), 0);
    assert.equal(await isReady(), 0, 'it was not done');
    assert.equal(await pool.client.exists(pool.key('restoring')), 0);
    await stage.worker();
    await ready();
    assert.equal(await usersThere(), 20000);
  });

test('damaged keys are passed over, and the rest is restored', async () => {
  await makeStore();
  insert(file, 'users', [userRow('ann'), userRow('bob'), userRow('cat')]);
  await pool.client.set(pool.key('user', 'bob'), 'rubbish');
  await pool.client.set(pool.key('blocked', 'cat'), 'rubbish');
  const worker = await stage.worker();
  await ready();
  assert.equal((await shown('ann')).points, '12');
  await worker.logged(/restore_user: .*DAMAGED/);
});

test('rubbish in the store is passed over', async () => {
  await makeStore();
  insert(file, 'users', [userRow('ann'),
    userRow('x'.repeat(300)), userRow('odd', { version: 'x' }),
    userRow('far', { pool: 'NO POOL' }), userRow('', {})]);
  await stage.worker();
  await ready();
  assert.equal((await shown('ann')).points, '12');
});

test('100,000 users: in batches, in little memory', async () => {
  await makeStore();
  const count = 100000;
  const rows = Array.from({ length: count }, (_, i) => userRow(`user-${i}`));
  insert(file, 'users', rows);
  insert(file, 'sessions', Array.from({ length: count }, (_, i) => sessionRow(
    `user-${i}`, `user-${(i * 7) % count}`, now() - 7200)));
  const worker = await stage.worker({
    redis: `redis://127.0.0.1:${stage.redis.port} timeout=5s`, lease: '2m',
  });
  await ready(pool, 180000);
  const [, users, ms] = await worker.logged(
    /ready: (\d+) users were restored in (\d+) ms/);
  assert.equal(users, String(count));
  console.log(`# ${users} users in ${ms} ms`);
  // A sanitizer keeps 256 MB of what was freed, and marks of all the rest.
  const mb = process.env.ASAN_OPTIONS ? 600 : 100;
  assert.ok(worker.peakMemory() < mb * 1024, `${worker.peakMemory()} kB`);
  assert.equal(await pool.client.dbsize() > 2 * count, true);
});
