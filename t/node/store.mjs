// The worker's store by hand: t/worker/store_tool.c, driven by a test.

import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import readline from 'node:readline';

import { root } from './redis.mjs';

const build = process.env.CONVO_BUILD ?? path.join(root, 'build');

// 26 characters that are a session's id, another for each number.
export function sessionId(number) {
  const digits = [...number.toString(32)].map((digit) => (
    'abcdefghijklmnopqrstuvwxyz234567'[parseInt(digit, 32)])).join('');
  return digits.padStart(26, 'a');
}

export const NOW = 1795334400;
export const LATER = NOW + 90 * 86400;

// Records, as the tables have them.
export function session(number, more = {}) {
  return {
    sessionId: sessionId(number), userA: 'ann', userB: 'bob',
    startTime: NOW + number, endTime: NOW + number + 60, duration: 60,
    expiresAt: LATER + number, ...more,
  };
}

export function sessions(n, from = 1) {
  return Array.from({ length: n }, (_, i) => session(from + i));
}

export function user(userId, version, more = {}) {
  return {
    userId, pool: 'p-1', points: 15, pointsLeft: 8, pointsSpent: 7,
    windowEndsAt: NOW + 86400, lastSessionTimestamp: NOW - 10,
    isWaitingInQueue: true, state: 'waiting', bannedUntil: 0, version, ...more,
  };
}

export function report(number, reporter, reported, more = {}) {
  return {
    sessionId: sessionId(number), reporter, reported, reason: 'r\u00fcde "x"',
    pool: 'p-1', at: NOW, expiresAt: LATER, ...more,
  };
}

// A configuration whose history is this, in a folder of its own.
export function historyConf(history) {
  const dir = mkdtempSync(path.join(tmpdir(), 'convo-store-'));
  const file = path.join(dir, 'worker.conf');
  writeFileSync(path.join(dir, 'secret'), `${'s'.repeat(32)}\n`);
  writeFileSync(file, 'redis redis://127.0.0.1:1\n'
    + 'livekit url=http://127.0.0.1:1 key=k secret_file=secret\n'
    + `history ${history}\n`);
  return { file, remove: () => rmSync(dir, { recursive: true }) };
}

export class Store {
  constructor(history, env = {}) {
    this.conf = historyConf(history);
    this.log = '';
    this.child = spawn(path.join(build, 't/worker/store_tool'),
      [this.conf.file], { env: { ...process.env, ...env } });
    this.child.stderr.on('data', (chunk) => {
      this.log += chunk;
    });
    this.lines = readline.createInterface({ input: this.child.stdout })[
      Symbol.asyncIterator]();
    this.exited = new Promise((resolve) => this.child.on('exit', resolve));
  }

  // { result, error, told } of one call.
  async do(what, more = {}) {
    this.child.stdin.write(`${JSON.stringify({ do: what, ...more })}\n`);
    const { value, done } = await this.lines.next();
    if (done) {
      throw new Error(`the store's program has ended: ${this.log}`);
    }
    return JSON.parse(value);
  }

  // The same, which must go well.
  async must(what, more = {}) {
    const answer = await this.do(what, more);
    if (answer.result < 0) {
      throw new Error(`${what}: ${answer.error}\n${this.log}`);
    }
    return answer;
  }

  async end() {
    this.child.stdin.end();
    const code = await this.exited;
    this.conf.remove();
    if (code !== 0) {
      throw new Error(`the store's program ended with ${code}: ${this.log}`);
    }
  }
}
