// Nothing grows with requests: the edge's processes keep their memory over
// thousands of requests of every kind, after those that warm it up.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { after, before, test } from 'node:test';

import { signInAll } from '../node/person.mjs';
import { sleep, startStack } from '../node/stack.mjs';

const BATCH = 2000;
const WIDTH = 16;

// A heap takes its pages in steps, and a single step is no leak: what leaks
// grows with every batch. A hundred bytes a request are more than this.
const SLACK_KB = 100;

let stack;
let person;
let agent;

before(async () => {
  stack = await startStack();
  [person] = await signInAll(stack, 'ann');
  agent = new Agent({ keepAlive: true, maxSockets: WIDTH });
});

after(async () => {
  agent?.destroy();
  await stack?.down();
});

function send(method, path, { token = person.token, body, cutMs } = {}) {
  return new Promise((resolve) => {
    const sent = request(`${stack.env.CONVO_URL}${path}`, {
      method,
      agent: cutMs ? false : agent,
      headers: {
        Authorization: `Bearer ${token}`,
        ...(body && { 'Content-Type': 'application/json' }),
      },
    }, (response) => {
      response.on('error', () => resolve(response.statusCode));
      response.resume().on('close', () => resolve(response.statusCode));
    });
    sent.on('error', () => resolve(0));
    sent.end(body);
    if (cutMs) {
      setTimeout(() => sent.destroy(), cutMs);
    }
  });
}

function workers() {
  const master = stack.env.NGINX_PID;
  return readFileSync(`/proc/${master}/task/${master}/children`, 'utf8')
    .trim().split(' ');
}

function memoryKb() {
  return workers().reduce((sum, pid) => {
    const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
    return sum + Number(/^Private_Dirty:\s+(\d+)/m.exec(rollup)[1]);
  }, 0);
}

async function batch(one, expected) {
  let left = BATCH;
  await Promise.all(Array.from({ length: WIDTH }, async () => {
    while (left-- > 0) {
      const status = await one(left);
      assert.ok(!expected || status === expected, `answered ${status}`);
    }
  }));
  await sleep(500);
  return memoryKb();
}

// What is sent, and the one status that answers it (none: cut off before).
const kinds = [
  ['reading the document', 200, () => send('GET', '/api/session')],
  ['joining and leaving', 200, (i) => send('POST',
    i % 2 ? '/api/join' : '/api/leave', { body: '{}' })],
  ['bad tokens', 401, (i) => send('GET', '/api/session',
    { token: `${person.token.slice(0, -8)}${String(i).padStart(8, 'A')}` })],
  ['bad bodies', 400, () => send('POST', '/api/join', { body: '{"a":[[[' })],
  ['forged webhooks', 401, () => send('POST', '/webhooks/livekit',
    { body: '{}' })],
  ['relay credentials', 200, () => send('GET', '/api/turn-credentials')],
  ['long polls and streams that are cut off', 0, (i) => send('GET',
    i % 2 ? '/api/events' : '/api/session?version=1&wait=25',
    { cutMs: 20 })],
];

for (const [name, expected, one] of kinds) {
  test(`${name}: no growth`, async (t) => {
    const readings = [];
    for (let i = 0; i < 4; i++) {
      readings.push(await batch(one, expected));
    }
    t.diagnostic(`kB after each ${BATCH}: ${readings.join(' ')}`);
    const growth = Math.min(readings[2] - readings[1],
      readings[3] - readings[2]);
    assert.ok(growth < SLACK_KB, `grew by ${growth} kB with every batch`);
  });
}
