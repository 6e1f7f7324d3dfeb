// The development stack: it starts whole or says why not, brings back what
// dies, and leaves no process behind, however it ends.

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import {
  chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync,
  rmSync, symlinkSync, writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const root = path.resolve(
  path.dirname(fileURLToPath(import.meta.url)), '../..');
const PROGRAM = path.join(root, 'dev/stack');
const SPAN = 100;
const SLOW_MS = 90_000;

const folder = mkdtempSync(path.join(tmpdir(), 'convo-stack-test-'));
const run = path.join(folder, 'run');
const base = await freeBase();
const env = {
  ...process.env, CONVO_RUN: run, CONVO_PORT_BASE: String(base),
  CONVO_WORKERS: '2',
};

after(() => {
  stack('down');
  rmSync(folder, { recursive: true });
});

// The first of a row of ports, all free a moment ago.
async function freeBase() {
  for (let n = process.pid % 50; ; n += 1) {
    const first = 14000 + SPAN * (n % 50);
    const servers = await Promise.all(
      [0, 1, 2, 3, 5].map((offset) => listen(first + offset)));

    servers.forEach((server) => server?.close());
    if (servers.every(Boolean)) {
      return first;
    }
  }
}

function listen(port) {
  return new Promise((resolve) => {
    const server = createServer();
    server.on('error', () => resolve(null));
    server.listen(port, '127.0.0.1', () => resolve(server));
  });
}

function stack(command, settings = {}) {
  const { status, stdout, stderr } = spawnSync(PROGRAM, command.split(' '),
    { env: { ...env, ...settings }, encoding: 'utf8' });

  return { status, text: stdout + stderr };
}

async function until(condition, what) {
  for (const end = Date.now() + SLOW_MS; Date.now() < end;) {
    const value = await condition();

    if (value) {
      return value;
    }
    await sleep(100);
  }
  assert.fail(`${what} did not happen`);
}

const runner = () => Number(readFileSync(path.join(run, 'runner'), 'utf8'));

// The living processes of a session, as [pid, name].
function processesOf(session) {
  return readdirSync('/proc').filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
        const [, name, rest] = /\((.*)\) (.*)/.exec(stat);
        const [state, , , sid] = rest.split(' ');
        return Number(sid) === session && state !== 'Z'
          ? [[Number(pid), name]] : [];
      } catch {
        return [];
      }
    });
}

const named = (name) => processesOf(runner())
  .filter(([, its]) => its === name).map(([pid]) => pid);

const answers = (place) => fetch(`http://127.0.0.1:${base}${place}`)
  .then(({ status }) => status === 200, () => false);

function settings() {
  const lines = readFileSync(path.join(run, 'env'), 'utf8').trim().split('\n');
  return Object.fromEntries(lines.map((line) => line.split(/=(.*)/)));
}

test('run: the address is told when it answers; Ctrl-C ends all', async () => {
  for (const signal of ['SIGINT', 'SIGTERM']) {
    const child = spawn(PROGRAM, ['run'], { env, detached: true });
    const ended = new Promise((resolve) => child.on('exit', resolve));
    let told = '';
    child.stdout.on('data', (data) => { told += data; });
    child.stderr.on('data', (data) => { told += data; });

    await until(() => told.includes(`http://127.0.0.1:${base}`), 'readiness');
    assert.ok(await answers('/readyz'));
    const session = runner();
    assert.ok(processesOf(session).length >= 7, told);

    process.kill(-child.pid, signal);
    assert.equal(await ended, 0, told);
    assert.deepEqual(processesOf(session), []);
    assert.ok(!existsSync(path.join(run, 'env')));
  }
});

test('run: Ctrl-C before it is ready leaves nothing either', async () => {
  const child = spawn(PROGRAM, ['run'], { env, detached: true });
  const ended = new Promise((resolve) => child.on('exit', resolve));

  await until(() => existsSync(path.join(run, 'runner')), 'a process runner');
  const session = await until(runner, 'its id');
  process.kill(-child.pid, 'SIGINT');
  await ended;
  assert.deepEqual(processesOf(session), []);
});

test('a busy port is named, with its owner and the way out', async () => {
  const taken = base + 2;
  const server = await listen(taken);
  const { status, text } = stack('up');

  server.close();
  assert.equal(status, 1);
  assert.match(text, new RegExp(`port ${taken} for redis is taken`));
  assert.match(text, new RegExp(`process ${process.pid}\\b`));
  assert.match(text, /CONVO_REDIS_PORT=N/);
  assert.ok(!existsSync(path.join(run, 'runner')));
});

test('a setting that is no number is quoted', () => {
  const { status, text } = stack('up', { CONVO_PORT: '80x' });

  assert.equal(status, 1);
  assert.match(text, /CONVO_PORT=80x: expected 1 to 65535/);
});

test('up: returns when ready, once; env tells the addresses', async () => {
  const { status, text } = stack('up');
  assert.equal(status, 0, text);

  const told = settings();
  assert.ok((await fetch(`${told.CONVO_URL}/readyz`)).ok);
  assert.ok((await fetch(
    `${told.CONVO_ISSUER}/.well-known/openid-configuration`)).ok);
  assert.equal((await fetch(
    told.LIVEKIT_URL.replace('ws:', 'http:'))).status, 200);
  assert.ok(named('nginx').includes(Number(told.NGINX_PID)));
  assert.ok(named('convo-worker').includes(Number(told.WORKER_PID)));
  for (const name of ['CONVO_CLIENT_ID', 'CONVO_REDIS_URL',
    'LIVEKIT_API_KEY', 'LIVEKIT_API_SECRET']) {
    assert.ok(told[name], name);
  }

  const again = stack('up');
  assert.equal(again.status, 1);
  assert.match(again.text, /runs already/);
});

test('everything listens on loopback only', () => {
  const pids = new Set(processesOf(runner()).map(([pid]) => `pid=${pid},`));
  const { stdout } = spawnSync('ss', ['-lntupH'], { encoding: 'utf8' });
  const ours = stdout.split('\n').filter((line) => line.split(/(?=pid=)/)
    .some((part) => pids.has(/^pid=\d+,/.exec(part)?.[0])));

  assert.ok(ours.length >= 6, stdout);
  for (const line of ours) {
    assert.match(line.split(/\s+/)[4], /^127\.0\.0\.1:/);
  }
});

test('a part that is killed comes back', async () => {
  for (const name of ['convo-worker', 'redis-server', 'livekit-server']) {
    const [old] = named(name);
    const count = named(name).length;

    process.kill(old, 'SIGKILL');
    await until(() => named(name).length === count
      && !named(name).includes(old), `a new ${name}`);
  }
  await until(() => answers('/readyz'), 'readiness');
});

test('a killed NGINX master comes back on the port', async () => {
  const old = Number(settings().NGINX_PID);

  process.kill(old, 'SIGKILL');
  await until(() => {
    const pid = Number(readFileSync(path.join(run, 'nginx.pid'), 'utf8'));
    return pid !== old && named('nginx').includes(pid);
  }, 'a new master');
  await until(() => answers('/healthz'), 'an answer');
});

test('one part can be stopped and started', async () => {
  assert.equal(stack('stop livekit').status, 0);
  assert.deepEqual(named('livekit-server'), []);
  assert.equal(stack('start livekit').status, 0);
  await until(() => named('livekit-server').length, 'livekit-server');
});

test('down: no process is left, and it may be repeated', () => {
  const session = runner();

  assert.equal(stack('down').status, 0);
  assert.deepEqual(processesOf(session), []);
  assert.equal(stack('down').status, 0);
});

test('a process runner that is killed takes its parts along', async () => {
  assert.equal(stack('up').status, 0);
  const session = runner();

  process.kill(session, 'SIGKILL');
  await until(() => processesOf(session)
    .every(([, name]) => name === 'nginx'), 'the end of the parts');
  assert.equal(stack('down').status, 0);
  assert.deepEqual(processesOf(session), []);
});

test('a part that does not come up ends it, with its log', () => {
  const broken = path.join(folder, 'build');
  const worker = path.join(broken, 'convo-worker');

  mkdirSync(broken);
  symlinkSync(path.join(root, 'build/ngx_http_convo_module.so'),
    path.join(broken, 'ngx_http_convo_module.so'));
  writeFileSync(worker, '#!/bin/sh\necho no way to start\nexit 1\n');
  chmodSync(worker, 0o755);

  const { status, text } = stack('up', { CONVO_BUILD: broken });
  assert.equal(status, 1);
  assert.match(text, /worker did not come up/);
  assert.match(text, /no way to start/);
  assert.ok(!existsSync(path.join(run, 'runner')));
});
