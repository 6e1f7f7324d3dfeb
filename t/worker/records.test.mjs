// What is kept for good reaches the store: sessions, reports and users, once
// and exactly, whatever is down, locked, killed or rubbish.

import assert from 'node:assert/strict';
import { rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, afterEach, before, test } from 'node:test';

import { newSid, Pool } from '../node/pool.mjs';
import { lock, select } from '../node/sqlite.mjs';
import { sleep, startBareStage, until } from '../node/worker.mjs';

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

const sessions = () => select(file, 'SELECT * FROM sessions');
const reports = () => select(file, 'SELECT * FROM reports');
const user = (sub) => select(file, 'SELECT * FROM users')
  .find((row) => row.userId === sub);

function endSession(sid, { on = pool, ...fields } = {}) {
  const entry = {
    sessionId: sid, userA: 'ann', userB: 'bob', startTime: 1000,
    endTime: 1412, duration: 412, expiresAt: 9999999999, ...fields,
  };
  return on.client.xadd(on.key('ended'), '*', ...Object.entries(entry).flat());
}

function addReport(sid, fields = {}) {
  const entry = {
    sessionId: sid, reporter: 'ann', reported: 'bob', reason: 'rude', at: 1412,
    expiresAt: 9999999999, ...fields,
  };
  return pool.client.xadd(pool.key('reports'), '*',
    ...Object.entries(entry).flat());
}

function empty(...kinds) {
  return until(async () => {
    const lengths = await Promise.all(kinds.map((kind) => (kind === 'dirty'
      ? pool.client.zcard(pool.key(kind))
      : pool.client.xlen(pool.key(kind)))));
    return lengths.every((n) => n === 0);
  }, `${kinds} are empty`, 30000);
}

async function letters() {
  const entries = await pool.client.xrange(pool.key('dead'), '-', '+');
  return entries.map(([, flat]) => Object.fromEntries(
    flat.flatMap((name, i) => (i % 2 ? [] : [[name, flat[i + 1]]]))));
}

// The store takes nothing: no database at all lies in its place.
function breakStore() {
  writeFileSync(file, 'this is no database\n'.repeat(500));
}

function mendStore() {
  for (const end of ['', '-wal', '-shm']) {
    rmSync(file + end, { force: true });
  }
}

// --- what is written

test('a session, a report and both users, each exactly', async () => {
  const session = await pool.live('ann', 'bob', 130000);
  await pool.leave('ann');
  const ended = Object.fromEntries((await pool.client.xrange(pool.key('ended'),
    '-', '+'))[0][1].reduce((list, text, i, flat) => (i % 2 ? list
    : [...list, [text, flat[i + 1]]]), []));
  assert.equal((await pool.report('ann', session.sid, 'rude\n"ä"'))[0], 'ok');

  await stage.worker();
  await empty('ended', 'reports', 'dirty');
  const [row, ...others] = sessions();
  assert.deepEqual(others, []);
  assert.deepEqual(Object.fromEntries(Object.entries(row).map(
    ([name, value]) => [name, String(value)])), ended);
  assert.equal(row.duration, 130);

  const [report] = reports();
  assert.deepEqual([report.sessionId, report.reporter, report.reported,
    report.reason, report.pool, report.expiresAt - report.at],
  [session.sid, 'ann', 'bob', 'rude\n"ä"', 'default', 90 * 86400]);
  assert.deepEqual(select(file, 'SELECT * FROM blocked ORDER BY userId'),
    [{ userId: 'ann', blocked: 'bob' }, { userId: 'bob', blocked: 'ann' }]);

  for (const sub of ['ann', 'bob']) {
    const hash = await pool.user(sub);
    assert.deepEqual(user(sub), {
      userId: sub, pool: 'default', points: 15, pointsLeft: 12,
      pointsSpent: 3, windowEndsAt: Math.ceil(Number(hash.window_end) / 1000),
      lastSessionTimestamp: row.startTime, isWaitingInQueue: 0,
      bannedUntil: 0, version: Number(hash.version), state: 'idle',
    });
  }
});

test('each change of a user is followed', async () => {
  await stage.worker();
  await pool.join('ann');
  await until(() => user('ann')?.isWaitingInQueue === 1,
    'ann waits', 30000);
  assert.equal(user('ann').pointsLeft, 15);
  await pool.leave('ann');
  await until(() => user('ann').isWaitingInQueue === 0, 'ann has left',
    30000);
  const till = await pool.now() + 3600500;
  await pool.ban('ann', till);
  await until(() => user('ann').bannedUntil === Math.ceil(till / 1000),
    'ann is banned', 30000);
  await pool.ban('ann', 0);
  await until(() => user('ann').bannedUntil === 0, 'ann is not', 30000);
  await empty('dirty');
});

test('points that are reserved are not left, and not spent', async () => {
  await pool.pair('ann', 'bob');
  await stage.worker();
  await empty('dirty');
  assert.deepEqual([user('ann').pointsLeft, user('ann').pointsSpent], [0, 0]);
});

test('several pools are written by one worker', async () => {
  const other = new Pool(pool.client, 'other');
  await other.open();
  const [a, b] = [newSid(), newSid()];
  await endSession(a);
  await endSession(b, { on: other });
  await other.join('cat');
  await stage.worker({ pool: 'default other' });
  await until(() => sessions().length === 2, 'both are there');
  await until(() => user('cat')?.pool === 'other', 'cat is there');
});

test('an older record never takes the place of a newer one', async () => {
  const worker = await stage.worker();
  await pool.join('ann');
  await until(() => user('ann'), 'ann is there');
  await worker.end();
  const { version } = user('ann');
  await pool.client.hset(pool.key('user', 'ann'), 'version', version - 1,
    'points', 7);
  await pool.client.zadd(pool.key('dirty'), 0, 'ann');
  await stage.worker();
  await empty('dirty');
  assert.deepEqual([user('ann').version, user('ann').points], [version, 15]);
});

test('who Redis has forgotten stays as the store knows them', async () => {
  const worker = await stage.worker();
  await pool.join('ann');
  await until(() => user('ann'), 'ann is there');
  await worker.end();
  await pool.client.del(pool.key('user', 'ann'));
  await pool.client.zadd(pool.key('dirty'), 0, 'ann', 0, 'nobody');
  await stage.worker();
  await empty('dirty');
  assert.equal(user('ann').points, 15);
  assert.equal(user('nobody'), undefined);
});

// --- failures of the store

test('the store takes nothing: nothing is lost, and nothing doubled',
  async () => {
    breakStore();
    const worker = await stage.worker();
    const sid = newSid();
    await endSession(sid);
    await addReport(sid);
    await pool.join('ann');
    for (const job of ['history', 'reports', 'users']) {
      await worker.logged(new RegExp(
        `convo ${job}: pool default: the store takes nothing now, 1 or more`));
    }
    assert.equal(await pool.client.xlen(pool.key('ended')), 1);
    assert.equal(await pool.client.xlen(pool.key('reports')), 1);
    assert.equal(await pool.client.zcard(pool.key('dirty')), 1);

    mendStore();
    await until(() => sessions().length === 1 && reports().length === 1
      && user('ann'), 'all is stored', 60000);
    assert.equal(await worker.end(), 0);
  });

test('the store is locked: users are matched nevertheless', async () => {
  const worker = await stage.worker();
  await pool.join('ann');
  await until(() => user('ann'), 'the file is there');
  const release = await lock(file);
  await endSession(newSid());
  await worker.logged(/the store takes nothing now, 1 or more wait: .*locked/);
  await pool.join('bob');
  assert.equal(await pool.client.exists(pool.key('ready')), 1);
  await release();
  await until(() => sessions().length === 1 && user('bob'), 'all is stored',
    60000);
});

test('many users dirty while the store is away are all there afterwards',
  async () => {
    breakStore();
    const subs = Array.from({ length: 450 }, (_, i) => `user-${i}`);
    await stage.worker();
    await Promise.all(subs.map((sub) => pool.join(sub)));
    await sleep(1000);
    mendStore();
    await until(() => select(file, 'SELECT count(*) AS n FROM users')[0]?.n
      === 450, 'all are stored', 60000);
    await empty('dirty');
  });

// --- kill -9

test('killed while the store is away: another stores it', async () => {
  breakStore();
  const name = { name: 'same' };
  const worker = await stage.worker(name);
  const sid = newSid();
  await endSession(sid);
  await addReport(sid);
  await worker.logged(/history: .* the store takes nothing now/);
  await worker.logged(/reports: .* the store takes nothing now/);
  await worker.end('SIGKILL');
  mendStore();
  await stage.worker(name);
  await until(() => sessions().length === 1 && reports().length === 1,
    'it is stored');
  await empty('ended', 'reports');
});

test('killed after the store, before Redis: written twice is once',
  async () => {
    const sid = newSid();
    const worker = await stage.worker();
    await pool.join('ann');
    await endSession(sid);
    await addReport(sid);
    await empty('ended', 'reports', 'dirty');
    await worker.end('SIGKILL');

    // what Redis would still hold
    await endSession(sid, { duration: 1 });
    await addReport(sid, { reason: 'other' });
    await pool.client.zadd(pool.key('dirty'), 0, 'ann');
    await stage.worker();
    await empty('ended', 'reports', 'dirty');
    assert.deepEqual(sessions().map((row) => row.duration), [412]);
    assert.deepEqual(reports().map((row) => row.reason), ['rude']);
  });

test('killed again and again: every session is there once', async () => {
  const sids = Array.from({ length: 300 }, newSid);
  let next = 0;
  for (let i = 0; i < 6; i++) {
    const worker = await stage.worker({ name: 'same' });
    for (; next < (i + 1) * 50; next++) {
      endSession(sids[next]);
      pool.join(`user-${next}`);
    }
    await sleep(Math.random() * 80);
    await worker.end('SIGKILL');
  }
  await stage.worker({ name: 'same' });
  await empty('ended', 'dirty');
  assert.deepEqual(sessions().map((row) => row.sessionId).sort(),
    [...sids].sort());
  assert.equal(select(file, 'SELECT * FROM users').length, 300);
});

// --- rubbish

const bad = {
  'a short id': ['ended', { sessionId: 'short' }],
  'no user': ['ended', { userA: '' }],
  'a number that is none': ['ended', { startTime: '-1' }],
  'a time of twenty digits': ['ended', { endTime: '1'.repeat(20) }],
  'a user of 300 bytes': ['ended', { userB: 'x'.repeat(300) }],
  'a user with a NUL': ['ended', { userA: 'a\0b' }],
  'a user that is no UTF-8': ['ended', { userA: Buffer.from([0xff, 0x41]) }],
  'a report of nobody': ['reports', { reporter: '' }],
  'a reason of 1001 bytes': ['reports', { reason: 'x'.repeat(1001) }],
  'a reason that is no UTF-8': ['reports', { reason: Buffer.from([0xc0]) }],
  'a report at no time': ['reports', { at: 'now' }],
};

for (const [what, [stream, fields]] of Object.entries(bad)) {
  test(`${what} becomes a dead letter, and the next is stored`, async () => {
    const worker = await stage.worker();
    const sid = newSid();
    const add = stream === 'ended' ? endSession : addReport;
    await add(newSid(), fields);
    await add(sid);
    await until(() => (stream === 'ended' ? sessions() : reports())[0]
      ?.sessionId === sid, 'the good one is stored');
    await empty(stream);
    const [letter] = await letters();
    assert.equal(letter.from, stream);
    assert.match(letter.reason, /^no (session|report)$/);
    assert.equal(JSON.parse(letter.what).length, 12 + 2 * (stream === 'ended'));
    await worker.logged(/a dead letter now/);
  });
}

test('entries of other fields, and none, become dead letters', async () => {
  await stage.worker();
  await pool.client.xadd(pool.key('ended'), '*', 'a', 'b');
  await pool.client.xadd(pool.key('reports'), '*', '', '');
  await empty('ended', 'reports');
  const whats = (await letters()).map((letter) => letter.what);
  assert.deepEqual(whats.sort(), ['["",""]', '["a","b"]']);
});

test('members of dirty that are no users become dead letters', async () => {
  const worker = await stage.worker();
  const { client } = pool;
  await client.zadd(pool.key('dirty'), 0, '', 0, 'x'.repeat(300), 0, 'text',
    0, 'list', 0, 'odd', 0, Buffer.from([0xff, 0xfe]));
  await client.set(pool.key('user', 'text'), 'text');
  await client.rpush(pool.key('user', 'list'), 'a');
  await client.hset(pool.key('user', 'odd'), 'version', 'x');
  await client.hset(Buffer.concat([Buffer.from(pool.key('user', '')),
    Buffer.from([0xff, 0xfe])]), 'version', '1');
  await pool.join('ann');
  await until(() => user('ann'), 'ann is stored');
  await empty('dirty');
  const found = await letters();
  assert.deepEqual(found.map((letter) => letter.kind),
    Array(6).fill('user'));
  assert.deepEqual(found.filter((letter) => letter.encoding)
    .map((letter) => JSON.parse(letter.what)), ['//4=']);
  await worker.logged(/dirty: the user is damaged, a dead letter now: \?/);
  assert.doesNotMatch(worker.log, /odd/);
});

for (const kind of ['ended', 'reports', 'dirty']) {
  test(`a pool whose ${kind} is no such thing stops no other`, async () => {
    const other = new Pool(pool.client, 'other');
    await other.open();
    await pool.client.set(pool.key(kind), 'rubbish');
    await stage.worker({ pool: 'default other' });
    const sid = newSid();
    await endSession(sid, { on: other });
    await pool.client.xadd(other.key('reports'), '*', 'sessionId', sid,
      'reporter', 'x', 'reported', 'y', 'reason', '', 'at', '1',
      'expiresAt', '9999999999');
    await other.join('cat');
    await until(() => sessions().length === 1 && reports().length === 1
      && user('cat'), 'the other pool is served');
    await pool.client.del(pool.key(kind));
  });
}
