// Redis is started with an older snapshot, in which sessions go on that have
// ended since, as the store knows: they are not ended once more. LiveKit is
// asked about sessions here, and does not have the rooms any more.

import assert from 'node:assert/strict';
import { rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, afterEach, before, test } from 'node:test';

import { insert, select } from '../node/sqlite.mjs';
import { sleep, startStage, until } from '../node/worker.mjs';

const SUBS = ['ann', 'bob', 'cat', 'dan'];

let stage;
let pool;
let file;

before(async () => {
  stage = await startStage();
  pool = stage.pool;
  file = path.join(stage.dir, 'history.db');
});

afterEach(() => stage?.clear());
after(() => stage?.stop());

// With the data of the last save(), which no other test is to find.
async function restart() {
  await stage.redis.kill();
  await stage.redis.start();
  rmSync(path.join(stage.redis.dir, 'dump.rdb'));
}

const probing = () => stage.worker({ probe_interval: '2s' });

// Others in the store, so that it takes a while to be read.
function fill(count) {
  const version = Date.now() - 900000;
  insert(file, 'users', Array.from({ length: count }, (_, i) => (
    [`user-${i}`, 'default', 15, 15, 0, 0, 1, 0, 0, version, 'idle'])));
}

// A session in the middle and one near its end are saved; then both end, half
// a minute after their start. When the deadline has come nobody is at work.
async function goBack() {
  const sessions = [await pool.live('ann', 'bob', 510000),
    await pool.live('cat', 'dan', 890000)];
  await pool.client.zadd(pool.key('probes'), 1, sessions[0].sid);
  const { ends } = await pool.session(sessions[1].sid);
  await pool.client.save();
  for (const session of sessions) {
    const { start } = await pool.session(session.sid);
    await pool.failSession(session, Number(start) + 30000);
  }
  const worker = await stage.worker();
  await until(() => select(file, 'SELECT * FROM sessions').length === 2,
    'the sessions are stored');
  await until(async () => await pool.client.zcard(pool.key('dirty')) === 0,
    'the users are stored');
  await worker.end();
  fill(20000);
  await until(async () => await pool.now() > ends, 'the deadline has come');
}

const spent = () => select(file, 'SELECT userId, pointsSpent FROM users'
  + " WHERE pool = 'default' AND userId NOT LIKE 'user-%' ORDER BY userId")
  .map((row) => row.pointsSpent);

async function costOnce(worker) {
  await worker.logged(
    /default is ready: \d+ users were|Redis has what the store knows/, 40000);
  for (const sub of SUBS) {
    const user = await stage.state(sub, 'idle');
    assert.equal(user.spent, '1', sub);
    const history = (await pool.client.lrange(pool.key('history', sub), 0, -1))
      .map((text) => JSON.parse(text));
    assert.deepEqual(history.map((entry) => [entry.duration,
      entry.pointsSpent]), [[30, 1]]);
  }
  await until(async () => await pool.client.zcard(pool.key('dirty')) === 0,
    'the users are stored');
  assert.deepEqual(spent(), [1, 1, 1, 1]);
  assert.doesNotMatch(worker.log, /its room is gone|: time_up/);
}

test('it cost what it cost, where a worker knew', async () => {
  await goBack();
  const worker = await probing();
  await sleep(6000); // a beat beyond the snapshot's
  await restart();
  await worker.logged(/pool default: Redis has lost data: it is closed/);
  await costOnce(worker);
});

test('the same without a worker that knew', async () => {
  await goBack();
  await restart();
  await costOnce(await probing());
});

test('the store is away: sessions end all the same, a minute later',
  async () => {
    const first = await stage.worker();
    await until(() => select(file, 'SELECT name FROM sqlite_schema').length > 0,
      'the tables are there');
    await first.end();
    await pool.live('ann', 'bob', 901000);
    await pool.client.save();
    await restart();
    writeFileSync(file, 'this is no database\n'.repeat(500));
    const worker = await probing();
    await worker.logged(/the store knows could not be read again/);
    await sleep(1000);
    assert.deepEqual(await stage.states('ann', 'bob'), ['live', 'live']);
    const since = await pool.client.hget(pool.key('run'), 'since');
    await pool.client.hset(pool.key('run'), 'since', Number(since) - 60000);
    const ann = await stage.state('ann', 'idle');
    assert.deepEqual([ann.last_reason, ann.last_points], ['time_up', '15']);
  });
