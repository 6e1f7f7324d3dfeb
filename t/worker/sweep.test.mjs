// Rooms that LiveKit has and no session needs: one worker at a time looks for
// them, and the rooms job deletes them.

import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';

import { newSid } from '../node/pool.mjs';
import { sleep, startStage, until } from '../node/worker.mjs';

const MANY = 20000;

let stage;
let pool;

before(async () => {
  stage = await startStage();
  pool = stage.pool;
});

afterEach(() => stage.clear());
after(() => stage?.stop());

function worker(settings) {
  return stage.worker({ sweep_interval: '1s', ...settings });
}

// ... with so much time for LiveKit that none of its answers is missed.
function patientWorker(settings) {
  return worker({
    lease: '30s',
    livekit: `url=http://127.0.0.1:${stage.proxy.port} key=testkey `
      + 'secret_file=secret timeout=10s',
    ...settings,
  });
}

async function match(a, b) {
  await stage.join(a, b);
  const { sid } = await stage.state(a, 'matched');
  return sid;
}

test('rooms without a session are swept, others are not', async () => {
  const [orphan, stranger] = [newSid(), newSid()];
  const rooms = [pool.room(orphan), `other.${stranger}`, 'a room by hand'];
  for (const name of rooms) {
    await stage.livekit.client.createRoom({ name });
  }
  const log = await worker();
  const sid = await match('ann', 'bob');
  await log.logged(new RegExp(`room of ${orphan} is of no session`));
  await until(async () => !(await stage.livekit.roomNames())
    .includes(rooms[0]), 'it is gone');
  await sleep(2000);
  assert.deepEqual(await stage.livekit.roomNames(),
    [...rooms.slice(1), pool.room(sid)].sort());
  assert.deepEqual(await stage.states('ann', 'bob'), ['matched', 'matched']);
  await stage.livekit.client.deleteRoom(rooms[1]);
  await stage.livekit.client.deleteRoom(rooms[2]);
});

test('the room of a match in the making is not swept', async () => {
  stage.proxy.on('CreateRoom', async ({ forward, response }) => {
    const { text } = await forward();
    stage.proxy.calls = [];
    await until(() => stage.proxy.calls.filter(({ method, body }) => method
      === 'ListRooms' && !body.names?.length).length >= 2, 'two sweeps');
    response.writeHead(200).end(text);
  });
  const log = await patientWorker();
  const sid = await match('ann', 'bob');
  assert.deepEqual(await stage.livekit.roomNames(), [pool.room(sid)]);
  assert.doesNotMatch(log.log, /is of no session/);
});

test('three workers sweep in turn', async () => {
  for (let i = 0; i < 3; i++) {
    await worker();
  }
  const sweeps = () => stage.proxy.calls.filter(({ method, body }) => method
    === 'ListRooms' && !body.names?.length).length;
  await until(() => sweeps() > 0, 'the first one');
  const from = Date.now();
  const before = sweeps();
  await sleep(4000);
  const seconds = (Date.now() - from) / 1000;
  assert.ok(sweeps() > before);
  assert.ok(sweeps() - before <= seconds + 1);
});

test('of 20,000 rooms those without a session are found, and no other',
  async () => {
    const sids = Array.from({ length: MANY }, newSid);
    const orphans = [sids[0], sids[MANY / 2], sids[MANY - 1]];
    const write = pool.client.pipeline();
    sids.filter((sid) => !orphans.includes(sid)).forEach((sid) => write.hset(
      pool.key('session', sid), 'state', 'live'));
    await write.exec();

    const name = pool.room(newSid());
    await stage.livekit.client.createRoom({ name });
    stage.proxy.on('ListRooms', async ({ body, forward, response }) => {
      const { text } = await forward();
      const { rooms: [room] } = JSON.parse(text);
      response.writeHead(200).end(body.names?.length ? text
        : JSON.stringify({ rooms: sids.map((sid) => (
          { ...room, name: pool.room(sid) })) }));
    });

    const log = await patientWorker();
    const told = /room of ([a-z2-7]{26}) is of no session and is to go/g;
    const found = () => [...log.log.matchAll(told)].map(([, sid]) => sid);
    await until(() => found().length >= orphans.length, 'they are found',
      60000);
    assert.deepEqual(new Set(found()), new Set(orphans));
    assert.doesNotMatch(log.log, /LiveKit lists no rooms/);
  });
