// A real redis-server for a test, and the project's scripts run on it.
//
// startRedis() starts one on a free port of 127.0.0.1 in a folder of its own,
// which goes with it. Scripts are taken as the programs embed them
// (libconvo/scripts/embed --print), by EVALSHA.

import { execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

import { Redis } from 'ioredis';

export const root = path.resolve(
  path.dirname(fileURLToPath(import.meta.url)), '../..');
const folder = path.join(root, 'libconvo/scripts');

// A port that was free a moment ago.
export function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

export class RedisServer {
  constructor(port, dir, extra) {
    Object.assign(this, { port, dir, extra });
  }

  async start() {
    this.process = spawn('redis-server', [
      '--port', String(this.port), '--bind', '127.0.0.1', '--dir', this.dir,
      '--save', '', ...this.extra,
    ], { stdio: 'ignore' });
    this.exited = new Promise((resolve) => this.process.on('exit', resolve));
    const probe = new Redis(this.port, '127.0.0.1',
      { retryStrategy: () => 50, maxRetriesPerRequest: 200 });
    probe.on('error', () => {});
    await probe.ping();
    probe.disconnect();
  }

  async kill(signal = 'SIGKILL') {
    this.process.kill(signal);
    await this.exited;
  }

  client() {
    const client = new Redis(this.port, '127.0.0.1',
      { retryStrategy: () => 100, maxRetriesPerRequest: 50 });
    client.on('error', () => {});
    return client;
  }

  async stop() {
    await this.kill('SIGTERM');
    rmSync(this.dir, { recursive: true, force: true });
  }
}

export async function startRedis(...extra) {
  const dir = mkdtempSync(path.join(tmpdir(), 'convo-redis-'));
  const server = new RedisServer(await freePort(), dir, extra);
  await server.start();
  return server;
}

const texts = new Map();

export function scriptNames() {
  return readdirSync(folder).filter((name) => name.endsWith('.lua'))
    .map((name) => name.slice(0, -4));
}

export function scriptText(name) {
  if (!texts.has(name)) {
    const body = execFileSync(path.join(folder, 'embed'), ['--print', name]);
    const sha = createHash('sha1').update(body).digest('hex');
    texts.set(name, { body: body.toString(), sha });
  }
  return texts.get(name);
}

export async function runScript(client, name, keys, args = []) {
  const { body, sha } = scriptText(name);
  try {
    return await client.evalsha(sha, keys.length, ...keys, ...args);
  } catch (error) {
    if (!String(error.message).startsWith('NOSCRIPT')) {
      throw error;
    }
    return client.eval(body, keys.length, ...keys, ...args);
  }
}

// ["ok", "a", "1", "b", "2"] -> { status: "ok", a: "1", b: "2" }
export function readView([status, ...flat]) {
  const view = { status };
  for (let i = 0; i < flat.length; i += 2) {
    view[flat[i]] = String(flat[i + 1]);
  }
  return view;
}

export { sleep };
