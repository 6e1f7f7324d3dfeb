// The stores that the system under torture may have, each with what is done
// to it, and its records as the checker wants them: as SQLite's tables have
// them, whichever store it is.
//
// A store has
//
//   port       given by whoever makes it; nothing else listens there
//   history    the line of worker.conf
//   env        what a worker finds in its environment
//   faults     kinds of faults, as faults.mjs has them
//   start(), init(command), stop()
//   inject(kind, ms)   does that fault, and resolves when it is over
//   rows(table)        "sessions", "users", "blocked" or "reports"

import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import {
  KEY, newDynamo, refusal, REGION, startFaults,
} from '../node/dynamodb.mjs';
import { select } from '../node/sqlite.mjs';
import { Random } from './random.mjs';

const LOCKER = `
import sqlite3, sys, time
db = sqlite3.connect(sys.argv[1], timeout=10, isolation_level=None)
db.execute('BEGIN EXCLUSIVE')
time.sleep(float(sys.argv[2]))
db.execute('ROLLBACK')
`;

class Sqlite {
  constructor({ dir }) {
    this.folder = path.join(dir, 'store');
    this.file = path.join(this.folder, 'history.db');
    this.history = `sqlite ${this.file}`;
    this.env = {};
    this.faults = { 'store-lock': { weight: 6, from: 1000, to: 15000 } };
  }

  async start() {
    mkdirSync(this.folder);
  }

  async init() {
    // the worker makes the file
  }

  // Nobody else may write to the store for so long.
  async inject(kind, ms) {
    const child = spawn('setpriv', ['--pdeathsig', 'KILL', 'python3', '-c',
      LOCKER, this.file, String(ms / 1000)], { stdio: 'ignore' });
    await new Promise((resolve) => child.on('exit', resolve));
  }

  async rows(table) {
    return select(this.file, `SELECT * FROM ${table}`);
  }

  async stop() {
    // a file needs no ending
  }
}

const PREFIX = 'torture-';

// What goes wrong with a call while DynamoDB is moody, in percent.
const MOODS = { throttle: 15, fail: 10, lostAnswer: 10, reset: 5, slow: 10 };

// The worker's calls end after 2 s.
const SLOW_MS = 3000;

class Dynamodb {
  constructor({ dir, port, seed }) {
    Object.assign(this, { port });
    this.folder = path.join(dir, 'store');
    this.random = new Random(seed, 'store');
    this.env = KEY;
    this.faults = {
      'store-kill': { weight: 3, from: 100, to: 8000 },
      'store-mood': { weight: 3, from: 1000, to: 15000 },
    };
    this.moods = 0;
  }

  get history() {
    return `dynamodb region=${REGION} prefix=${PREFIX} `
      + `endpoint=${this.wire.endpoint}`;
  }

  async start() {
    mkdirSync(this.folder);
    this.dynamo = await newDynamo({ dir: this.folder, port: this.port });
    await this.dynamo.start();
    this.wire = await startFaults(this.dynamo.endpoint);
    this.wire.on('*', (call) => this.answer(call));
  }

  async init(command) {
    const status = await command('init');
    if (status !== 0) {
      throw new Error(`convo-worker init ended with ${status}`);
    }
  }

  async inject(kind, ms) {
    if (kind === 'store-mood') {
      this.moods += 1;
      await sleep(ms);
      this.moods -= 1;
    } else if (!this.isDown) {
      // two that overlap are one
      this.isDown = true;
      await this.dynamo.stop();
      await sleep(ms);
      await this.dynamo.start();
      this.isDown = false;
    }
  }

  wrong(what) {
    return this.moods > 0 && this.random.chance(MOODS[what] / 100);
  }

  async answer(call) {
    if (this.wrong('slow')) {
      await sleep(this.random.between(100, SLOW_MS));
    }
    if (this.wrong('reset')) {
      call.response.destroy();
      return null;
    }
    if (this.wrong('throttle')) {
      return refusal('ProvisionedThroughputExceededException');
    }
    if (this.wrong('fail')) {
      return refusal('InternalServerError', 500);
    }
    const answer = await this.some(call);
    if (this.wrong('lostAnswer')) {
      call.response.destroy();
      return null;
    }
    return answer;
  }

  // A batch may be left half done at any time.
  async some({ operation, body, forward }) {
    const [[table, asked]] = Object.entries(body.RequestItems ?? { '': [] });
    const list = asked.Keys ?? asked;
    if (this.moods === 0 || list.length < 2) {
      return forward();
    }
    const part = (from, to) => ({ [table]: asked.Keys
      ? { ...asked, Keys: list.slice(from, to) } : list.slice(from, to) });
    const half = this.random.between(1, list.length - 1);
    const answer = await forward({ ...body, RequestItems: part(0, half) });
    const left = operation === 'BatchGetItem' ? 'UnprocessedKeys'
      : 'UnprocessedItems';
    if (answer.status === 200) {
      const [kept = []] = Object.values(answer.body[left] ?? {});
      answer.body[left] = part(half);
      if ((kept.Keys ?? kept).length) {
        throw new Error('DynamoDB Local is moody itself');
      }
    }
    return answer;
  }

  async rows(table) {
    // DynamoDB Local ends connections that have been idle for a while
    this.dynamo.client.destroy();
    this.dynamo.client = this.dynamo.clientOf(this.dynamo.endpoint);
    const items = await this.dynamo.items(
      `${PREFIX}${table === 'blocked' ? 'users' : table}`);
    if (table === 'blocked') {
      return items.flatMap(({ userId, blocked = [] }) => blocked.map(
        (other) => ({ userId, blocked: other })));
    }
    return table === 'users' ? items.map(({ blocked, ...row }) => ({
      ...row, isWaitingInQueue: Number(row.isWaitingInQueue ?? 0) })) : items;
  }

  async stop() {
    await this.wire?.stop();
    await this.dynamo?.stop();
  }
}

export const STORES = { sqlite: Sqlite, dynamodb: Dynamodb };

export function newStore(kind, options) {
  if (!Object.hasOwn(STORES, kind)) {
    throw new Error(`no store: ${kind} (there are ${
      Object.keys(STORES).join(', ')})`);
  }
  return new STORES[kind](options);
}
