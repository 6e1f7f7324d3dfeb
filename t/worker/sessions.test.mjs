// What becomes of a session: LiveKit's events make it live, time ends it, its
// room goes, and its record reaches the history store, whatever fails.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { after, afterEach, before, test } from 'node:test';

import { newSid } from '../node/pool.mjs';
import { sleep, startStage, until } from '../node/worker.mjs';

let stage;
let pool;

before(async () => {
  stage = await startStage();
  pool = stage.pool;
});

afterEach(async () => {
  await stage.clear();
  pool.sessionMaxS = 900;
});

after(() => stage?.stop());

async function match(a, b) {
  await stage.join(a, b);
  const { sid } = await stage.state(a, 'matched');
  await stage.state(b, 'matched');
  return sid;
}

async function comeBoth(sid) {
  await stage.event(sid, 'joined', 'a', 'PA_a');
  await stage.event(sid, 'joined', 'b', 'PA_b');
}

// The history as another program reads it, oldest first. It never makes the
// file: that is the worker's.
const reader = `
import json, sqlite3, sys
try:
    db = sqlite3.connect(f"file:{sys.argv[1]}?mode=ro", uri=True, timeout=5)
    db.row_factory = sqlite3.Row
    rows = db.execute("SELECT * FROM sessions ORDER BY startTime").fetchall()
except sqlite3.OperationalError as error:
    if "unable to open" not in str(error) and "no such table" not in str(error):
        raise
    rows = []
print(json.dumps([dict(row) for row in rows]))
`;

function stored() {
  return JSON.parse(execFileSync('python3',
    ['-c', reader, path.join(stage.dir, 'history.db')]));
}

function storedOnce(sid, ms) {
  return until(() => {
    const rows = stored().filter((row) => row.sessionId === sid);
    assert.ok(rows.length <= 1);
    return rows[0];
  }, `${sid} is stored`, ms);
}

function noRooms() {
  return until(async () => (await stage.livekit.rooms()).length === 0
    && await pool.client.zcard(pool.key('closing')) === 0, 'no room is left');
}

test('both come: live; the deadline ends it, room and all', async () => {
  pool.sessionMaxS = 2;
  const worker = await stage.worker();
  const sid = await match('ann', 'bob');
  await comeBoth(sid);
  const live = await stage.state('ann', 'live');
  assert.equal(Number(live.ends) - Number(live.start), 2000);

  const ann = await stage.state('ann', 'idle');
  const bob = await stage.state('bob', 'idle');
  assert.deepEqual([ann.last_reason, bob.last_reason, ann.last_duration,
    ann.last_points, ann.spent], ['time_up', 'time_up', '2', '1', '1']);
  await noRooms();

  const row = await storedOnce(sid);
  assert.deepEqual(row, {
    sessionId: sid, userA: 'ann', userB: 'bob',
    startTime: Math.floor(Number(live.start) / 1000),
    endTime: Math.floor(Number(live.start) / 1000) + 2, duration: 2,
    expiresAt: Math.floor(Number(live.start) / 1000) + 2 + 90 * 86400,
  });
  await until(async () => await pool.client.xlen(pool.key('ended')) === 0
    && await pool.client.xlen(pool.key('livekit')) === 0, 'streams are empty');
  assert.match(worker.log, new RegExp(`session ${sid}: live`));
  assert.match(worker.log, new RegExp(`session ${sid}: time_up`));
});

test('who is away for too long has left, when they went', async () => {
  await stage.worker({ absence: '1s' });
  const sid = await match('ann', 'bob');
  await comeBoth(sid);
  const { start } = await stage.state('ann', 'live');
  await stage.event(sid, 'left', 'a', 'PA_a', start);
  const ann = await stage.state('ann', 'idle');
  const bob = await stage.state('bob', 'idle');
  assert.deepEqual([ann.last_reason, bob.last_reason], ['left', 'peer_left']);
  assert.equal((await storedOnce(sid)).duration, 0);
  await noRooms();
});

test('who comes back in time has not left', async () => {
  await stage.worker({ absence: '2s' });
  const sid = await match('ann', 'bob');
  await comeBoth(sid);
  await stage.state('ann', 'live');
  await stage.event(sid, 'left', 'a', 'PA_a');
  await stage.event(sid, 'joined', 'a', 'PA_a2');
  await sleep(3000);
  assert.deepEqual(await stage.states('ann', 'bob'), ['live', 'live']);
});

test('nobody comes: both idle, no charge, no history', async () => {
  await stage.worker({ no_show: '1s' });
  const sid = await match('ann', 'bob');
  const ann = await stage.state('ann', 'idle');
  await stage.state('bob', 'idle');
  assert.deepEqual([ann.last_reason, ann.last_sid, ann.spent],
    ['no_show', sid, undefined]);
  await noRooms();
  assert.deepEqual(stored(), []);
});

test('one comes: that one waits at the head again', async () => {
  await stage.worker({ no_show: '1s' });
  const sid = await match('ann', 'bob');
  const { since_a: since } = await pool.session(sid);
  await stage.event(sid, 'joined', 'a', 'PA_a');
  await stage.state('bob', 'idle');
  const ann = await stage.state('ann', 'waiting');
  assert.equal(ann.waiting_since, since);
  assert.deepEqual(await pool.queue(), [ann.ticket]);

  await stage.join('cat');
  assert.equal((await stage.state('ann', 'matched')).peer, 'cat');
});

test('the room is gone before the end: the session fails', async () => {
  await stage.worker();
  const sid = await match('ann', 'bob');
  await comeBoth(sid);
  await stage.state('ann', 'live');
  await stage.event(sid, 'finished');
  assert.equal((await stage.state('ann', 'idle')).last_reason, 'failed');
  assert.equal((await stage.state('bob', 'idle')).last_reason, 'failed');
  await storedOnce(sid);
});

test('events that make no sense are dead letters, and stop nothing',
  async () => {
  const worker = await stage.worker();
  const sid = await match('ann', 'bob');
  const stream = pool.key('livekit');
  await stage.event('rubbish', 'joined', 'a', 'PA');
  await stage.event(newSid(), 'joined', 'a', 'PA');
  await stage.event(sid, 'danced', 'a', 'PA');
  await stage.event(sid, 'joined', 'c', 'PA');
  await stage.event(sid, 'joined', 'a', '');
  await stage.event(sid, 'joined', 'a', 'P'.repeat(5000));
  await stage.event(sid, 'left', 'a', 'PA', 'yesterday');
  await stage.event(sid, 'left', 'a', 'PA', '9'.repeat(30));
  await pool.client.xadd(stream, '*', 'nothing', 'known');
  await comeBoth(sid);
  await stage.state('ann', 'live');
  await until(async () => await pool.client.xlen(stream) === 0, 'it is empty');
  assert.equal(
    worker.log.match(/livekit: makes no sense, a dead letter now/g).length, 8);
  const dead = await pool.dead();
  assert.equal(dead.length, 8);
  assert.ok(dead.every(({ kind }) => kind === 'event'));
  assert.deepEqual(dead.at(-1).what, ['nothing', 'known']);
});

test('a stream that is none stops its own pool alone', async () => {
  const second = new pool.constructor(pool.client, 'second');
  for (const kind of ['livekit', 'ended']) {
    await pool.client.del(second.key(kind));
    await pool.client.set(second.key(kind), 'a string');
  }
  const worker = await stage.worker({ pool: 'second default' });
  await worker.logged(/pool second: livekit cannot be read: WRONGTYPE/);
  await worker.logged(/pool second: ended cannot be read: WRONGTYPE/);
  const sid = await match('ann', 'bob');
  await comeBoth(sid);
  await stage.state('ann', 'live');
  await stage.event(sid, 'finished');
  await storedOnce(sid);
  await pool.client.del(second.key('livekit'), second.key('ended'));
  await pool.client.xadd(second.key('livekit'), '*', 'nothing', 'known');
  await until(async () => (await second.dead()).length === 1,
    'the other is read once it is mended', 15000);
});

test('events wait while their pool is damaged', async () => {
  const worker = await stage.worker();
  const sid = await match('ann', 'bob');
  await pool.client.del(pool.key('sessions'));
  await pool.client.set(pool.key('sessions'), 'a string');
  await comeBoth(sid);
  await worker.logged(/DAMAGED sessions holds a string/);
  assert.deepEqual(await stage.states('ann', 'bob'), ['matched', 'matched']);
  await pool.client.del(pool.key('sessions'));
  await stage.state('ann', 'live');
  assert.deepEqual(await pool.dead(), []);
});

test('what a dead worker left pending is taken over', async () => {
  await pool.client.xadd(pool.key('ended'), '*', 'sessionId', newSid(),
    'userA', 'x', 'userB', 'y', 'startTime', '1', 'endTime', '2',
    'duration', '1', 'expiresAt', '9999999999');
  await pool.client.xreadgroup('GROUP', 'workers', 'ghost', 'STREAMS',
    pool.key('ended'), '>');
  const [[id]] = await pool.client.xpending(pool.key('ended'), 'workers', '-',
    '+', 10);
  await pool.client.xclaim(pool.key('ended'), 'workers', 'ghost', 0, id,
    'IDLE', 60000, 'JUSTID');
  const worker = await stage.worker();
  await worker.logged(/1 entries of a worker that has gone/);
  await until(() => stored().length === 1, 'it is stored');
  await until(async () => await pool.client.xlen(pool.key('ended')) === 0,
    'it is done');
});

test('workers long gone leave the groups', async () => {
  await pool.client.xgroup('CREATECONSUMER', pool.key('ended'), 'workers',
    'ghost');
  assert.equal(await pool.run('forget_consumers', pool.keys('ended'),
    ['workers', 3600000]), 0);
  await sleep(50);
  assert.equal(await pool.run('forget_consumers', pool.keys('ended'),
    ['workers', 10]), 1);
  assert.equal(await pool.run('forget_consumers', pool.keys('none'),
    ['workers', 10]), 0);
});

test('... but not with an entry in their hands', async () => {
  await pool.client.xadd(pool.key('ended'), '*', 'a', 'b');
  await pool.client.xreadgroup('GROUP', 'workers', 'ghost', 'STREAMS',
    pool.key('ended'), '>');
  await sleep(50);
  assert.equal(await pool.run('forget_consumers', pool.keys('ended'),
    ['workers', 10]), 0);
});

test('what was put into the sets by hand becomes dead letters', async () => {
  const worker = await stage.worker();
  const damaged = await match('ann', 'bob');
  await pool.client.hset(pool.key('session', damaged), 'max_ms', 'long');
  const sets = ['sessions', 'claims', 'closing'];
  for (const set of sets) {
    await pool.client.zadd(pool.key(set), 0, 'rubbish', 0, '', 0, 'a\nb',
      0, 'x'.repeat(1000));
  }
  await pool.client.zadd(pool.key('sessions'), 0, damaged, 0, newSid());
  const sid = await match('cat', 'dan');
  for (const set of ['claims', 'closing']) {
    await until(async () => await pool.client.zcard(pool.key(set)) === 0,
      `${set} is clean`);
  }
  await until(async () => (await pool.client.zrange(pool.key('sessions'),
    0, -1)).join() === sid, 'only the session is left');
  assert.equal(worker.log.match(/a dead letter now/g).length, 13);
  const dead = await pool.dead();
  assert.equal(dead.length, 13);
  assert.deepEqual(dead.filter(({ reason }) => reason === 'damaged')
    .map(({ from, what }) => [from, what]), [['sessions', damaged]]);
  const ann = await stage.state('ann', 'idle');
  assert.equal(ann.last_reason, 'failed');
  assert.equal(ann.reserved, undefined);
});

test('LiveKit down at the end: the room goes when it is back', async () => {
  await stage.worker({ no_show: '1s' });
  await match('ann', 'bob');
  await stage.proxy.down();
  await stage.state('ann', 'idle');
  await sleep(1000);
  assert.equal((await stage.livekit.rooms()).length, 1);
  await stage.proxy.listen();
  await noRooms();
});

test('a deletion that did nothing is tried again', async () => {
  let tries = 0;
  stage.proxy.on('DeleteRoom', async ({ forward, response }) => {
    tries += 1;
    const text = tries > 1 ? (await forward()).text : '{}';
    response.writeHead(200).end(text);
  });
  const worker = await stage.worker({ no_show: '1s' });
  await match('ann', 'bob');
  await stage.state('ann', 'idle');
  await noRooms();
  assert.equal(tries, 2);
  assert.match(worker.log, /1 of 1 not gone: 1 rooms are still there/);
});
