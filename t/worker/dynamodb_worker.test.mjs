// The worker with its history in DynamoDB, from end to end: a real Redis, a
// real livekit-server, and Amazon's DynamoDB Local, which is away while the
// sessions are held.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { after, before, test } from 'node:test';

import { QueryCommand } from '@aws-sdk/client-dynamodb';

import {
  KEY, newDynamo, plain, refusal, REGION, startFaults,
} from '../node/dynamodb.mjs';
import { newSid } from '../node/pool.mjs';
import { binary, sleep, startStage, until } from '../node/worker.mjs';

const PAIRS = 5;
const ENTRIES = 300;
const SESSIONS = 'e-sessions';

let stage;
let pool;
let dynamo;

before(async () => {
  Object.assign(process.env, KEY);
  dynamo = await newDynamo();
  stage = await startStage();
  pool = stage.pool;
});

after(async () => {
  await stage?.stop();
  await dynamo?.stop();
});

const settings = (endpoint = dynamo.endpoint) => ({
  history: `dynamodb region=${REGION} endpoint=${endpoint} prefix=e- `
    + 'timeout=1s',
  lease: '7s',
  absence: '1s',
});

function command(...args) {
  return spawnSync(binary, ['-c', stage.configure(settings()), ...args],
    { encoding: 'utf8', timeout: 60000 });
}

async function hold(a, b) {
  await stage.join(a, b);
  const { sid } = await stage.state(a, 'matched');
  await stage.event(sid, 'joined', 'a', 'PA_a');
  await stage.event(sid, 'joined', 'b', 'PA_b');
  await stage.state(a, 'live');
  await stage.event(sid, 'left', 'a', 'PA_a');
  await stage.state(a, 'idle');
  await stage.state(b, 'idle');
  return sid;
}

// An entry as the scripts write it, twice for some: at least once is what a
// stream promises.
async function append(sid, i) {
  const entry = ['sessionId', sid, 'userA', 'zoe', 'userB', `peer-${i}`,
    'startTime', 1795334400 + i, 'endTime', 1795334460 + i, 'duration', 60,
    'expiresAt', 1803110460 + i];
  await pool.client.xadd(pool.key('ended'), '*', ...entry);
  if (i % 10 === 0) {
    await pool.client.xadd(pool.key('ended'), '*', ...entry);
  }
}

async function ofIndex(side, user) {
  const all = [];
  let from;
  do {
    const page = await dynamo.client.send(new QueryCommand({
      TableName: SESSIONS, IndexName: `${side}-startTime`,
      KeyConditionExpression: '#u = :u', ScanIndexForward: false,
      ExpressionAttributeNames: { '#u': side },
      ExpressionAttributeValues: { ':u': { S: user } },
      ExclusiveStartKey: from,
    }));
    all.push(...page.Items.map(plain));
    from = page.LastEvaluatedKey;
  } while (from);
  return all;
}

test('a store that is away: init says so', () => {
  const { status, stdout, stderr } = command('init');
  assert.deepEqual([status, stdout], [1, '']);
  assert.match(stderr, /table e-sessions: .*(connect|refused)/i);
});

test('away for the whole run: every session is there afterwards, once',
  async () => {
    const first = await stage.worker(settings());
    const held = [];
    for (let i = 0; i < PAIRS; i += 1) {
      held.push(await hold(`ann-${i}`, `bob-${i}`));
    }
    await first.logged(/the store takes nothing now/);

    const appended = Array.from({ length: ENTRIES }, newSid);
    await Promise.all(appended.map(append));
    await first.end('SIGKILL');
    await stage.worker(settings());
    await stage.worker(settings());
    assert.ok(await pool.client.xlen(pool.key('ended')) > ENTRIES);

    await dynamo.start();
    const { status, stdout } = command('init');
    assert.deepEqual([status, stdout],
      [0, 'convo-worker: the store is ready\n']);
    await until(async () => await pool.client.xlen(pool.key('ended')) === 0,
      'the stream is empty', 120000);

    const kept = await dynamo.items(SESSIONS);
    assert.deepEqual(kept.map((item) => item.sessionId).sort(),
      [...held, ...appended].sort());
    assert.equal(kept.filter((item) => item.userA === 'zoe').length, ENTRIES);
    for (const item of kept) {
      assert.deepEqual(Object.keys(item).sort(), ['duration', 'endTime',
        'expiresAt', 'sessionId', 'startTime', 'userA', 'userB']);
      assert.equal(item.expiresAt, item.endTime + 90 * 86400);
    }

    assert.deepEqual((await ofIndex('userA', 'zoe')).map(
      (item) => item.sessionId), appended.slice().reverse());
    assert.deepEqual((await ofIndex('userB', 'peer-7')).map(
      (item) => item.sessionId), [appended[7]]);
    const users = [...await ofIndex('userA', 'ann-3'),
      ...await ofIndex('userB', 'ann-3')];
    assert.deepEqual(users.map((item) => item.sessionId), [held[3]]);
  });

test('export tells the same', async () => {
  const { status, stdout, stderr } = command('export', '--since',
    '2020-01-01');
  assert.equal(status, 0, stderr);
  const told = stdout.trim().split('\n').map((line) => JSON.parse(line));
  const kept = await dynamo.items(SESSIONS);
  const ids = (list) => list.map((item) => item.sessionId).sort();
  assert.deepEqual(ids(told), ids(kept.filter(
    (item) => item.expiresAt > Date.now() / 1000)));
});

test('a user whom DynamoDB refuses is a dead letter, and holds up nobody',
  async () => {
    const faults = await startFaults(dynamo.endpoint);
    faults.on('UpdateItem', ({ body, forward }) => (
      body.Key.userId.S === 'odd' ? refusal('ValidationException')
        : forward()));
    await Promise.all(stage.workers.map((worker) => worker.end('SIGKILL')));
    await stage.join('odd', ...Array.from({ length: 7 }, (_, i) => `even-${i}`));
    const worker = await stage.worker(settings(faults.endpoint));
    await until(async () => await pool.client.zcard(pool.key('dirty')) === 0,
      'all are written or set aside', 60000);
    const letters = (await pool.client.xrange(pool.key('dead'), '-', '+'))
      .map(([, fields]) => fields.join(' '));
    // once more when they are matched
    assert.ok(letters.length >= 1);
    letters.forEach((letter) => assert.match(letter,
      /^kind user from dirty what "odd" reason the store refuses the user/));
    assert.match(worker.log, /the store refuses the user, a dead letter now/);
    const kept = (await dynamo.items('e-users')).map(({ userId }) => userId);
    assert.ok(!kept.includes('odd'));
    assert.equal(kept.filter((id) => id.startsWith('even-')).length, 7);
    await worker.end('SIGKILL');
    await faults.stop();
  });

test('a session that DynamoDB refuses is a dead letter, and holds up nobody',
  async () => {
    const ids = Array.from({ length: 7 }, newSid);
    const faults = await startFaults(dynamo.endpoint);
    ['PutItem', 'BatchWriteItem'].forEach((kind) => faults.on(kind,
      ({ body, forward }) => (JSON.stringify(body).includes(ids[0])
        ? refusal('ValidationException') : forward())));
    await Promise.all(stage.workers.map((worker) => worker.end('SIGKILL')));
    await Promise.all(ids.map((id, i) => append(id, i + 1)));
    const worker = await stage.worker(settings(faults.endpoint));
    await until(async () => await pool.client.xlen(pool.key('ended')) === 0,
      'all are written or set aside', 60000);
    const letters = (await pool.client.xrange(pool.key('dead'), '-', '+'))
      .map(([, fields]) => fields.join(' '))
      .filter((letter) => letter.includes('the store refuses the session'));
    assert.equal(letters.length, 1);
    assert.match(letters[0], /from ended/);
    assert.ok(letters[0].includes(ids[0]));
    const kept = (await dynamo.items(SESSIONS)).map((item) => item.sessionId);
    assert.deepEqual(ids.filter((id) => !kept.includes(id)), [ids[0]]);
    await worker.end('SIGKILL');
    await faults.stop();
  });

test('SIGTERM: what DynamoDB is asked for is waited for', async () => {
  const faults = await startFaults(dynamo.endpoint);
  let asked = 0;
  faults.on('UpdateItem', async ({ forward }) => {
    asked += 1;
    await sleep(12000);
    return forward();
  });
  const worker = await stage.worker({ ...settings(),
    history: `dynamodb region=${REGION} endpoint=${faults.endpoint} `
      + 'prefix=e- timeout=30s', lease: '1m' });
  await stage.join('slow');
  await until(() => asked > 0, 'it is asked');
  assert.equal(await worker.end('SIGTERM'), 0);
  assert.doesNotMatch(worker.log, /took too long/);
  await faults.stop();
});

test('nothing secret is in a log', () => {
  for (const worker of stage.workers) {
    assert.ok(!worker.log.includes(KEY.AWS_SECRET_ACCESS_KEY));
    assert.ok(!worker.log.includes('zoe'));
  }
});
