// The command line of convo-worker.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';

import { root, startRedis } from '../node/redis.mjs';
import { binary, SECRET } from '../node/worker.mjs';

let dir;

before(() => {
  dir = mkdtempSync(path.join(tmpdir(), 'convo-command-'));
  writeFileSync(path.join(dir, 'livekit.secret'), `${SECRET}\n`);
});

after(() => rmSync(dir, { recursive: true }));

function run(...args) {
  return spawnSync(binary, args, { encoding: 'utf8', timeout: 10000 });
}

function configure(text) {
  const file = path.join(dir, 'worker.conf');
  writeFileSync(file, text);
  return file;
}

const whole = (port) => `redis redis://127.0.0.1:${port}\n`
  + 'livekit url=http://127.0.0.1:1 key=k secret_file=livekit.secret\n'
  + 'history sqlite history.db\n';

test('--check takes a good file and starts nothing', () => {
  const file = configure(whole(1));
  const { status, stdout, stderr } = run('-c', file, '--check');
  assert.deepEqual([status, stdout, stderr],
    [0, `convo-worker: ${file} is good\n`, '']);
});

test('--check names file, line, directive, value and expectation', () => {
  const file = configure('# first\nbatch 63\n');
  const { status, stdout, stderr } = run('--check', '--config', file);
  assert.deepEqual([status, stdout, stderr], [1, '',
    `convo-worker: ${file}:2: batch "63": expected an even number\n`]);
});

test('a bad file starts nothing', () => {
  const { status, stderr } = run('-c', configure('nonsense\n'));
  assert.equal(status, 1);
  assert.match(stderr, /:1: nonsense: unknown directive\n$/);
});

test('no file is a clear word', () => {
  const { status, stderr } = run('-c', path.join(dir, 'none'), '--check');
  assert.equal(status, 1);
  assert.match(stderr, /expected a file that can be read: No such file/);
});

// The manual must be true: as shipped it is good, and its values are the
// defaults.
test('the shipped configuration is good', () => {
  const text = readFileSync(path.join(root, 'conf/worker.conf'), 'utf8');
  const file = configure(text.replace('/var/lib/convo/', ''));
  const { status, stderr } = run('-c', file, '--check');
  assert.deepEqual([status, stderr], [0, '']);
});

test('the shipped configuration shows every directive', () => {
  const text = readFileSync(path.join(root, 'conf/worker.conf'), 'utf8');
  const source = readFileSync(path.join(root, 'worker/config.c'), 'utf8');
  const table = source.slice(source.indexOf('directives[] ='));
  const names = [...table.matchAll(/^ {4}\{ "(\w+)",/gm)].map(([, n]) => n);
  assert.ok(names.length > 10);
  for (const name of names) {
    assert.match(text, new RegExp(`^(# )?${name} \\S`, 'm'), name);
  }
});

test('--version and --help', () => {
  assert.match(run('--version').stdout, /^convo-worker \d+\.\d+\.\d+\n$/);
  const help = run('--help');
  assert.equal(help.status, 0);
  assert.match(help.stdout, /^Usage: convo-worker /);
});

test('a wrong command line is 2, with the usage', () => {
  for (const args of [['--nonsense'], ['extra'], ['-c'], [''],
    ['--check', 'init'], ['init', '--nonsense'], ['init', 'extra'],
    ['init', '-x'], ['init', '--', 'extra']]) {
    const { status, stdout, stderr } = run(...args);
    assert.deepEqual([status, stdout], [2, ''], args.join());
    assert.match(stderr, /Usage: convo-worker/);
  }
});

test('every command tells its usage, and stands in the list of them', () => {
  const { stdout: list } = run('--help');
  for (const name of ['init', 'reports', 'ban', 'revoke', 'dead']) {
    assert.match(list, new RegExp(`^  ${name} +[a-z]`, 'm'));
    const { status, stdout, stderr } = run(name, '--help');
    assert.deepEqual([status, stderr], [0, '']);
    assert.match(stdout, new RegExp(
      `^Usage: convo-worker \\[-c FILE\\] ${name}\\b`));
  }
});

test('init makes the tables, and may be repeated', () => {
  const file = configure(whole(1));
  for (let i = 0; i < 2; i++) {
    const { status, stdout, stderr } = run('-c', file, 'init');
    assert.deepEqual([status, stdout, stderr],
      [0, 'convo-worker: the store is ready\n', '']);
  }
});

test('a command without a good configuration is 1', () => {
  const { status, stdout, stderr } = run('-c', configure('no\n'), 'init');
  assert.deepEqual([status, stdout], [1, '']);
  assert.match(stderr, /:1: no: unknown directive\n$/);
});

test('data of a newer release is not touched', async () => {
  const redis = await startRedis();
  const client = redis.client();
  await client.set('{default}:schema', '2');
  const { status, stderr } = run('-c', configure(whole(redis.port)));
  assert.equal(status, 1);
  assert.match(stderr, /pool default: its data is of a newer release/);
  assert.deepEqual(await client.keys('*'), ['{default}:schema']);
  client.disconnect();
  await redis.stop();
});

test('a wrong password is told, and not what it was', async () => {
  const redis = await startRedis();
  const client = redis.client();
  await client.config('SET', 'requirepass', 'opensesame');
  client.disconnect();
  const file = configure(whole(redis.port)
    .replace('redis://', 'redis://:wrongpassword@'));
  const { stderr } = spawnSync(binary, ['-c', file],
    { encoding: 'utf8', timeout: 1500 });
  assert.match(stderr, /convo redis: heartbeat: WRONGPASS/);
  assert.doesNotMatch(stderr, /wrongpassword/);
  await redis.stop();
});

test('a password and a database are used', async () => {
  const redis = await startRedis();
  const client = redis.client();
  await client.config('SET', 'requirepass', 'opensesame');
  client.disconnect();
  writeFileSync(path.join(dir, 'password'), 'opensesame\n');
  const file = configure(whole(redis.port)
    .replace(/(redis:\S+)/, '$1/3 password_file=password'));
  const { stderr } = spawnSync(binary, ['-c', file],
    { encoding: 'utf8', timeout: 1500 });
  assert.match(stderr, /convo worker: serving 1 pools/);
  await redis.stop();
});
