// What pairing costs, on the whole stack (dev/stack: an answered write is on
// disk) and with one worker of our own on its Redis and LiveKit.
//
// How soon both are told: the first user waits; from the second one's
// POST /api/join until the streams of both have said "matched", as a multiple
// of a GET /api/session of the same user in the same round. A worker looks at
// the queue every match_interval, and the join comes at any time of it: once
// with the default, once with the least, which shows the rest.
//
// How many pairs a second: PAIRS pairs wait when the worker starts, and the
// times of the commits tell how fast it went from the end of its first batch
// to the last. Once with the real LiveKit, which makes a room for each; once
// with a server of our own that says yes at once; and beside both the commit
// script alone, called as the worker calls it, a batch in one write.

import http from 'node:http';
import { writeFileSync } from 'node:fs';
import path from 'node:path';

import { signInAll } from '../t/node/person.mjs';
import { newSid, Pool } from '../t/node/pool.mjs';
import { root } from '../t/node/redis.mjs';
import { startStack } from '../t/node/stack.mjs';
import {
  folder, inTurns, later, median, owned, ready, row, sleep, start,
} from './lib.mjs';

export const title = 'Pairing';

const JOINS = 15;
const GETS = 20;                // beside each join
const DEFAULT_MS = 250;         // match_interval, worker.conf
const LEAST_MS = 10;

const PAIRS = 512;
const BATCH = 64;               // tickets, worker.conf
const ROUNDS = 5;
const DRAIN_MS = 30000;

function startWorker(stack, { pool, livekit, interval = DEFAULT_MS }) {
  const dir = folder();
  writeFileSync(path.join(dir, 'secret'),
    `${stack.env.LIVEKIT_API_SECRET}\n`, { mode: 0o600 });
  writeFileSync(path.join(dir, 'worker.conf'), `
redis ${stack.env.CONVO_REDIS_URL}
pool ${pool}
livekit url=${livekit} key=${stack.env.LIVEKIT_API_KEY} secret_file=secret
history sqlite history.db
batch ${BATCH}
match_interval ${interval}ms
`);
  return start(path.join(root, 'build/convo-worker'),
    '-c', path.join(dir, 'worker.conf'));
}

// --- how soon both are told

async function readSession(person) {
  const began = performance.now();
  await person.session();
  return performance.now() - began;
}

async function joinBoth([ann, bob]) {
  await ann.join();
  await ann.toldState('waiting');
  await sleep(Math.random() * DEFAULT_MS);

  const began = performance.now();
  const told = [ann, bob].map((person) => person.toldState('matched'));
  await bob.join();
  await Promise.all(told);
  const took = performance.now() - began;

  await ann.leave();
  await Promise.all([ann, bob].map((person) => person.toldState('idle')));
  return took;
}

async function bothTold(stack, people, interval) {
  const worker = startWorker(stack, {
    pool: 'default', interval,
    livekit: stack.env.LIVEKIT_URL.replace(/^ws/, 'http'),
  });
  await joinBoth(people);
  const results = await inTurns(JOINS, {
    told: () => joinBoth(people),
    get: async () => {
      const times = [];
      for (let i = 0; i < GETS; i++) {
        times.push(await readSession(people[1]));
      }
      return median(times);
    },
  });
  await worker.end();
  return results;
}

// --- how many pairs a second

// A LiveKit that has made every room before it was asked to.
async function startYesSayer() {
  const server = http.createServer((request, response) => {
    let body = '';
    request.on('data', (chunk) => {
      body += chunk;
    });
    request.on('end', () => {
      const answer = JSON.stringify(
        { sid: 'RM_1', name: JSON.parse(body).name, rooms: [] });
      response.setHeader('Content-Type', 'application/json');
      response.end(answer);
    });
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  later(() => server.closeAllConnections());
  later(() => server.close());
  return `http://127.0.0.1:${server.address().port}`;
}

// An empty pool with PAIRS pairs of users who wait.
async function fill(pool) {
  const old = await pool.client.keys(pool.key('*'));
  if (old.length) {
    await pool.client.del(old);
  }
  await pool.open();
  await Promise.all(Array.from({ length: 2 * PAIRS },
    (_, i) => pool.join(`user-${i}`)));
}

async function commitTimes(pool) {
  const keys = await pool.client.keys(pool.key('session', '*'));
  const times = await Promise.all(
    keys.map((key) => pool.client.hget(key, 'committed')));
  return times.map(Number).sort((a, b) => a - b);
}

async function byWorker(stack, pool, livekit) {
  await fill(pool);
  const worker = startWorker(stack, { pool: pool.name, livekit });
  await ready(`the worker (${livekit})`, async () => PAIRS === Number(
    await pool.client.hget(pool.key('stats'), 'matches')), DRAIN_MS);
  await worker.end();
  await deleteRooms(stack);

  const times = await commitTimes(pool);
  const first = BATCH / 2;
  return (PAIRS - first) / ((times.at(-1) - times[first - 1]) / 1000);
}

async function deleteRooms(stack) {
  const rooms = await stack.rooms.listRooms();
  await Promise.all(rooms.map((room) => stack.rooms.deleteRoom(room.name)));
}

async function commitAlone(pool) {
  await fill(pool);
  const batches = [];
  for (let i = 0; i < 2 * PAIRS; i += BATCH) {
    const id = newSid();
    batches.push({ id, tickets: await pool.claim(id, { max: BATCH }) });
  }

  const began = performance.now();
  for (const { id, tickets } of batches) {
    const replies = await Promise.all(Array.from({ length: BATCH / 2 },
      (_, i) => pool.commit(id, tickets[2 * i], tickets[2 * i + 1], newSid())));
    if (replies.some(([status]) => status !== 'matched')) {
      throw new Error(`commit: ${replies}`);
    }
  }
  return PAIRS / ((performance.now() - began) / 1000);
}

async function pairsPerSecond(stack) {
  const pool = new Pool(stack.redis, 'bench');
  const livekit = stack.env.LIVEKIT_URL.replace(/^ws/, 'http');
  const yesSayer = await startYesSayer();
  await commitAlone(pool);                // the script is known from now on

  return inTurns(ROUNDS, {
    real: () => byWorker(stack, pool, livekit),
    without: () => byWorker(stack, pool, yesSayer),
    alone: () => commitAlone(pool),
  });
}

export async function measure(progress) {
  progress('starting the stack');
  const stack = await owned(startStack(), (all) => all.down());
  await stack.stop('worker');

  const people = await signInAll(stack, 'ann', 'bob');
  people.forEach((person) => person.listen());
  later(() => Promise.all(people.map((person) => person.close())));
  progress(`${JOINS} joins, match_interval ${DEFAULT_MS}ms`);
  const usual = await bothTold(stack, people, DEFAULT_MS);
  progress(`${JOINS} joins, match_interval ${LEAST_MS}ms`);
  const least = await bothTold(stack, people, LEAST_MS);
  progress(`${PAIRS} pairs, three ways, ${ROUNDS} times`);
  const speed = await pairsPerSecond(stack);

  return {
    text: `
From the second user's \`POST /api/join\` until the event streams of both have
said \`matched\`; ${GETS} times \`GET /api/session\` beside each. Half of
\`match_interval\` is what the worker's pause alone makes on average.

Pairs a second are those of one worker with ${PAIRS} pairs before it, in batches
of ${BATCH / 2}, on a Redis that puts every answered write on disk. *With rooms*
means that a real LiveKit makes one for each pair on the same machine, and
tells the edge so; *without*, a server that only says yes. The commit script
alone is called in batches of the same size, over one connection.`,
    rows: [
      row(`both told, \`match_interval ${DEFAULT_MS}ms\` (the default)`,
        '`GET /api/session`', 'ms', usual.told, usual.get),
      row(`both told, \`match_interval ${LEAST_MS}ms\` (the least)`,
        '`GET /api/session`', 'ms', least.told, least.get),
      row('pairing with rooms', 'pairing without', 'pairs a second',
        speed.real, speed.without),
      row('pairing with rooms', 'the commit script alone',
        'pairs a second', speed.real, speed.alone),
      row('pairing without rooms', 'the commit script alone',
        'pairs a second', speed.without, speed.alone),
    ],
  };
}
