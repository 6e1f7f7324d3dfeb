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
  const file = path.join(dir, 'worker.conf');
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
    [['export'], /export: expected --since/],
    [['export', '--since', 'ever'], /--since "ever": expected/],
  ]) {
    const { status, stdout, stderr } = await run(args);
    assert.deepEqual([status, stdout], [2, ''], args.join(' '));
    assert.match(stderr, why);
    assert.match(stderr, /^Usage: convo-worker \[-c FILE\] (reports|export) /m);
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

// --- init

test('init: a file that is no store is told, and 1', async () => {
  writeFileSync(history, 'this is no database\n'.repeat(100));
  const { status, stdout, stderr } = await run(['init']);
  assert.deepEqual([status, stdout], [1, '']);
  assert.match(stderr, /^convo-worker: init: the store has no tables: /);
});
