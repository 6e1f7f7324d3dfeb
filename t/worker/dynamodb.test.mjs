// The store in DynamoDB, on Amazon's DynamoDB Local and through a proxy that
// injects faults. What was written is read with Amazon's own client.

import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';

import {
  BatchWriteItemCommand, CreateTableCommand, DeleteTableCommand,
  DescribeTableCommand, DescribeTimeToLiveCommand, GetItemCommand,
  PutItemCommand, QueryCommand,
} from '@aws-sdk/client-dynamodb';

import {
  KEY, plain, REGION, startDynamo, startFaults,
} from '../node/dynamodb.mjs';
import {
  LATER, NOW, report, session, sessionId, sessions, Store, user,
} from '../node/store.mjs';

const TABLES = ['sessions', 'users', 'reports'];

let dynamo;
let faults;
let stores = [];
let prefixes = 0;

before(async () => {
  dynamo = await startDynamo();
  faults = await startFaults(dynamo.endpoint);
});

after(async () => {
  await faults?.stop();
  await dynamo?.stop();
});

afterEach(async () => {
  faults.off();
  const ended = stores;
  stores = [];
  for (const store of ended) {
    await store.end();
    assert.ok(!store.log.includes(KEY.AWS_SECRET_ACCESS_KEY));
  }
});

// A store with tables of its own; those of `like` if it is given.
function open({ like, endpoint = faults.endpoint, options = '', env } = {}) {
  const prefix = like?.prefix ?? `t${prefixes += 1}-`;
  const store = new Store(`dynamodb region=${REGION} endpoint=${endpoint} `
    + `prefix=${prefix} timeout=1s ${options}`, { ...KEY, ...env });
  store.prefix = prefix;
  stores.push(store);
  return store;
}

async function made(options) {
  const store = open(options);
  await store.must('init');
  faults.off();
  return store;
}

const byId = (a, b) => (a.sessionId < b.sessionId ? -1 : 1);

const items = (store, table) => dynamo.items(store.prefix + table);

async function storedSessions(store) {
  return (await items(store, 'sessions')).sort(byId);
}

// --- tables

test('init makes the tables as documented, and again changes nothing',
  async () => {
    const store = await made();
    const describe = async (table) => (await dynamo.client.send(
      new DescribeTableCommand({ TableName: store.prefix + table }))).Table;
    const keysOf = ({ KeySchema: schema }) => schema.map(
      ({ AttributeName: name, KeyType: type }) => `${name} ${type}`).join();

    const kept = await describe('sessions');
    assert.equal(keysOf(kept), 'sessionId HASH');
    assert.equal(kept.BillingModeSummary.BillingMode, 'PAY_PER_REQUEST');
    assert.deepEqual(kept.GlobalSecondaryIndexes.map((index) => [
      index.IndexName, keysOf(index), index.Projection.ProjectionType,
    ]).sort(), [
      ['userA-startTime', 'userA HASH,startTime RANGE', 'ALL'],
      ['userB-startTime', 'userB HASH,startTime RANGE', 'ALL'],
    ]);
    assert.equal(keysOf(await describe('users')), 'userId HASH');
    assert.equal(keysOf(await describe('reports')),
      'sessionId HASH,reporter RANGE');

    for (const table of TABLES) {
      const { TimeToLiveDescription: expiry } = await dynamo.client.send(
        new DescribeTimeToLiveCommand({ TableName: store.prefix + table }));
      assert.deepEqual([expiry.TimeToLiveStatus, expiry.AttributeName],
        table === 'users' ? ['DISABLED', undefined] : ['ENABLED', 'expiresAt'],
        table);
    }

    await store.must('write', { records: [session(1)] });
    faults.off();
    await store.must('init');
    assert.deepEqual([...new Set(faults.calls.map((call) => call.operation))],
      ['DescribeTable', 'DescribeTimeToLive']);
    assert.equal((await store.must('count')).result, 1);
  });

test('two that make the tables at once both find them made', async () => {
  const one = open();
  const two = open({ like: one });
  await Promise.all([one.must('init'), two.must('init')]);
  await two.must('write', { records: [session(1)] });
});

test('tables that take their time are waited for', async () => {
  const store = open();
  let asked = 0;
  faults.on('DescribeTable', async ({ forward }) => {
    const answer = await forward();
    asked += 1;
    if (answer.status === 200 && asked < 4) {
      answer.body.Table.TableStatus = 'CREATING';
    }
    return answer;
  });
  await store.must('init');
  assert.ok(asked > 4);
});

test('a table of another shape is told and left as it is', async () => {
  const store = open();
  const create = (attribute, extra = {}) => dynamo.client.send(
    new CreateTableCommand({
      TableName: `${store.prefix}sessions`, BillingMode: 'PAY_PER_REQUEST',
      AttributeDefinitions: [
        { AttributeName: attribute, AttributeType: 'S' }],
      KeySchema: [{ AttributeName: attribute, KeyType: 'HASH' }], ...extra,
    }));

  await create('id');
  assert.equal((await store.do('init')).error,
    `table ${store.prefix}sessions: the table is there with other keys`);
  await dynamo.client.send(new DeleteTableCommand({
    TableName: `${store.prefix}sessions` }));

  await create('sessionId', { AttributeDefinitions: [
    { AttributeName: 'sessionId', AttributeType: 'N' }] });
  assert.match((await store.do('init')).error, /with other keys$/);
  await dynamo.client.send(new DeleteTableCommand({
    TableName: `${store.prefix}sessions` }));

  const names = { AttributeDefinitions: ['sessionId', 'userA', 'userB'].map(
    (name) => ({ AttributeName: name, AttributeType: 'S' })).concat(
    [{ AttributeName: 'startTime', AttributeType: 'N' }]) };
  const index = (name) => ({
    IndexName: `${name}-startTime`, Projection: { ProjectionType: 'ALL' },
    KeySchema: [{ AttributeName: name, KeyType: 'HASH' },
      { AttributeName: 'startTime', KeyType: 'RANGE' }],
  });
  await create('sessionId', { ...names, GlobalSecondaryIndexes: [
    index('userA'), { ...index('userB'),
      Projection: { ProjectionType: 'KEYS_ONLY' } }] });
  assert.match((await store.do('init')).error,
    /is there without the index userB-startTime$/);
});

test('without its tables nothing is taken, and init is named', async () => {
  const store = open();
  for (const [what, records] of [
    ['write', [session(1)]], ['write', sessions(2)],
    ['put_users', [user('ann', 1)]], ['put_reports', [report(1, 'a', 'b')]],
    ['each_user'], ['each_session'], ['each_report'], ['count'],
  ]) {
    const { result, error } = await store.do(what,
      { records, user: 'ann', limit: 5, now: NOW });
    assert.equal(result, -1, what);
    assert.match(error, /made by convo-worker init$/);
  }
});

// --- sessions

test('a session is kept to the byte, and the first one stands', async () => {
  const store = await made();
  const first = session(1, { userA: 'o\'b"; \u{1f620}', userB: '\u00e4' });
  await store.must('write', { records: [first] });
  await store.must('write', { records: [{ ...first, duration: 1 }] });
  assert.deepEqual(await storedSessions(store), [first]);
  assert.ok(faults.of('PutItem').every(({ body }) => (
    body.ConditionExpression === 'attribute_not_exists(#k0)')));

  await store.must('write',
    { records: [session(2), { ...first, duration: 2 }, session(2)] });
  assert.deepEqual(await storedSessions(store), [first, session(2)]);
  assert.deepEqual(faults.of('BatchWriteItem').map(
    ({ body }) => body.RequestItems[`${store.prefix}sessions`].length), [1]);
});

test('many sessions go in batches of 25 at once', async () => {
  const store = await made();
  const all = sessions(230);
  await store.must('write', { records: all });
  assert.deepEqual(await storedSessions(store), all.sort(byId));
  assert.deepEqual(faults.of('BatchWriteItem').map(
    ({ body }) => body.RequestItems[`${store.prefix}sessions`].length)
    .sort((a, b) => a - b), [5, 25, 25, 25, 25, 25, 25, 25, 25, 25]);
  assert.equal((await store.must('count')).result, 230);
  assert.equal((await store.must('expire', { now: LATER * 2 })).result, 0);
});

test('two workers that write the same keep it once', async () => {
  const one = await made();
  const two = open({ like: one });
  const all = sessions(60);
  await Promise.all([one, two].map((store) => (
    store.must('write', { records: all }))));
  assert.deepEqual(await storedSessions(one), all.sort(byId));
});

test('the indexes answer by user and time', async () => {
  const store = await made();
  await store.must('write', { records: [
    session(1), session(2, { userA: 'bob', userB: 'ann' }),
    session(3, { userA: 'cem' })] });
  const query = async (side, value) => (await dynamo.client.send(
    new QueryCommand({
      TableName: `${store.prefix}sessions`, IndexName: `${side}-startTime`,
      KeyConditionExpression: '#u = :u AND startTime > :t',
      ExpressionAttributeNames: { '#u': side },
      ExpressionAttributeValues: { ':u': { S: value }, ':t': { N: '1' } },
    }))).Items.map(plain);
  assert.deepEqual(await query('userA', 'ann'), [session(1)]);
  assert.deepEqual((await query('userB', 'bob')).map((s) => s.startTime),
    [NOW + 1, NOW + 3]);
});

// Whoever looks for the sessions of a user finds them by the indexes.
test('the indexes have the sessions of a user, newest first', async () => {
  const store = await made();
  const own = [session(1), session(4, { userA: 'bob', userB: 'ann' }),
    session(3, { userB: 'cem' }), session(2, { userA: 'c', userB: 'ann' })];
  await store.must('write', { records: [...own,
    session(9, { userA: 'cem' })] });
  const found = async (side) => (await dynamo.client.send(new QueryCommand({
    TableName: `${store.prefix}sessions`, IndexName: `${side}-startTime`,
    KeyConditionExpression: `${side} = :user`, ScanIndexForward: false,
    ExpressionAttributeValues: { ':user': { S: 'ann' } },
  }))).Items.map(plain);
  assert.deepEqual(await found('userA'), [own[2], own[0]]);
  assert.deepEqual(await found('userB'), [own[1], own[3]]);
});

test('sessions are told as of their end, over many pages', async () => {
  const store = await made();
  const all = sessions(2500);
  for (let i = 0; i < all.length; i += 25) {
    await dynamo.client.send(new BatchWriteItemCommand({ RequestItems: {
      [`${store.prefix}sessions`]: all.slice(i, i + 25).map((s) => ({
        PutRequest: { Item: Object.fromEntries(Object.entries(s).map(
          ([name, value]) => [name, typeof value === 'number'
            ? { N: String(value) } : { S: value }])) } })) } }));
  }
  const { told } = await store.must('each_session', { since: 0, now: NOW });
  assert.deepEqual(told.sort(byId), all.sort(byId));
  assert.ok(faults.of('Scan').length >= 3);

  const since = NOW + 60 + 2400;
  assert.equal((await store.must('each_session', { since, now: NOW }))
    .told.length, 101);
  assert.equal((await store.must('each_session',
    { since: 0, now: LATER + 2400 })).told.length, 100);
  assert.equal((await store.must('each_session',
    { since: 0, now: NOW, stop: 7 })).told.length, 7);

  // behind each that was told last come those that were told after it
  const order = (await store.must('each_session', { since: 0, now: NOW }))
    .told.map(({ sessionId: id }) => id);
  for (const at of [0, 1, 999, 1000, 1700, 2499]) {
    const rest = await store.must('each_session',
      { after: order[at], since: 0, now: NOW });
    assert.deepEqual(rest.told.map(({ sessionId: id }) => id),
      order.slice(at + 1));
  }
});

// --- users and reports

test('the newer version of a user stands, in any order', async () => {
  const store = await made();
  const ann = user('ann', 100);
  await store.must('put_users', { records: [ann, user('\u00f6', 1)] });
  await store.must('put_users', { records: [
    user('ann', 100, { pointsLeft: 1 }), user('ann', 99, { pointsLeft: 2 })] });
  assert.deepEqual((await items(store, 'users')).find(
    ({ userId }) => userId === 'ann'), ann);

  const versions = Array.from({ length: 40 }, (_, i) => (
    user('ann', 101 + ((i * 7) % 40), { pointsSpent: (i * 7) % 40,
      isWaitingInQueue: false, state: 'live', bannedUntil: 9007199254740 })));
  await store.must('put_users', { records: versions });
  const { told } = await store.must('each_user');
  assert.deepEqual(told.find(({ userId }) => userId === 'ann'), {
    ...ann, version: 140, pointsSpent: 39, isWaitingInQueue: false,
    state: 'live', bannedUntil: 9007199254740, blocked: [] });
});

test('a last session that Redis has forgotten stays', async () => {
  const store = await made();
  const last = async () => (await items(store, 'users'))[0]
    .lastSessionTimestamp;
  for (const [version, told, kept] of [[1, 0, 0], [2, NOW, NOW], [3, 0, NOW],
    [4, NOW + 9, NOW + 9]]) {
    await store.must('put_users', { records: [
      user('ann', version, { lastSessionTimestamp: told })] });
    assert.equal(await last(), kept);
  }
});

test('who has not joined in a pool is told of by a ban alone', async () => {
  const store = await made();
  const stranger = (version, bannedUntil) => user('ann', version, {
    pool: 'other', points: 0, pointsLeft: 0, pointsSpent: 0, windowEndsAt: 0,
    lastSessionTimestamp: 0, isWaitingInQueue: false, state: 'idle',
    bannedUntil });
  const ann = user('ann', 100);
  const told = async () => (await store.must('each_user')).told;

  await store.must('put_users', { records: [stranger(200, 7)] });
  assert.deepEqual(await told(), [{ ...stranger(200, 7), blocked: [] }]);
  await store.must('put_users', { records: [ann] });
  assert.deepEqual(await told(), [{ ...ann, blocked: [] }]);
  await store.must('put_users', { records: [stranger(300, 8)] });
  assert.deepEqual(await told(), [{ ...ann, bannedUntil: 8, blocked: [] }]);
});

test('a report is kept once, and both are blocked for ever', async () => {
  const store = await made();
  await store.must('put_users', { records: [user('bob', 5)] });
  const first = report(1, 'ann', 'bob');
  await store.must('put_reports', { records: [first] });
  await store.must('put_reports', { records: [
    { ...first, reason: 'changed' }, report(1, 'bob', 'ann'),
    report(2, 'ann', 'cem', { reason: '' })] });
  const kept = await items(store, 'reports');
  assert.equal(kept.length, 3);
  assert.deepEqual(kept.find(
    (r) => r.reporter === 'ann' && r.reported === 'bob'), first);

  const told = new Map((await store.must('each_user')).told.map(
    (u) => [u.userId, u]));
  assert.deepEqual(told.get('ann').blocked.sort(), ['bob', 'cem']);
  assert.deepEqual([told.get('ann').version, told.get('ann').pool],
    [0, 'p-1']);
  assert.deepEqual(told.get('bob'), { ...user('bob', 5), blocked: ['ann'] });
  assert.deepEqual(told.get('cem').blocked, ['ann']);

  await store.must('put_users', { records: [user('ann', 1)] });
  const ann = (await store.must('each_user')).told.find(
    ({ userId }) => userId === 'ann');
  assert.deepEqual([ann.version, ann.blocked.sort()], [1, ['bob', 'cem']]);

  const since = (at, now) => store.must('each_report', { since: at, now });
  assert.equal((await since(NOW, NOW)).told.length, 3);
  assert.equal((await since(NOW + 1, NOW)).told.length, 0);
  assert.equal((await since(0, LATER)).told.length, 0);
});

test('30 reports in one batch', async () => {
  const store = await made();
  const records = Array.from({ length: 30 },
    (_, i) => report(i + 1, 'ann', `u${i}`));
  await store.must('put_reports', { records });
  assert.deepEqual((await items(store, 'reports')).sort(byId),
    records.sort(byId));
  assert.equal((await store.must('each_user')).told.length, 31);
});

test('users over many pages, with large sets of blocks', async () => {
  const store = await made();
  const blocked = Array.from({ length: 1500 },
    (_, i) => `${i}-${'b'.repeat(200)}`).sort();
  for (let i = 0; i < 8; i += 1) {
    await dynamo.client.send(new PutItemCommand({
      TableName: `${store.prefix}users`,
      Item: { userId: { S: `u${i}` }, pool: { S: 'p-1' },
        blocked: { SS: blocked } },
    }));
  }
  const { told } = await store.must('each_user');
  assert.deepEqual(told.map(({ userId }) => userId).sort(),
    Array.from({ length: 8 }, (_, i) => `u${i}`));
  assert.ok(told.every((u) => (
    JSON.stringify(u.blocked.sort()) === JSON.stringify(blocked))));
  assert.ok(faults.of('Scan').length > 1);
});

test('a user with more blocks than an item holds stops nobody', async () => {
  const store = await made();
  const TableName = `${store.prefix}users`;
  await dynamo.client.send(new PutItemCommand({ TableName, Item: {
    userId: { S: 'ann' }, pool: { S: 'p-1' },
    blocked: { SS: Array.from({ length: 1600 },
      (_, i) => `${String(i).padStart(4, '0')}${'b'.repeat(251)}`) } } }));
  await store.must('put_reports', { records: [
    report(1, 'ann', 'c'.repeat(255)), report(2, 'ann', 'd'.repeat(255)),
    report(3, 'eve', 'fay'), ...Array.from({ length: 6 }, (_, i) => (
      report(4 + i, 'ann', String(i).repeat(255))))] });
  assert.match(store.log, /more blocks than an item of DynamoDB can hold/);
  const { Item } = await dynamo.client.send(new GetItemCommand(
    { TableName, Key: { userId: { S: 'fay' } } }));
  assert.deepEqual(Item.blocked.SS, ['eve']);
  assert.equal((await items(store, 'reports')).length, 9);
});

test('a user whose item is full stops no other user', async () => {
  const store = await made();
  await dynamo.client.send(new PutItemCommand({
    TableName: `${store.prefix}users`,
    Item: { userId: { S: 'full' }, more: { S: 'x'.repeat(409540) } } }));
  const others = Array.from({ length: 40 }, (_, i) => user(`user-${i}`, 1));
  await store.must('put_users', { records: [user('full', 1), ...others] });
  assert.match(store.log, /\[error\].*than an item of DynamoDB can hold/);
  assert.doesNotMatch(store.log, /full/);
  const kept = new Map((await items(store, 'users')).map(
    (item) => [item.userId, item]));
  assert.equal(kept.get('full').version, undefined);
  assert.deepEqual(others.map(({ userId }) => kept.get(userId)), others);
});

test('items that are none of ours are left out, and told without a word of '
  + 'them', async () => {
  const store = await made();
  const put = (table, Item) => dynamo.client.send(new PutItemCommand(
    { TableName: store.prefix + table, Item }));
  const good = Object.fromEntries(Object.entries(session(1)).map(
    ([name, value]) => [name, typeof value === 'number'
      ? { N: String(value) } : { S: value }]));

  await put('sessions', good);
  await put('sessions', { ...good, sessionId: { S: 'strange-one' } });
  for (const [i, changed] of [
    { duration: { S: '60' } }, { duration: { N: '-1' } },
    { duration: { N: '1.5' } }, { duration: { N: '1E+30' } },
    { userB: { S: 'x'.repeat(256) } }, { userB: { N: '1' } },
  ].entries()) {
    const item = { ...good, ...changed, sessionId: { S: sessionId(50 + i) } };
    if (item.userB.N) {
      delete item.userB;
    }
    await put('sessions', item);
  }
  await put('users', { userId: { S: 'ann' }, pool: { S: 'NO POOL' } });
  await put('users', { userId: { S: 'bob' } });
  await put('users', { userId: { S: 'cem' }, pool: { S: 'p' },
    points: { S: 'many' } });
  await put('users', { userId: { S: 'dan' }, pool: { S: 'p' },
    blocked: { SS: ['x'.repeat(300), 'y'] } });
  await put('reports', { sessionId: { S: 'x' }, reporter: { S: 'y' } });

  assert.deepEqual((await store.must('each_session',
    { since: 0, now: NOW })).told, [session(1)]);
  const { told } = await store.must('each_user');
  assert.deepEqual(told.map((u) => [u.userId, u.blocked]), [['dan', ['y']]]);
  assert.deepEqual((await store.must('each_report',
    { since: 0, now: 0 })).told, []);
  assert.match(store.log, /an item that is no session is left out/);
  assert.match(store.log, /an item that is no user is left out/);
  assert.ok(!store.log.includes('strange-one'));
});

