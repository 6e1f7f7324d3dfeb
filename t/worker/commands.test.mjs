// The commands that work on a store and on Redis: what they print, what they
// change, and what they say when one of the two is down.

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, afterEach, before, test } from 'node:test';

import { newSid, Pool } from '../node/pool.mjs';
import { root, startRedis } from '../node/redis.mjs';
import { insert } from '../node/sqlite.mjs';
import { binary, SECRET } from '../node/worker.mjs';

let dir;
let redis;
let client;
let pool;
let history;
let files = 0; // commands run beside each other: each has one of its own
const now = Math.floor(Date.now() / 1000);

before(async () => {
  dir = mkdtempSync(path.join(tmpdir(), 'convo-commands-'));
  writeFileSync(path.join(dir, 'livekit.secret'), `${SECRET}\n`);
  history = path.join(dir, 'history.db');
  redis = await startRedis();
  client = redis.client();
  pool = new Pool(client);
});

afterEach(async () => {
  await client.flushall();
  for (const end of ['', '-wal', '-shm']) {
    rmSync(history + end, { recursive: true, force: true });
  }
});

after(async () => {
  client.disconnect();
  await redis.stop();
  rmSync(dir, { recursive: true });
});

function configure(settings = {}) {
  const file = path.join(dir, `worker-${files += 1}.conf`);
  writeFileSync(file, Object.entries({
    redis: `redis://127.0.0.1:${redis.port} timeout=500ms`,
    livekit: 'url=http://127.0.0.1:1 key=k secret_file=livekit.secret',
    history: 'sqlite history.db',
    ...settings,
  }).map(([name, value]) => `${name} ${value}\n`).join(''));
  return file;
}

// Never blocks this process: it may be Redis's client at the same time.
function run(args, settings) {
  const child = spawn(binary, ['-c', configure(settings), ...args]);
  const out = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr']) {
    child[name].setEncoding('utf8');
    child[name].on('data', (text) => {
      out[name] += text;
    });
  }
  const timer = setTimeout(() => child.kill('SIGKILL'), 20000);
  return new Promise((resolve) => child.on('close', (status) => {
    clearTimeout(timer);
    resolve({ status, ...out });
  }));
}

const lines = (stdout) => stdout.split('\n').slice(0, -1)
  .map((line) => JSON.parse(line));

async function done(args, settings) {
  const { status, stdout, stderr } = await run(args, settings);
  assert.deepEqual([status, stderr], [0, ''], args.join(' '));
  return stdout;
}

// --- reports

const report = (sessionId, reason, at) => [sessionId, 'ann', 'bob', reason,
  'default', at, at + 90 * 86400];

async function storeReports(...rows) {
  await done(['init']);
  insert(history, 'reports', rows);
}

test('reports: each is a line of JSON, word for word', async () => {
  const sid = newSid();
  const reason = 'He said "no",\n\tthen ä\u0001 and = left';
  await storeReports(report(sid, reason, now));
  assert.deepEqual(lines(await done(['reports'])), [{
    at: now, sessionId: sid, reporter: 'ann', reported: 'bob', reason,
    pool: 'default', expiresAt: now + 90 * 86400,
  }]);
});

test('reports: none is no line, and no store is one without any', async () => {
  assert.equal(await done(['reports']), '');
  assert.equal(await done(['reports', '--format=csv']),
    'at,sessionId,reporter,reported,reason,pool,expiresAt\r\n');
});

test('reports: --since leaves out what is older, and expired ones', async () => {
  const [old, young, gone] = [newSid(), newSid(), newSid()];
  await storeReports(report(old, 'old', now - 7200),
    report(young, 'young', now - 60), report(gone, 'gone', now - 91 * 86400));
  const reasons = async (...args) => lines(await done(['reports', ...args]))
    .map((line) => line.reason).sort();
  assert.deepEqual(await reasons(), ['old', 'young']);
  assert.deepEqual(await reasons('--since', '1h'), ['young']);
  assert.deepEqual(await reasons('--since', '0'), ['old', 'young']);
  assert.deepEqual(await reasons(`--since=${now - 60}`), ['young']);
  assert.deepEqual(await reasons('--since',
    new Date((now - 59) * 1000).toISOString()), []);
});

test('reports: CSV quotes, and takes the sting out of formulas', async () => {
  const [a, b] = [newSid(), newSid()].sort();
  await storeReports(report(a, '=HYPERLINK("http://x","y")', now),
    report(b, 'one\r\ntwo', now));
  const text = await done(['reports', '--format', 'csv']);
  assert.ok(text.includes(`${a},ann,bob,"'=HYPERLINK(""http://x"",""y"")",`));
  assert.ok(text.includes(`${b},ann,bob,"one\r\ntwo",default,`));
});

test('reports: those that wait in Redis are counted on stderr', async () => {
  await storeReports(report(newSid(), 'x', now));
  await client.xadd(pool.key('reports'), '*', 'a', 'b');
  const { status, stdout, stderr } = await run(['reports']);
  assert.deepEqual([status, lines(stdout).length, stderr],
    [0, 1, 'convo-worker: reports: 1 more wait in Redis for the store\n']);
});

test('reports: a Redis that is down is no failure', async () => {
  await storeReports(report(newSid(), 'x', now));
  const { status, stdout } = await run(['reports'],
    { redis: 'redis://127.0.0.1:1' });
  assert.deepEqual([status, lines(stdout).length], [0, 1]);
});

test('reports: a store that is no store is told, and 1', async () => {
  writeFileSync(history, 'this is no database\n'.repeat(100));
  const { status, stdout, stderr } = await run(['reports']);
  assert.deepEqual([status, stdout], [1, '']);
  assert.match(stderr, /^convo-worker: reports: the store does not answer: /m);
});

test('a wrong line is 2, tells why, and touches nothing', async () => {
  for (const [args, why] of [
    [['reports', 'extra'], /unexpected "extra"/],
    [['reports', '--since'], /--since: expected a value/],
    [['reports', '--since', 'yesterday'], /--since "yesterday": expected/],
    [['reports', '--since=1h', '--since=2h'], /--since stands twice/],
    [['reports', '--format', 'xml'], /--format "xml": expected jsonl or csv/],
    [['reports', '-s'], /unknown option "-s"/],
    [['reports', '--sinc', '1h'], /unknown option "--sinc"/],
    [['revoke'], /expected one user/],
    [['revoke', 'ann', 'bob'], /expected one user/],
    [['revoke', ''], /expected a user of 1 to 255 bytes of UTF-8/],
    [['revoke', 'x'.repeat(256)], /expected a user of 1 to 255 bytes/],
    [['revoke', 'ann', '--sign-in', ''], /--sign-in: expected 1 to 255 bytes/],
    [['revoke', 'ann', '--sign-in', 'x'.repeat(256)], /--sign-in: expected/],
    [['ban'], /expected one user/],
    [['ban', 'ann', 'bob', '--lift'], /expected one user/],
    [['ban', '', '--lift'], /expected a user of 1 to 255 bytes of UTF-8/],
    [['ban', 'x'.repeat(256), '--lift'], /expected a user of 1 to 255 bytes/],
    [['ban', 'ann'], /expected one of --for TIME and --lift/],
    [['ban', 'ann', '--for', '1h', '--lift'], /expected one of --for/],
    [['ban', 'ann', '--lift=yes'], /--lift takes no value/],
    [['ban', 'ann', '--for', '24'], /--for "24": expected a time as 24h/],
    [['ban', 'ann', '--for', '0s'], /--for "0s": expected/],
    [['ban', 'ann', '--for', '4000d'], /--for "4000d": expected/],
    [['ban', 'ann', '--for', 'forever'], /--for "forever": expected/],
    [['dead'], /expected list, retry or drop/],
    [['dead', 'show'], /expected list, retry or drop/],
    [['dead', 'list', '1-0'], /list takes no ids/],
    [['dead', 'list', '--all'], /list takes no ids/],
    [['dead', 'retry'], /expected ids, or --all/],
    [['dead', 'drop', '--all', '1-0'], /expected ids, or --all/],
    [['dead', 'drop', '1-0', '-'], /expected ids as dead list prints them/],
    [['dead', 'drop', '1'], /expected ids as dead list prints them/],
    [['dead', 'retry', '1-0; x'], /expected ids as dead list prints them/],
    [['export'], /export: expected --since/],
    [['export', '--since', 'ever'], /--since "ever": expected/],
  ]) {
    const { status, stdout, stderr } = await run(args);
    assert.deepEqual([status, stdout], [2, ''], args.join(' '));
    assert.match(stderr, why);
    assert.match(stderr, /^Usage: convo-worker \[-c FILE\] (reports|export|ban|revoke|dead) /m);
  }
});

// --- export

const session = (sessionId, end, userA = 'ann', userB = 'bob') => [
  sessionId, userA, userB, end - 60, end, 60, end + 90 * 86400];

async function storeSessions(...rows) {
  await done(['init']);
  insert(history, 'sessions', rows);
}

const names = ['sessionId', 'userA', 'userB', 'startTime', 'endTime',
  'duration', 'expiresAt'];

test('export: each session is a line of JSON', async () => {
  const row = session(newSid(), now - 1, 'é "q"\\', 'bob');
  await storeSessions(row);
  const [line, ...more] = lines(await done(['export', '--since', '90d']));
  assert.deepEqual([Object.keys(line), Object.values(line), more],
    [names, row, []]);
});

test('export: CSV quotes what has to be quoted, and only that', async () => {
  const [a, b] = [newSid(), newSid()].sort();
  await storeSessions(session(a, now, 'x,"y"', '=z'),
    session(b, now, 'two\r\nlines', "it's"));
  const text = await done(['export', '--since=1h', '--format=csv']);
  const numbers = `${now - 60},${now},60,${now + 90 * 86400}\r\n`;
  const [head, ...rest] = text.split(/(?<=,\d+\r\n)|(?<=expiresAt\r\n)/);
  assert.equal(head, `${names.join()}\r\n`);
  assert.deepEqual(rest.sort(), [`${a},"x,""y""",=z,${numbers}`,
    `${b},"two\r\nlines",it's,${numbers}`]);
});

test('export: an empty store, or none, has no rows', async () => {
  assert.equal(await done(['export', '--since', '90d']), '');
  await done(['init']);
  assert.equal(await done(['export', '--since', '0']), '');
  assert.equal(await done(['export', '--since', '0', '--format', 'csv']),
    `${names.join()}\r\n`);
});

test('export: --since counts from the end of a session', async () => {
  const [old, young, gone] = [newSid(), newSid(), newSid()];
  await storeSessions(session(old, now - 7200), session(young, now - 3600),
    session(gone, now - 91 * 86400));
  const ids = async (since) => lines(await done(['export', '--since', since]))
    .map((line) => line.sessionId).sort();
  assert.deepEqual(await ids('0'), [old, young].sort());
  assert.deepEqual(await ids(`${now - 3600}`), [young]);
  assert.deepEqual(await ids(`${now - 3599}`), []);
});

test('export: a reader that goes, or a full disk, is 1 and told', async () => {
  await storeSessions(...Array.from({ length: 20000 },
    (_, i) => session(newSid(), now - i)));
  const file = configure();
  for (const [command, error] of [
    ['| head -n 1 > /dev/null', 'Broken pipe'],
    ['> /dev/full', 'No space left on device'],
  ]) {
    const { stdout, stderr } = spawnSync('bash', ['-c',
      `"$1" -c "$2" export --since 90d ${command}; echo \${PIPESTATUS[0]}`,
      'bash', binary, file], { encoding: 'utf8', timeout: 20000 });
    assert.deepEqual([stdout, stderr],
      ['1\n', `convo-worker: export: stdout: ${error}\n`]);
  }
});

test('export: those that wait in Redis are counted on stderr', async () => {
  await client.xadd(pool.key('ended'), '*', 'a', 'b');
  const { status, stderr } = await run(['export', '--since', '1h']);
  assert.deepEqual([status, stderr],
    [0, 'convo-worker: export: 1 more wait in Redis for the store\n']);
});

test('export: a store that is no store is told, and 1', async () => {
  writeFileSync(history, 'this is no database\n'.repeat(100));
  const { status, stdout, stderr } = await run(['export', '--since', '1h']);
  assert.deepEqual([status, stdout], [1, '']);
  assert.match(stderr, /^convo-worker: export: the store does not answer: /m);
});

// Athena knows columns in small letters.
test('export: the tables for Athena have its columns, in order', () => {
  const sql = readFileSync(path.join(root, 'deploy/athena.sql'), 'utf8');
  const tables = [...sql.matchAll(/^CREATE EXTERNAL TABLE \w+ \(\n(.*?)^\)/gms)];
  assert.equal(tables.length, 2);
  for (const [, columns] of tables) {
    assert.deepEqual([...columns.matchAll(/^ {4}(\w+) (\w+),?$/gm)]
      .map(([, name, type]) => [name, type]),
    names.map((name) => [name.toLowerCase(),
      /^(session|user)/.test(name) ? 'string' : 'bigint']));
  }
});

// --- revoke

test('revoke: all of a user until now, in each pool and the feed',
  async () => {
    await pool.open();
    const before = await pool.now();
    const [line] = lines(await done(['revoke', 'ann']));
    assert.deepEqual(line, { userId: 'ann', signIn: '' });
    for (const key of [pool.key('revoked'), '{convo}:revoked']) {
      assert.deepEqual(await client.zrange(key, 0, -1), ['s:ann']);
      assert.ok(await client.zscore(key, 's:ann') >= before);
    }
    const old = pool.as('any', Math.floor(before / 1000) - 60);
    assert.equal((await old.join('ann')).status, 'revoked');
    assert.equal((await old.join('bob')).status, 'ok');
  });

test('revoke: one sign-in; repeated it is done again, and told', async () => {
  await pool.open();
  const listener = client.duplicate();
  const heard = [];
  listener.on('message', (channel, text) => heard.push([channel, text]));
  await listener.subscribe('{convo}:revoked');
  for (const args of [['ann', '--sign-in', 'one'], ['--sign-in=one', 'ann']]) {
    const [line] = lines(await done(['revoke', ...args]));
    assert.deepEqual(line, { userId: 'ann', signIn: 'one' });
  }
  const at = await client.zscore('{convo}:revoked', 'j:one');
  await listener.ping();
  listener.disconnect();
  assert.equal(heard.length, 2);
  assert.deepEqual(heard[1], ['{convo}:revoked', `${at} j:one`]);
  const now = Math.floor(await pool.now() / 1000);
  assert.equal((await pool.as('one', now).join('ann')).status, 'revoked');
  assert.equal((await pool.as('two', now).join('ann')).status, 'ok');
});

test('revoke: forgets nothing, as it does not know how long they count',
  async () => {
    await client.zadd('{convo}:revoked', 1, 'j:old');
    await done(['revoke', 'ann']);
    assert.deepEqual(await client.zrange('{convo}:revoked', 0, -1),
      ['j:old', 's:ann']);
  });

test('revoke: a damaged key is told, and the others have it', async () => {
  await client.set(pool.key('revoked'), 'a string');
  const { status, stdout, stderr } = await run(['revoke', 'ann']);
  assert.deepEqual([status, stdout], [1, '']);
  assert.match(stderr, /revoke: default: .*DAMAGED revoked holds a string/);
  assert.deepEqual(await client.zrange('{convo}:revoked', 0, -1), ['s:ann']);
});

// --- ban

const banned = (stdout) => lines(stdout).map((line) => line.bannedUntil);

test('ban: keeps who is idle out until then, and --lift lets them in',
  async () => {
    await pool.open();
    await pool.join('ann');
    await pool.leave('ann');
    const before = await pool.now();
    const [line] = lines(await done(['ban', 'ann', '--for', '2h']));
    assert.deepEqual([line.pool, line.userId], ['default', 'ann']);
    const { banned_until: till } = await pool.user('ann');
    assert.ok(till >= before + 7200000 && till <= before + 7260000);
    assert.equal(line.bannedUntil, Math.ceil(till / 1000));
    assert.equal((await pool.join('ann')).status, 'banned');

    assert.deepEqual(banned(await done(['ban', '--lift', 'ann'])), [0]);
    assert.equal((await pool.join('ann')).status, 'ok');
  });

test('ban: who waits waits no longer', async () => {
  await pool.open();
  await pool.join('ann');
  await done(['ban', 'ann', '--for=ever']);
  const user = await pool.user('ann');
  assert.deepEqual([user.state, user.last_reason, user.banned_until],
    ['idle', 'failed', '253402300799000']);
});

test('ban: a session ends, and the other is told', async () => {
  await pool.open();
  const session = await pool.live('ann', 'bob', 61000);
  await done(['ban', 'bob', '--for', '30d']);
  const [ann, bob] = [await pool.user('ann'), await pool.user('bob')];
  assert.deepEqual([ann.state, ann.last_reason, bob.state],
    ['idle', 'peer_left', 'idle']);
  assert.equal((await pool.session(session.sid)).state, 'ended');
  assert.equal(await client.xlen(pool.key('ended')), 1);
  assert.deepEqual(await client.zrange(pool.key('closing'), 0, -1),
    [pool.room(session.sid)]);
  assert.equal((await pool.join('bob')).status, 'banned');
  assert.equal((await pool.join('ann')).status, 'ok');
});

test('ban: a name that nobody has is told, and banned', async () => {
  await pool.open();
  const { status, stdout, stderr } = await run(
    ['ban', '--for', '1h', '--', '-é"\n']);
  assert.equal(status, 0);
  assert.equal(lines(stdout)[0].userId, '-é"\n');
  assert.match(stderr, /ban: nobody of that name is known; it is done all/);
  assert.equal((await pool.join('-é"\n')).status, 'banned');
});

test('ban: it holds in every pool of the configuration', async () => {
  const other = new Pool(client, 'other');
  await pool.open();
  await other.open();
  await other.join('ann');
  const settings = { pool: 'default other' };
  assert.equal(lines(await done(['ban', 'ann', '--for', '1h'], settings))
    .length, 2);
  assert.equal((await pool.join('ann')).status, 'banned');
  assert.equal((await other.join('ann')).status, 'banned');
});

test('ban: a pool that is not served yet is told, and 1', async () => {
  await pool.beat();
  const { status, stdout, stderr } = await run(['ban', 'ann', '--for', '1h']);
  assert.deepEqual([status, stdout], [1, '']);
  assert.match(stderr, /ban: pool default is not served yet: try again/);
  assert.deepEqual(await pool.user('ann'), {});
});

test('ban: repeated by several at once, it holds', async () => {
  await pool.open();
  await pool.pair('ann', 'bob');
  const bans = Array.from({ length: 5 },
    () => run(['ban', 'ann', '--for', '1h']));
  for (const { status } of await Promise.all(bans)) {
    assert.equal(status, 0);
  }
  assert.equal((await pool.user('ann')).state, 'idle');
  assert.equal((await pool.join('ann')).status, 'banned');
});

test('ban: damaged data is told, and 1', async () => {
  await pool.open();
  await client.set(pool.key('user', 'ann'), 'rubbish');
  const { status, stdout, stderr } = await run(['ban', 'ann', '--for', '1h']);
  assert.deepEqual([status, stdout], [1, '']);
  assert.match(stderr, /ban: pool default: DAMAGED user holds a string/);
});

test('ban, dead: a Redis that is down is told soon, and 1', async () => {
  const settings = { redis: 'redis://127.0.0.1:1' };
  for (const args of [['ban', 'ann', '--lift'], ['dead', 'list'],
    ['dead', 'retry', '--all'], ['dead', 'drop', '1-0']]) {
    const began = Date.now();
    const { status, stdout, stderr } = await run(args, settings);
    assert.deepEqual([status, stdout], [1, ''], args.join(' '));
    assert.match(stderr, /^convo-worker: \w+: Redis does not answer/m);
    assert.ok(Date.now() - began < 10000);
  }
});

// --- dead

async function letters(...args) {
  return lines(await done(['dead', 'list', ...args]));
}

test('dead list: what it was, where from, why and when', async () => {
  await pool.open();
  assert.equal(await done(['dead', 'list']), '');
  await client.zadd(pool.key('closing'), 0, 'no "room"\n');
  await client.zadd(pool.key('closing'), 0, Buffer.from([0xff, 0x00]));
  const id = await client.xadd(pool.key('ended'), '*', 'a', 'b', 'c', '');
  await pool.bury('closing', ['no "room"\n', Buffer.from([0xff, 0x00])],
    { reason: 'no room' });
  await pool.bury('ended', [id], { group: 'workers', reason: 'no session' });
  const found = await letters();
  const at = Math.floor(await pool.now() / 1000);
  found.forEach((letter) => assert.ok(Math.abs(letter.at - at) < 30));
  assert.deepEqual(found.map(({ id: _, at: __, ...rest }) => rest), [
    { pool: 'default', kind: 'room', from: 'closing', what: 'no "room"\n',
      reason: 'no room' },
    { pool: 'default', kind: 'room', from: 'closing', what: '/wA=',
      reason: 'no room', encoding: 'base64' },
    { pool: 'default', kind: 'ended', from: 'ended',
      what: ['a', 'b', 'c', ''], reason: 'no session' },
  ]);
});

test('dead retry: it is back where it came from, byte for byte', async () => {
  await pool.open();
  const rubbish = Buffer.from([0xff, 0x00, 0x41]);
  await client.zadd(pool.key('closing'), 0, rubbish);
  await client.zadd(pool.key('dirty'), 0, 'x'.repeat(300));
  const id = await client.xadd(pool.key('reports'), '*', 'a', rubbish);
  await pool.bury('closing', [rubbish]);
  await pool.bury('dirty', ['x'.repeat(300)]);
  await pool.bury('reports', [id], { group: 'workers' });
  for (const letter of await letters()) {
    assert.equal(await done(['dead', 'retry', letter.id]), '');
  }
  assert.deepEqual(await client.zrangeBuffer(pool.key('closing'), 0, -1),
    [rubbish]);
  assert.deepEqual(await client.zrange(pool.key('dirty'), 0, -1),
    ['x'.repeat(300)]);
  const [[, fields]] = await client.xrangeBuffer(pool.key('reports'), '-', '+');
  assert.deepEqual(fields, [Buffer.from('a'), rubbish]);
  assert.deepEqual(await letters(), []);
});

for (const sub of ['ann', 'é:"x', 'a\u0001b']) {
  const name = JSON.stringify(sub);
  test(`dead retry: the user ${name} of a ticket waits again`, async () => {
    await pool.open();
    await pool.join(sub);
    await pool.join('other');
    const [ticket] = await pool.queue();
    await pool.claim('c');
    assert.equal(await pool.fault('c', ticket, 'corrupt', 1), 'dead');
    assert.equal((await pool.user(sub)).state, 'idle');
    const [{ id, what }] = await letters();
    assert.equal(what, ticket);
    await done(['dead', 'retry', id]);
    assert.equal((await pool.user(sub)).state, 'waiting');
    assert.equal((await pool.queue()).at(-1), (await pool.user(sub)).ticket);
    assert.deepEqual(await letters(), []);
  });
}

test('dead retry: ... also one whose bytes are no UTF-8', async () => {
  await pool.open();
  const sub = Buffer.from([0xff, 0xff, 0xff, 0xfb, 0xef]);
  const key = Buffer.concat([Buffer.from(pool.key('user', '')), sub]);
  await client.hset(key, 'state', 'idle', 'join_points', 15, 'join_window',
    86400000, 'join_max', 900);
  const what = Buffer.concat([Buffer.from('1.1:'), sub]).toString('base64');
  assert.match(what, /[+/]/);
  const id = await client.xadd(pool.key('dead'), '*', 'from', 'queue', 'kind',
    'ticket', 'what', JSON.stringify(what), 'encoding', 'base64');
  await done(['dead', 'retry', id]);
  assert.equal(await client.hget(key, 'state'), 'waiting');
});

test('dead retry: a ticket whose user cannot wait stays a letter', async () => {
  await pool.open();
  await pool.join('ann');
  await pool.join('other');
  const [ticket] = await pool.queue();
  await pool.claim('c');
  await pool.fault('c', ticket, 'corrupt', 1);
  await pool.ban('ann', await pool.now() + 3600000);
  const [{ id }] = await letters();
  const { status, stderr } = await run(['dead', 'retry', id]);
  assert.equal(status, 1);
  assert.match(stderr, /: its user cannot wait now\n$/);
  assert.equal((await letters()).length, 1);
});

test('dead drop: those that are named go, and no other', async () => {
  await pool.open();
  await client.zadd(pool.key('closing'), 0, 'a', 0, 'b', 0, 'c');
  await pool.bury('closing', ['a', 'b', 'c']);
  const [a, b, c] = await letters();
  await done(['dead', 'drop', a.id, c.id]);
  assert.deepEqual((await letters()).map((letter) => letter.id), [b.id]);
  const { status, stderr } = await run(['dead', 'drop', a.id, b.id]);
  assert.equal(status, 1);
  assert.match(stderr, /dead: \S+: no such letter\n$/);
  assert.deepEqual(await letters(), []);
});

test('dead: --all is all of them, --pool those of one pool', async () => {
  const other = new Pool(client, 'other');
  const settings = { pool: 'default other' };
  await pool.open();
  await other.open();
  const names = Array.from({ length: 1000 }, (_, i) => `room-${i}`);
  for (const one of [pool, other]) {
    await client.zadd(one.key('closing'), ...names.flatMap((n) => [0, n]));
    await one.bury('closing', names);
  }
  const count = async (...args) => lines(
    await done(['dead', 'list', ...args], settings)).length;
  assert.deepEqual([await count(), await count('--pool', 'other')],
    [2000, 1000]);
  await done(['dead', 'retry', '--all', '--pool', 'other'], settings);
  assert.deepEqual([await count(), await client.zcard(other.key('closing')),
    await client.zcard(pool.key('closing'))], [1000, 1000, 0]);
  await done(['dead', 'drop', '--all'], settings);
  assert.equal(await count(), 0);
  const { status, stderr } = await run(['dead', 'list', '--pool', 'none']);
  assert.equal(status, 1);
  assert.match(stderr, /dead: no pool "none" in /);
});

test('dead: an id that two pools have is refused without --pool', async () => {
  const other = new Pool(client, 'other');
  const settings = { pool: 'default other' };
  for (const one of [pool, other]) {
    await one.open();
    await client.xadd(one.key('dead'), '5-5', 'from', 'closing', 'kind',
      'room', 'what', '"x"', 'reason', 'r', 'at', '1000');
  }
  const { status, stderr } = await run(['dead', 'drop', '5-5'], settings);
  assert.equal(status, 1);
  assert.match(stderr, /5-5: two pools have such a letter: say --pool/);
  await done(['dead', 'drop', '5-5', '--pool', 'other'], settings);
  assert.equal(await client.xlen(other.key('dead')), 0);
  await done(['dead', 'drop', '5-5'], settings);
});

test('dead: letters that were put there by hand stop nothing', async () => {
  await pool.open();
  const dead = pool.key('dead');
  await client.xadd(dead, '*', 'a', 'b');
  await client.xadd(dead, '*', 'from', 'nowhere', 'what', '[[[', 'at', 'x');
  await client.xadd(dead, '*', 'from', 'queue', 'what', '{"a":1}', 'reason',
    Buffer.from([0xff]));
  await client.xadd(dead, '*', 'from', 'ended', 'what', '"text"');
  await client.xadd(dead, '*', 'from', 'queue', 'what', '"1.1:"');
  await client.xadd(dead, '*', 'from', 'queue', 'what', '"%%%"', 'encoding',
    'base64');
  assert.equal((await letters()).length, 6);
  const { status, stdout, stderr } = await run(['dead', 'retry', '--all']);
  assert.deepEqual([status, stdout], [1, '']);
  assert.match(stderr, /it does not say where it came from/);
  await done(['dead', 'drop', '--all']);
  assert.deepEqual(await letters(), []);
  await client.set(dead, 'rubbish');
  assert.equal((await run(['dead', 'list'])).status, 1);
});

// --- init

test('init: a file that is no store is told, and 1', async () => {
  writeFileSync(history, 'this is no database\n'.repeat(100));
  const { status, stdout, stderr } = await run(['init']);
  assert.deepEqual([status, stdout], [1, '']);
  assert.match(stderr, /^convo-worker: init: the store has no tables: /);
});
