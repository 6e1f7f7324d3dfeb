// Users, reports and blocks go to DynamoDB, and a Redis that has lost its data
// is filled from there.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { after, before, test } from 'node:test';

import { BatchWriteItemCommand } from '@aws-sdk/client-dynamodb';

import {
  KEY, newDynamo, refusal, REGION, startFaults,
} from '../node/dynamodb.mjs';
import { sessionId } from '../node/store.mjs';
import { binary, sleep, startBareStage, until } from '../node/worker.mjs';

const MANY = 150;

let stage;
let pool;
let dynamo;

before(async () => {
  Object.assign(process.env, KEY);
  dynamo = await newDynamo();
  stage = await startBareStage();
  pool = stage.pool;
});

after(async () => {
  await stage?.stop();
  await dynamo?.stop();
});

const settings = (endpoint = dynamo.endpoint) => ({
  history: `dynamodb region=${REGION} endpoint=${endpoint} prefix=r-`,
  lease: '8s',
});

// Users who may have had sessions, which the store has to be asked for.
async function putUsers(count) {
  const second = Math.floor(Date.now() / 1000);
  const put = (i) => ({
    PutRequest: {
      Item: {
        userId: { S: `slow-${i}` }, pool: { S: 'default' },
        isWaitingInQueue: { BOOL: false },
        ...Object.fromEntries(Object.entries({
          points: 15, pointsLeft: 12, pointsSpent: 3, bannedUntil: 0,
          windowEndsAt: second + 3600, lastSessionTimestamp: second - 100,
          version: second * 1000,
        }).map(([name, value]) => [name, { N: String(value) }])),
      },
    },
  });
  for (let i = 0; i < count; i += 25) {
    await dynamo.client.send(new BatchWriteItemCommand({
      RequestItems: {
        'r-users': Array.from({ length: 25 }, (_, j) => put(i + j)),
      },
    }));
  }
}

async function shown(sub) {
  const { client } = pool;
  const view = await pool.view(sub);
  const history = await client.lrange(pool.key('history', sub), 0, -1);
  return {
    points: view.points_left, windowEnds: Math.ceil(view.window_end / 1000),
    last: view.last_session,
    blocked: (await client.smembers(pool.key('blocked', sub))).sort(),
    sessions: history.map((text) => JSON.parse(text).sessionId),
  };
}

function emptied() {
  return until(async () => {
    const left = await Promise.all([
      pool.client.xlen(pool.key('ended')), pool.client.xlen(pool.key('reports')),
      pool.client.zcard(pool.key('dirty')),
    ]);
    return left.every((n) => n === 0);
  }, 'the store has all', 60000);
}

test('what users have reaches the tables, and a fresh Redis', async () => {
  const ids = [];
  for (const [peer, ago] of [['bob', 130000], ['cat', 61000]]) {
    const session = await pool.live('ann', peer, ago);
    ids.push(session.sid);
    await pool.leave(peer);
  }
  await pool.report('ann', ids[1], 'rude "\u00e4"');
  await pool.ban('bob', await pool.now() + 3600000);
  for (let i = 0; i < MANY; i += 1) {
    await pool.join(`many-${i}`);
  }

  // the store is away at first
  const worker = await stage.launch(settings());
  await worker.logged(/the store takes nothing now/);
  await dynamo.start();
  const init = spawnSync(binary, ['-c', stage.configure(settings()), 'init'],
    { encoding: 'utf8', timeout: 60000 });
  assert.equal(init.status, 0, init.stderr);
  await emptied();

  const users = new Map((await dynamo.items('r-users')).map(
    (item) => [item.userId, item]));
  const hash = await pool.user('ann');
  assert.deepEqual({ ...users.get('ann'), blocked: undefined }, {
    userId: 'ann', pool: 'default', points: 15, pointsLeft: 10,
    pointsSpent: 5, windowEndsAt: Math.ceil(Number(hash.window_end) / 1000),
    lastSessionTimestamp: Number(hash.last_session_s),
    isWaitingInQueue: false, state: 'idle', bannedUntil: 0,
    version: Number(hash.version),
    blocked: undefined,
  });
  assert.deepEqual([...users.get('ann').blocked], ['cat']);
  assert.deepEqual([...users.get('cat').blocked], ['ann']);
  assert.ok(users.get('bob').bannedUntil > Date.now() / 1000);
  assert.equal(users.get('many-7').isWaitingInQueue, true);
  assert.equal(users.size, MANY + 3);
  const [report, ...others] = await dynamo.items('r-reports');
  assert.deepEqual([report.sessionId, report.reporter, report.reason,
    others.length], [ids[1], 'ann', 'rude "\u00e4"', 0]);

  const subs = ['ann', 'bob', 'cat'];
  const known = await Promise.all(subs.map(shown));
  await worker.end();
  await pool.client.flushall();
  const next = await stage.launch(settings());
  await next.logged(/pool default is ready: \d+ users were restored/, 60000);
  assert.deepEqual(await Promise.all(subs.map(shown)), known);
  assert.equal((await pool.join('bob')).status, 'banned');
  assert.equal((await pool.join('ann')).status, 'ok');
});

// Ends the workers, and what comes is between them and the store.
async function between(test_) {
  await Promise.all(stage.workers.map((worker) => worker.end('SIGKILL')));
  await pool.client.flushall();
  const faults = await startFaults(dynamo.endpoint);
  try {
    await test_(faults);
  } finally {
    await Promise.all(stage.workers.map((worker) => worker.end('SIGKILL')));
    await faults.stop();
  }
}

const DONE = /pool default is ready: (\d+) users were restored in (\d+)/;
const pagesOf = (faults, table) => faults.of('Scan').filter(
  ({ body }) => body.TableName === `r-${table}`);
// Smaller pages than the worker asks for, so that there are many.
const smaller = (limit) => ({ body, forward }) => (
  forward({ ...body, Limit: limit }));

test('a slow store: one of two workers restores, and keeps its lease',
  () => between(async (faults) => {
    await putUsers(MANY);
    faults.on('Scan', async (call) => {
      await sleep(700);
      return smaller(20)(call);
    });
    const workers = [1, 2].map(() => stage.launch(settings(faults.endpoint)));
    const [, users, ms] = await until(
      () => workers.map(({ log }) => DONE.exec(log)).find(Boolean),
      'one of them is done', 60000);
    assert.ok(Number(users) >= 2 * MANY);
    assert.ok(Number(ms) > 8000, 'it took longer than a lease');
    const starts = pagesOf(faults, 'users').filter(
      ({ body }) => body.ExclusiveStartKey === undefined);
    assert.equal(starts.length, 1, 'it was read once');
    assert.equal((await pool.user(`slow-${MANY - 1}`)).spent, '3');
  }));

// What DynamoDB says of each; the first it asks for again by itself.
for (const [name, status] of [['ThrottlingException', 400],
  ['AccessDeniedException', 400]]) {
  test(`each third call fails (${name}): it is read through, once`,
    () => between(async (faults) => {
      await putUsers(MANY);
      let calls = 0;
      faults.on('Scan', (call) => {
        calls += 1;
        return calls % 3 === 0 ? refusal(name, status) : smaller(30)(call);
      });
      const worker = stage.launch(settings(faults.endpoint));
      const [, users] = await worker.logged(DONE, 60000);
      const pages = Math.ceil(users / 30) + 1;
      assert.ok(pages > 10);
      const asked = pagesOf(faults, 'users').length;
      assert.ok(asked <= pages * 1.5 + 2, `${asked} for ${pages} pages`);
      assert.equal((await pool.user('slow-0')).spent, '3');
      assert.equal((await pool.user(`slow-${MANY - 1}`)).spent, '3');
    }));
}

test('killed in the middle of a store that fails: another does it',
  () => between(async (faults) => {
    let calls = 0;
    faults.on('Scan', (call) => {
      calls += 1;
      return calls % 2 === 0 ? refusal('InternalServerError', 500)
        : smaller(25)(call);
    });
    const first = stage.launch(settings(faults.endpoint));
    await until(async () => await pool.client.dbsize() > 60, 'it has begun',
      30000);
    await first.end('SIGKILL');
    assert.equal(await pool.client.exists(pool.key('ready')), 0);
    const second = stage.launch(settings(faults.endpoint));
    const [, users] = await second.logged(DONE, 60000);
    assert.equal((await pool.client.keys('{default}:user:*')).length,
      Number(users));
  }));

// The items of a table, 25 at a time, eight requests at once.
async function putAll(table, items) {
  const batches = Array.from({ length: Math.ceil(items.length / 25) },
    (_, i) => items.slice(i * 25, i * 25 + 25));
  const put = async () => {
    for (let batch = batches.pop(); batch; batch = batches.pop()) {
      await dynamo.client.send(new BatchWriteItemCommand({ RequestItems: {
        [table]: batch.map((Item) => ({ PutRequest: { Item } })) } }));
    }
  };
  await Promise.all(Array.from({ length: 8 }, put));
}

test('20,000 users with 40,000 sessions: pages are asked for, not users',
  () => between(async (faults) => {
    const users = 20000;
    const second = Math.floor(Date.now() / 1000);
    const number = (n) => ({ N: String(n) });
    await putAll('r-users', Array.from({ length: users }, (_, i) => ({
      userId: { S: `many-${i}` }, pool: { S: 'default' }, points: number(15),
      pointsLeft: number(15), version: number(second * 1000),
      lastSessionTimestamp: number(second - 100),
    })));
    await putAll('r-sessions', Array.from({ length: 2 * users }, (_, i) => ({
      sessionId: { S: sessionId(100000 + i) },
      userA: { S: `many-${i % users}` }, userB: { S: `many-${(i + 1) % users}` },
      startTime: number(second - 1000000 + i), duration: number(60),
      endTime: number(second - 999940 + i), expiresAt: number(second + 99999),
    })));
    const worker = stage.launch({ ...settings(faults.endpoint), lease: '30s',
      redis: `redis://127.0.0.1:${stage.redis.port} timeout=1s` });
    const [, restored, ms] = await worker.logged(DONE, 240000);
    console.log(`# ${restored} users in ${ms} ms`);
    assert.ok(Number(restored) >= users);
    const history = await pool.client.lrange(pool.key('history', 'many-7'), 0,
      -1);
    assert.deepEqual(history.map((text) => JSON.parse(text).startTime),
      [20007, 20006, 7, 6].map((i) => second - 1000000 + i));
    assert.ok(faults.calls.length < 4 * (users + 2 * users) / 1000,
      `${faults.calls.length} calls`);
    assert.ok(worker.peakMemory()
      < (process.env.ASAN_OPTIONS ? 600 : 100) * 1024);
  }));

test('away while Redis is new: the pool stays closed until it is there',
  async () => {
    await Promise.all(stage.workers.map((worker) => worker.end('SIGKILL')));
    await dynamo.stop();
    await pool.client.flushall();
    const worker = await stage.launch(settings());
    await worker.logged(/pool default stays closed, it could not be restored/);
    assert.equal((await pool.join('ann')).status, 'restoring');

    // DynamoDB Local forgets when it is stopped: the tables are made anew
    await dynamo.start();
    await worker.logged(/made by convo-worker init/, 60000);
    spawnSync(binary, ['-c', stage.configure(settings()), 'init']);
    await worker.logged(/pool default is ready/, 60000);
    assert.equal((await pool.join('ann')).status, 'ok');
    assert.equal(await worker.end(), 0);
    assert.ok(!worker.log.includes(KEY.AWS_SECRET_ACCESS_KEY));
  });
