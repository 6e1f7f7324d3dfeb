// The store in DynamoDB when the service throttles, leaves items unprocessed,
// refuses, answers rubbish or is not there: everything is told, nothing is
// lost, and what was to be written is there in the end, once.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import https from 'node:https';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, afterEach, before, test } from 'node:test';

import {
  KEY, REGION, newDynamo, refusal, startDynamo, startFaults,
} from '../node/dynamodb.mjs';
import { NOW, report, session, sessions, Store, user } from '../node/store.mjs';

const PREFIX = 'f-';
const SESSIONS = `${PREFIX}sessions`;

let dynamo;
let faults;
let store;
let numbers = 0;

before(async () => {
  dynamo = await startDynamo();
  faults = await startFaults(dynamo.endpoint);
  store = open();
  await store.must('init');
});

after(async () => {
  await store?.end();
  await faults?.stop();
  await dynamo?.stop();
});

afterEach(() => faults.off());

function open(env = {}, endpoint = faults.endpoint, options = 'timeout=1s',
  prefix = PREFIX) {
  return new Store(`dynamodb region=${REGION} endpoint=${endpoint} `
    + `prefix=${prefix} ${options}`, { ...KEY, ...env });
}

// Sessions that no other test has.
function fresh(n) {
  numbers += n;
  return sessions(n, numbers - n + 1);
}

// Those that are kept, each of them once.
async function assertKept(records) {
  const kept = (await dynamo.items(SESSIONS)).map((item) => item.sessionId);
  for (const record of records) {
    assert.equal(kept.filter((id) => id === record.sessionId).length, 1);
  }
}

async function assertAbsent(records) {
  const kept = new Set((await dynamo.items(SESSIONS)).map((s) => s.sessionId));
  assert.ok(records.every((record) => !kept.has(record.sessionId)));
}

// The fault for the first n calls, none for those after them.
function times(n, fault) {
  let left = n;
  return (call) => {
    left -= 1;
    return left >= 0 ? fault(call) : call.forward();
  };
}

const failed = async (what, more) => {
  const { result, error } = await store.do(what, more);
  assert.equal(result, -1, `${what} went well`);
  return error;
};

// --- throttling

for (const [name, status] of [
  ['ProvisionedThroughputExceededException', 400], ['ThrottlingException', 400],
  ['RequestLimitExceeded', 400], ['InternalServerError', 500],
  ['ServiceUnavailable', 503], ['Unnamed', 429],
]) {
  test(`${name} (${status}) is tried again`, async () => {
    const one = fresh(1);
    faults.on('PutItem', times(3, () => refusal(name, status)));
    await store.must('write', { records: one });
    await assertKept(one);
    assert.equal(faults.of('PutItem').length, 4);
  });
}

test('every kind of call is tried again', async () => {
  const many = fresh(30);
  const kinds = ['BatchWriteItem', 'BatchGetItem', 'UpdateItem', 'Scan',
    'DescribeTable'];
  for (const kind of kinds) {
    faults.on(kind, times(2, () => refusal('ThrottlingException')));
  }
  await store.must('write', { records: many });
  await store.must('put_users', { records: [user('ann', 1)] });
  await store.must('each_user');
  await store.must('count');
  await assertKept(many);
  for (const kind of kinds) {
    assert.ok(faults.of(kind).length >= 3, kind);
  }
});

test('throttling without an end is told, and what was left is written later',
  async () => {
    const one = fresh(1);
    const many = fresh(60);
    faults.on('*', () => refusal('ThrottlingException'));
    assert.equal(await failed('write', { records: one }),
      'writing: PutItem: status 400 ThrottlingException');
    const tries = faults.of('PutItem').length;
    assert.ok(tries >= 4 && tries <= 20, `${tries} tries`);
    assert.match(await failed('put_reports',
      { records: [report(1, 'ann', 'bob')] }), /ThrottlingException$/);

    // the first batch is taken, the others are not
    faults.off();
    faults.on('BatchWriteItem', async ({ body, forward }) => (
      JSON.stringify(body).includes(many[0].sessionId)
        ? forward() : refusal('ThrottlingException')));
    await failed('write', { records: many });
    await assertKept(many.slice(0, 1));
    faults.off();
    await store.must('write', { records: many });
    await store.must('write', { records: one });
    await assertKept([...one, ...many]);
  });

test('a user who is throttled is told, and the others are written',
  async () => {
    const users = Array.from({ length: 40 }, (_, i) => user(`throttled-${i}`,
      1));
    const kept = async () => (await dynamo.items(`${PREFIX}users`))
      .map(({ userId }) => userId).filter((id) => id.startsWith('throttled-'));
    faults.on('UpdateItem', ({ body, forward }) => (
      body.Key.userId.S === 'throttled-3'
        ? refusal('ThrottlingException') : forward()));
    assert.equal(await failed('put_users', { records: users }),
      'writing: UpdateItem: status 400 ThrottlingException');
    assert.deepEqual((await kept()).sort(), users.map((u) => u.userId)
      .filter((id) => id !== 'throttled-3').sort());
    faults.off();
    await store.must('put_users', { records: users });
    assert.equal((await kept()).length, users.length);
  });

test('a user whose record is invalid is set aside, and the others are written',
  async () => {
    const users = Array.from({ length: 40 }, (_, i) => user(`invalid-${i}`,
      1));
    const ids = users.map(({ userId }) => userId);
    faults.on('UpdateItem', ({ body, forward }) => (
      body.Key.userId.S === 'invalid-3'
        ? refusal('ValidationException') : forward()));
    const { told } = await store.must('put_users', { records: users });
    assert.deepEqual(told, ['invalid-3']);
    assert.deepEqual((await dynamo.items(`${PREFIX}users`))
      .map(({ userId }) => userId).filter((id) => ids.includes(id)).sort(),
    ids.filter((id) => id !== 'invalid-3').sort());
    assert.match(store.log, /a change of a user invalid: it is kept by Redis/);
    assert.doesNotMatch(store.log, /invalid-3/);
  });

test('a block that is invalid stops no report', async () => {
  faults.on('UpdateItem', ({ body, forward }) => (
    body.Key.userId.S === 'odd' ? refusal('ValidationException') : forward()));
  await store.must('put_reports', { records: [
    report(1, 'odd', 'bob'), report(2, 'eve', 'fay')] });
  const kept = (await dynamo.items(`${PREFIX}reports`)).map(
    ({ reporter }) => reporter);
  assert.ok(kept.includes('odd') && kept.includes('eve'));
});

// Every call with an item of this session is invalid.
function refuse({ sessionId: id }) {
  for (const kind of ['PutItem', 'BatchGetItem', 'BatchWriteItem']) {
    faults.on(kind, ({ body, forward }) => (JSON.stringify(body).includes(id)
      ? refusal('ValidationException') : forward()));
  }
}

test('a session that is invalid is set aside, and the others are written',
  async () => {
    const many = fresh(40);
    refuse(many[3]);
    const { told } = await store.must('write', { records: many });
    assert.deepEqual(told, [many[3].sessionId]);
    await assertKept(many.filter((_, i) => i !== 3));
    assert.match(store.log, /calls an item of table f-sessions invalid/);

    // keys are asked for all the same
    const more = fresh(60);
    refuse(more[50]);
    faults.on('BatchGetItem', ({ forward }) => forward());
    const again = await store.must('write', { records: more });
    assert.deepEqual(again.told, [more[50].sessionId]);
    await assertKept(more.filter((_, i) => i !== 50));
  });

test('a report that is invalid is set aside, and the others are written',
  async () => {
    const reports = Array.from({ length: 12 }, (_, i) => report(500 + i,
      `rita-${i}`, 'bob'));
    refuse(reports[10]);
    const { told } = await store.must('put_reports', { records: reports });
    assert.deepEqual(told, [reports[10].sessionId]);
    const kept = (await dynamo.items(`${PREFIX}reports`)).map(
      ({ reporter }) => reporter).filter((id) => id.startsWith('rita-'));
    assert.equal(kept.length, 11);
    assert.ok(!kept.includes('rita-10'));
  });

test('alone and first: set aside if the table has others', async () => {
  const [one] = fresh(1);
  const other = open();
  refuse(one);
  const { told } = await other.must('write', { records: [one] });
  await other.end();
  assert.deepEqual(told, [one.sessionId]);
});

test('a table that has never taken one sets nothing aside', async () => {
  const other = open({}, faults.endpoint, 'timeout=1s', 'n-');
  await other.must('init');
  for (const kind of ['UpdateItem', 'PutItem', 'BatchGetItem']) {
    faults.on(kind, () => refusal('ValidationException'));
  }
  for (const [what, records, call] of [
    ['put_users', [user('a', 1), user('b', 1)], 'UpdateItem'],
    ['write', fresh(2), 'PutItem'],
    ['put_reports', [report(1, 'ann', 'bob')], 'UpdateItem'],
  ]) {
    const { result, error, told } = await other.do(what, { records });
    assert.deepEqual([result, told], [-1, []]);
    assert.equal(error,
      `writing: ${call}: status 400 ValidationException`);
  }
  await other.end();
});

// --- what a batch leaves undone

test('unprocessed items are sent again until all are there', async () => {
  const many = fresh(60);
  let left = 6;
  faults.on('BatchWriteItem', async ({ body, forward }) => {
    const puts = body.RequestItems[SESSIONS];
    left -= 1;
    if (left < 0) {
      return forward();
    }
    // half of them are taken, the answer says which are not
    const half = Math.floor(puts.length / 2);
    if (half > 0) {
      await forward({ RequestItems: { [SESSIONS]: puts.slice(0, half) } });
    }
    return { body: { UnprocessedItems: { [SESSIONS]: puts.slice(half) } } };
  });
  await store.must('write', { records: many });
  await assertKept(many);
  const sent = faults.of('BatchWriteItem').flatMap(({ body }) => (
    body.RequestItems[SESSIONS].map((put) => put.PutRequest.Item.sessionId.S)));
  assert.ok(sent.length > many.length);
  assert.ok(sent.length < many.length * 4, 'what was taken is sent no more');
});

test('unprocessed items without an end are told', async () => {
  const many = fresh(30);
  faults.on('BatchWriteItem', ({ body }) => (
    { body: { UnprocessedItems: body.RequestItems } }));
  assert.equal(await failed('write', { records: many }),
    'writing: throttled: 30 items are left unprocessed');
  await assertAbsent(many);
  faults.off();
  await store.must('write', { records: many });
  await assertKept(many);
});

test('unprocessed keys are asked for again', async () => {
  const many = fresh(30);
  await store.must('write', { records: many.slice(0, 10) });
  faults.off();
  faults.on('BatchGetItem', times(2, async ({ body, forward }) => {
    const { Keys, ...rest } = body.RequestItems[SESSIONS];
    const answer = await forward({ RequestItems: { [SESSIONS]: {
      ...rest, Keys: Keys.slice(0, 5) } } });
    answer.body.UnprocessedKeys = { [SESSIONS]: {
      ...rest, Keys: Keys.slice(5) } };
    return answer;
  }));
  await store.must('write', { records: many });
  await assertKept(many);
  assert.equal(faults.of('BatchGetItem').length, 3);
  assert.equal(faults.of('BatchWriteItem')[0].body.RequestItems[SESSIONS]
    .length, 20);
});

// --- rubbish

const deep = `${'['.repeat(5000)}${']'.repeat(5000)}`;

for (const [name, answer] of [
  ['no JSON', { body: '<html>hello</html>' }],
  ['nothing', { body: '' }],
  ['an empty object', { body: {} }],
  ['a list', { body: [] }],
  ['half an object', { body: '{"Items": [{"sessionId"' }],
  ['a member twice', { body: '{"Items": [], "Items": []}' }],
  ['bytes that are no UTF-8', { body: '{"Items": ["\\ud800"]}' }],
  ['depth', { body: `{"Items": ${deep}}` }],
  ['too much', { body: `{"Items": "${'x'.repeat(9 << 20)}"}` }],
  ['other types', { body: { Items: 5, Table: [], UnprocessedItems: [],
    Responses: 7, UnprocessedKeys: 1 } }],
  ['strangers', { body: { Items: [1, null, [], { sessionId: 5 },
    { sessionId: { S: null } }], LastEvaluatedKey: 'x', Table: {},
  UnprocessedItems: { [SESSIONS]: [{ PutRequest: { Item: {
    sessionId: { S: 'stranger' } } } }] },
  Responses: { [SESSIONS]: [{ sessionId: { S: 'stranger' } }, 5] } } }],
]) {
  test(`an answer of ${name} is an error and never more`, async () => {
    const many = fresh(2);
    for (const operation of ['BatchGetItem', 'BatchWriteItem', 'Scan',
      'DescribeTable']) {
      faults.on(operation, () => answer);
    }
    assert.match(await failed('write', { records: many }),
      /^writing: .*(an answer that is not DynamoDB's|more than \d+ bytes)$/);
    for (const [what, records] of [['each_user'], ['each_session'],
      ['each_report'], ['count']]) {
      assert.match(await failed(what, { records, now: NOW }),
        /(not DynamoDB's|more than \d+ bytes)$/);
    }
    faults.off();
    await store.must('write', { records: many });
    await assertKept(many);
  });

  test(`an error of ${name} is an error and never more`, async () => {
    faults.on('*', () => ({ ...answer, status: 400 }));
    const one = fresh(1);
    assert.match(await failed('write', { records: one }),
      /^writing: (PutItem: status 400 : is the endpoint|answer of more than)/);
    faults.off();
    await store.must('write', { records: one });
  });
}

test('pages that never end do', async () => {
  faults.on('Scan', async ({ forward }) => {
    const answer = await forward();
    answer.body.LastEvaluatedKey = { userId: { S: 'same' } };
    return answer;
  });
  assert.match(await failed('each_user'), /not DynamoDB's$/);
});

// --- refusals

test('what the credentials lack is said plainly, and no secret with it',
  async () => {
    const cases = [
      ['ExpiredTokenException', /the credentials have expired$/],
      ['UnrecognizedClientException', /does not know the access key or its/],
      ['InvalidSignatureException', /is the secret that of the access key\?$/],
      ['AccessDeniedException', /PutItem: .*the credentials lack this right$/],
      ['MissingAuthenticationTokenException', /is the endpoint DynamoDB's\?$/],
    ];
    for (const [name, expected] of cases) {
      faults.on('*', () => refusal(name, 400,
        `user arn:aws:iam::1:user/x used ${KEY.AWS_ACCESS_KEY_ID}`));
      const other = open();
      const { result, error } = await other.do('write',
        { records: fresh(1) });
      await other.end();
      assert.equal(result, -1);
      assert.match(error, expected);
      assert.ok(!error.includes(KEY.AWS_ACCESS_KEY_ID));
      assert.ok(!error.includes('arn:'));
    }
  });

test('a clock that is off is said to be', async () => {
  for (const [seconds, expected] of [[700, 'behind'], [-700, 'ahead']]) {
    faults.on('*', () => ({
      ...refusal('InvalidSignatureException', 400, 'Signature expired'),
      headers: { Date: new Date(Date.now() + seconds * 1000).toUTCString() },
    }));
    assert.match(await failed('write', { records: fresh(1) }), new RegExp(
      `^writing: InvalidSignatureException: this machine's clock is `
      + `(69\\d|70\\d) s ${expected}$`));
  }
});

test('credentials that were refused are looked for once more', async () => {
  const one = fresh(1);
  const other = open();
  faults.on('PutItem', times(1, () => refusal('ExpiredTokenException')));
  await other.must('write', { records: one });
  await assertKept(one);

  // the same ones are not offered without a pause
  faults.calls = [];
  faults.on('PutItem', () => refusal('ExpiredTokenException'));
  assert.equal((await other.do('write', { records: fresh(1) })).result, -1);
  assert.ok(faults.of('PutItem').length <= 2);
  await other.end();
});

test('without credentials nothing is sent', async () => {
  const other = open({ AWS_ACCESS_KEY_ID: '', AWS_SECRET_ACCESS_KEY: '',
    AWS_SHARED_CREDENTIALS_FILE: '/nowhere', AWS_CONFIG_FILE: '/nowhere',
    AWS_EC2_METADATA_DISABLED: 'true' });
  const { result, error } = await other.do('write', { records: fresh(1) });
  await other.end();
  assert.equal(result, -1);
  assert.match(error, /^writing: no credentials for AWS: /);
  assert.equal(faults.calls.length, 0);
});

test('a session token goes with the request, signed', async () => {
  const other = open({ AWS_SESSION_TOKEN: 'a-session-token' });
  await other.must('write', { records: fresh(1) });
  await other.end();
  const [{ headers }] = faults.of('PutItem');
  assert.equal(headers['x-amz-security-token'], 'a-session-token');
  assert.match(headers.authorization,
    /SignedHeaders=[a-z0-9;-]*x-amz-security-token/);
  assert.ok(!other.log.includes('a-session-token'));
});

// --- the connection

test('a connection that was cut is tried once more', async () => {
  const one = fresh(1);
  faults.on('PutItem', times(1, ({ request }) => request.socket.destroy()));
  await store.must('write', { records: one });
  await assertKept(one);
});

test('an answer that was lost is no second session', async () => {
  const one = fresh(1);
  faults.on('PutItem', times(1, async ({ forward, request }) => {
    await forward();
    request.socket.destroy();
  }));
  await store.must('write', { records: one });
  await assertKept(one);
  assert.equal(faults.of('PutItem').length, 2);
});

test('no answer in time is told, and not asked for again', async () => {
  const one = fresh(1);
  faults.on('PutItem', () => {});
  assert.match(await failed('write', { records: one }), /timed out/);
  assert.equal(faults.of('PutItem').length, 1);
  faults.off();
  await store.must('write', { records: one });
});

test('a store that is away is told, and used when it is back', async () => {
  const late = await newDynamo();
  const other = open({}, late.endpoint);
  const many = sessions(40);
  const { result, error } = await other.do('write', { records: many });
  assert.equal(result, -1);
  assert.match(error, /Couldn't connect|refused/);
  assert.equal((await other.do('init')).result, -1);
  await late.start();
  await other.must('init');
  await other.must('write', { records: many });
  assert.equal((await late.items(SESSIONS)).length, 40);
  await other.end();
  await late.stop();
});

test('killed while it is written to, again and again: nothing acknowledged is '
  + 'lost, nothing is doubled', async () => {
  const dir = mkdtempSync(path.join(tmpdir(), 'convo-dynamo-'));
  const own = await startDynamo({ dir });
  const other = open({}, own.endpoint);
  const all = sessions(300, 1);
  let failures = 0;
  await other.must('init');

  for (let i = 0; i < all.length; i += 30) {
    const records = all.slice(i, i + 30);
    const killed = i % 150 === 60 ? own.stop() : undefined;
    while ((await other.do('write', { records })).result !== 0) {
      failures += 1;
      await killed;
      if (!own.process) {
        await own.start();
      }
    }
  }

  assert.ok(failures >= 2, `${failures} failures`);
  assert.deepEqual((await own.items(SESSIONS)).map((s) => s.sessionId).sort(),
    all.map((s) => s.sessionId).sort());
  await other.end();
  await own.stop();
  rmSync(dir, { recursive: true });
});

test('an endpoint with a certificate of its own making is not trusted',
  async () => {
    const dir = mkdtempSync(path.join(tmpdir(), 'convo-tls-'));
    const [key, cert] = ['key.pem', 'cert.pem'].map(
      (name) => path.join(dir, name));
    execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt',
      'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', key, '-out', cert,
      '-days', '2', '-subj', '/CN=localhost',
      '-addext', 'subjectAltName=DNS:localhost'], { stdio: 'ignore' });
    let asked = 0;
    const server = https.createServer(
      { key: readFileSync(key), cert: readFileSync(cert) }, (_, response) => {
        asked += 1;
        response.end('{}');
      });
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
    const other = open({}, `https://localhost:${server.address().port}`);
    const { result, error } = await other.do('write', { records: fresh(1) });
    await other.end();
    server.close();
    rmSync(dir, { recursive: true });
    assert.deepEqual([result, asked], [-1, 0]);
    assert.match(error, /certificate/);
  });

test('a proxy of the environment is not asked', async () => {
  const other = open({ http_proxy: 'http://127.0.0.1:1',
    https_proxy: 'http://127.0.0.1:1' });
  await other.must('write', { records: [session(numbers + 5000)] });
  await other.end();
});
