// A worker that is told to stop with much to do in several pools: it finishes
// what it has begun, begins nothing more, and is gone within its drain time.

import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';

import { newSid, Pool } from '../node/pool.mjs';
import { sleep, startStage, until } from '../node/worker.mjs';

const POOLS = ['default', 'p1', 'p2', 'p3', 'p4', 'p5', 'p6'];

let stage;

before(async () => {
  stage = await startStage();
});

afterEach(() => stage.clear());

after(() => stage?.stop());

function slowly(ms) {
  return async ({ forward, response }) => {
    await sleep(ms);
    const answer = await forward();
    response.writeHead(answer.status, answer.headers).end(answer.text);
  };
}

// LiveKit takes its time, though not as long as to be given up.
function worker() {
  return stage.worker({
    pool: POOLS.join(' '),
    lease: '30s',
    livekit: `url=http://127.0.0.1:${stage.proxy.port} key=testkey `
      + 'secret_file=secret timeout=3s',
  });
}

test('rooms of other pools are left to be deleted by others', async () => {
  const stopping = await worker();
  stage.proxy.on('DeleteRoom', slowly(1400));
  stage.proxy.on('ListRooms', slowly(1400));
  for (const name of POOLS) {
    await stage.client.zadd(`{${name}}:closing`, 1, `${name}.${newSid()}`);
  }
  await until(() => stage.proxy.count('DeleteRoom') > 0, 'it deletes');

  assert.equal(await stopping.end(), 0);
  assert.ok(stage.proxy.count('DeleteRoom') < POOLS.length);
});

test('users of other pools are left to be matched by others', async () => {
  for (const name of POOLS) {
    const pool = new Pool(stage.client, name);
    await pool.open();
    await pool.join(`ann-${name}`);
    await pool.join(`bob-${name}`);
  }
  stage.proxy.on('CreateRoom', slowly(2500));
  const stopping = await worker();
  await until(() => stage.proxy.count('CreateRoom') > 0, 'it matches');

  const asked = stage.proxy.count('CreateRoom');
  assert.equal(await stopping.end(), 0);
  assert.equal(stage.proxy.count('CreateRoom'), asked);
});
