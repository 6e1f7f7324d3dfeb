// The whole of convo for a test: dev/stack in a folder and on ports of its
// own, with its parts to be stopped, killed and started at will.

import { execFile, execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

import { Redis } from 'ioredis';
import { RoomServiceClient } from 'livekit-server-sdk';

import { root } from './redis.mjs';

const run = promisify(execFile);

// Ports that a stack takes from its base on (dev/stack).
const PORTS = 70;

function isFree(port) {
  return new Promise((resolve) => {
    const server = createServer();
    server.on('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}

// Suites run side by side: each looks for a base of its own, far from the
// next. dev/stack says so if another was faster.
async function findBase() {
  for (let i = 0; i < 100; i++) {
    const base = 20000 + PORTS * Math.floor(Math.random() * 150);
    const free = await Promise.all(
      [0, 1, 2, 3, 4, 5].map((offset) => isFree(base + offset)));
    if (free.every(Boolean)) {
      return base;
    }
  }
  throw new Error('no free ports');
}

export class Stack {
  constructor(dir, base, settings) {
    this.dir = dir;
    this.environment = {
      ...process.env, ...settings, CONVO_RUN: dir,
      CONVO_PORT_BASE: String(base),
    };
  }

  command(...args) {
    return run(path.join(root, 'dev/stack'), args, { env: this.environment });
  }

  async up() {
    await this.command('up');
    this.env = this.readEnv();
    const { port, hostname } = new URL(this.env.CONVO_REDIS_URL);
    this.redis = new Redis(Number(port), hostname,
      { retryStrategy: () => 100, maxRetriesPerRequest: 100 });
    this.redis.on('error', () => {});
    this.rooms = new RoomServiceClient(
      this.env.LIVEKIT_URL.replace(/^ws/, 'http'),
      this.env.LIVEKIT_API_KEY, this.env.LIVEKIT_API_SECRET);
  }

  readEnv() {
    const text = readFileSync(path.join(this.dir, 'env'), 'utf8');
    return Object.fromEntries([...text.matchAll(/^(\w+)=(.*)$/gm)].map(
      ([, name, value]) => [name, value.replace(/^(['"])(.*)\1$/, '$2')]));
  }

  log(part) {
    return readFileSync(path.join(this.dir, 'log', `${part}.log`), 'utf8');
  }

  stop(part) {
    return this.command('stop', part);
  }

  start(part) {
    return this.command('start', part);
  }

  async token(name, ...options) {
    const { stdout } = await run(path.join(root, 'dev/token'),
      [name, ...options], { env: { ...this.environment, ...this.env } });
    return stdout.trim();
  }

  // The process of a part (one with a number: "worker0").
  pid(part) {
    const spawned = [...this.log('supervisord').matchAll(
      new RegExp(`spawned: '${part}' with pid (\\d+)`, 'g'))];
    return Number(spawned.at(-1)[1]);
  }

  async redisPid() {
    return Number(/process_id:(\d+)/.exec(await this.redis.info('server'))[1]);
  }

  // Rows of the history store, by session id.
  history() {
    const conf = readFileSync(path.join(this.dir, 'worker.conf'), 'utf8');
    const [, file] = /^history\s+sqlite\s+(\S+)/m.exec(conf);
    const text = execFileSync('python3', ['-c', `
import json, sqlite3, sys
db = sqlite3.connect(f'file:{sys.argv[1]}?mode=ro', uri=True)
db.row_factory = sqlite3.Row
print(json.dumps([dict(row) for row in db.execute('SELECT * FROM sessions')]))
`, path.resolve(this.dir, file)]);
    return JSON.parse(text);
  }

  async down() {
    this.redis?.disconnect();
    await this.command('down');
    rmSync(this.dir, { recursive: true, force: true });
  }
}

export async function startStack(settings = {}) {
  const dir = mkdtempSync(path.join(tmpdir(), 'convo-stack-'));
  const stack = new Stack(dir, await findBase(), settings);
  try {
    await stack.up();
  } catch (error) {
    console.error(error.stdout, error.stderr);
    throw error;
  }
  return stack;
}

// Waits until check() gives something true, and gives that.
export async function until(what, check, timeoutMs = 20000) {
  const end = Date.now() + timeoutMs;
  for (;;) {
    const value = await check();
    if (value) {
      return value;
    }
    if (Date.now() > end) {
      throw new Error(`timed out waiting until ${what}`);
    }
    await sleep(50);
  }
}

export { sleep };
