// The worker pairs who waits: rooms at a real LiveKit, everybody in exactly
// one session, whoever cannot be paired holds nobody up.

import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';

import { sleep, startStage, until } from '../node/worker.mjs';

let stage;
let pool;

before(async () => {
  stage = await startStage();
  pool = stage.pool;
});

afterEach(() => stage?.clear());
after(() => stage?.stop());

async function assertPaired(a, b) {
  const one = await stage.state(a, 'matched');
  const two = await stage.state(b, 'matched');
  assert.equal(one.sid, two.sid);
  assert.equal(one.peer, b);
  assert.equal(two.peer, a);
  assert.deepEqual([one.side, two.side].sort(), ['a', 'b']);
  return one.sid;
}

test('two users are matched, in a room for two', async () => {
  await stage.worker();
  await stage.join('ann', 'bob');
  const sid = await assertPaired('ann', 'bob');

  const rooms = await stage.livekit.rooms();
  assert.deepEqual(rooms.map((room) => [room.name, room.maxParticipants,
    room.emptyTimeout, room.departureTimeout, room.metadata]),
  [[pool.room(sid), 2, 44, 65, '']]);

  assert.deepEqual(await pool.queue(), []);
  assert.equal(await pool.client.zcard(pool.key('claims')), 0);
  assert.equal(await pool.client.zcard(pool.key('closing')), 0);
});

test('they are matched within the interval', async () => {
  await stage.worker({ match_interval: '100ms' });
  const took = [];
  for (let i = 0; i < 5; i += 1) {
    const started = Date.now();
    await stage.join(`a${i}`, `b${i}`);
    await assertPaired(`a${i}`, `b${i}`);
    took.push(Date.now() - started);
  }
  took.sort((a, b) => a - b);
  assert.ok(took[2] < 1000, `took ${took} ms`);
});

test('the third waits and is paired with the fourth', async () => {
  await stage.worker();
  await stage.join('ann', 'bob', 'cat');
  await assertPaired('ann', 'bob');
  assert.deepEqual(await stage.states('cat'), ['waiting']);
  await stage.join('dan');
  await assertPaired('cat', 'dan');
});

test('who left is passed over, and their ticket goes', async () => {
  await stage.join('ann', 'bob', 'cat');
  await pool.leave('ann');
  await stage.worker();
  await assertPaired('bob', 'cat');
  assert.deepEqual(await stage.states('ann'), ['idle']);
  await until(async () => (await pool.queue()).length === 0, 'no ticket left');
});

test('a silent user stays at the head and holds nobody up', async () => {
  await stage.join('mute', 'ann', 'bob');
  const [ticket] = await pool.queue();
  await pool.touch({ mute: '0' });
  await stage.worker();
  await assertPaired('ann', 'bob');
  assert.deepEqual(await stage.states('mute'), ['waiting']);

  await pool.touch({ mute: '1' });
  await stage.join('cat');
  await assertPaired('mute', 'cat');
  assert.match(ticket, /:mute$/);
});

test('a whole batch of silent users holds nobody up', async () => {
  const mutes = Array.from({ length: 9 }, (_, i) => `mute${i}`);
  await stage.join(...mutes, 'ann', 'bob');
  const tickets = await pool.queue();
  await pool.touch(Object.fromEntries(mutes.map((sub) => [sub, '0'])));
  await stage.worker({ batch: '4' });
  await assertPaired('ann', 'bob');
  await stage.workers[0].end();
  assert.deepEqual(await pool.queue(), tickets.slice(0, 9));
});

test('a user who is silent for too long is dropped', async () => {
  await stage.worker({ silent_after: '1s', drop_after: '2s' });
  await stage.join('mute');
  const { version } = await pool.user('mute');
  const user = await stage.state('mute', 'idle', 8000);
  assert.ok(Number(user.version) > Number(version));
  assert.equal(user.ticket, undefined);
});

test('... however long the queue, also while LiveKit is down', async () => {
  const subs = Array.from({ length: 300 }, (_, i) => `mute${i}`);
  await stage.join(...subs);
  stage.proxy.on('CreateRoom',
    ({ response }) => response.writeHead(503).end('down'));
  stage.proxy.on('ListRooms',
    ({ response }) => response.writeHead(503).end('down'));
  await stage.worker({ silent_after: '1s', drop_after: '2s' });
  await until(async () => (await stage.states(...subs))
    .every((state) => state === 'idle'), 'all are dropped', 12000);
});

test('nobody is dropped soon after Redis was restarted', async () => {
  await stage.worker({
    silent_after: '1s', drop_after: '2s', restart_grace: '6s',
  });
  await stage.join('mute');
  const { seen } = await pool.user('mute');
  await until(async () => await pool.now() - Number(seen) > 4000, 'time');
  assert.deepEqual(await stage.states('mute'), ['waiting']);
  await stage.state('mute', 'idle', 8000);
});

test('who met in this window is spared while others wait', async () => {
  await stage.join('ann', 'bob', 'cat', 'dan');
  const soon = await pool.now() + 60000;
  await pool.client.zadd(pool.key('met', 'ann'), soon, 'bob');
  await pool.client.zadd(pool.key('met', 'bob'), soon, 'ann');
  await stage.worker();
  await assertPaired('ann', 'cat');
  await assertPaired('bob', 'dan');
});

test('... and met again when there is no other', async () => {
  await stage.join('ann', 'bob');
  await pool.client.zadd(pool.key('met', 'ann'), await pool.now() + 60000,
    'bob');
  await stage.worker();
  await assertPaired('ann', 'bob');
});

test('a meeting of a window that has passed does not count', async () => {
  await stage.join('ann', 'bob', 'cat', 'dan');
  await pool.client.zadd(pool.key('met', 'ann'), await pool.now() - 1, 'bob');
  await stage.worker();
  await assertPaired('ann', 'bob');
});

test('who reported somebody is never paired with them, also alone',
  async () => {
    await stage.join('ann', 'bob', 'cat', 'dan');
    await pool.client.sadd(pool.key('blocked', 'ann'), 'bob');
    await pool.client.sadd(pool.key('blocked', 'bob'), 'ann');
    await stage.worker();
    await assertPaired('ann', 'cat');
    await assertPaired('bob', 'dan');
    await pool.leave('ann');
    await pool.leave('bob');
    await pool.client.del(pool.key('met', 'ann'), pool.key('met', 'bob'));
    await stage.join('ann', 'bob');
    await sleep(1500);
    assert.deepEqual(await stage.states('ann', 'bob'),
      ['waiting', 'waiting']);
  });

test('a damaged pool blames no ticket, and is served once it is mended',
  async () => {
    await pool.client.set(pool.key('probes'), 'a string');
    await stage.join('ann', 'bob');
    const worker = await stage.worker({ ticket_tries: '1' });
    await worker.logged(/commit: DAMAGED probes holds a string/);
    await sleep(2000);
    assert.deepEqual(await stage.states('ann', 'bob'),
      ['waiting', 'waiting']);
    assert.equal(worker.log.match(/commit: DAMAGED/g).length, 1);
    assert.ok(stage.proxy.count('CreateRoom') < 3);
    await pool.client.del(pool.key('probes'));
    await assertPaired('ann', 'bob');
    assert.equal(await pool.client.xlen(pool.key('dead')), 0);
  });

test('rubbish in the queue becomes dead letters', async () => {
  await stage.join('ann', 'bob');
  await pool.client.lpush(pool.key('queue'), 'rubbish', '', '1.2:',
    `1.1:${'x'.repeat(300)}`, '\u0000\r\n\u00ff', '5.5:nobody');
  const worker = await stage.worker();
  await assertPaired('ann', 'bob');
  await until(async () => (await pool.dead()).length === 4,
    'four dead letters');
  assert.deepEqual(await pool.queue(), []);

  const dead = await pool.dead();
  assert.ok(dead.every((letter) => letter.reason === 'malformed ticket'));
  assert.equal(worker.log.split('\n').filter((line) => line !== '')
    .every((line) => /^[ -~]+$/.test(line)), true);
});

test('a corrupt user is told failed after so many tries', async () => {
  await stage.join('sick', 'ann', 'bob');
  await pool.client.hset(pool.key('user', 'sick'), 'join_points', 'many');
  await stage.worker({ ticket_tries: '2' });
  await assertPaired('ann', 'bob');
  const user = await stage.state('sick', 'idle');
  assert.equal(user.last_reason, 'failed');
  const [letter] = await pool.dead();
  assert.equal(letter.reason, 'the user\'s numbers are none');
});

test('a key that is no user at all stops nothing', async () => {
  await stage.join('odd', 'ann', 'bob');
  await pool.client.del(pool.key('user', 'odd'));
  await pool.client.set(pool.key('user', 'odd'), 'a string');
  await stage.worker();
  await assertPaired('ann', 'bob');
  await until(async () => (await pool.queue()).length === 0, 'queue is empty');
});

test('every pool is served, and each alone', async () => {
  await stage.worker({ pool: 'default second' });
  const second = new pool.constructor(stage.client, 'second');
  await second.open();
  await stage.join('ann');
  await second.join('bob');
  await second.join('cat');
  await until(async () => (await second.user('bob')).state === 'matched',
    'the second pool matches');
  assert.equal((await second.user('bob')).peer, 'cat');
  assert.deepEqual(await stage.states('ann'), ['waiting']);
});

test('200 users, four workers: everybody in exactly one session', async () => {
  const subs = Array.from({ length: 200 }, (_, i) => `user${i}`);
  await Promise.all(Array.from({ length: 4 },
    () => stage.worker({ batch: '16', log_level: 'info' })));
  await Promise.all(subs.map((sub) => stage.join(sub)));
  await until(async () => (await stage.states(...subs))
    .every((state) => state === 'matched'), 'all are matched', 30000);

  const users = await Promise.all(subs.map((sub) => pool.user(sub)));
  const sessions = new Map();
  users.forEach((user, i) => {
    const list = sessions.get(user.sid) ?? [];
    sessions.set(user.sid, [...list, subs[i]]);
  });
  assert.equal(sessions.size, 100);
  for (const [sid, [x, y, ...more]] of sessions) {
    const session = await pool.session(sid);
    assert.deepEqual([more.length, [session.a, session.b].sort()],
      [0, [x, y].sort()]);
  }

  const rooms = [...sessions.keys()].map((sid) => pool.room(sid)).sort();
  await until(async () => (await stage.livekit.roomNames()).join()
    === rooms.join(), 'the rooms are those of the sessions');
  assert.equal(await pool.client.zcard(pool.key('claims')), 0);
});

test('no line of the log holds a user, a token or a secret', async () => {
  const worker = await stage.worker();
  await stage.join('very-private-ann', 'very-private-bob');
  await assertPaired('very-private-ann', 'very-private-bob');
  stage.proxy.on('CreateRoom', ({ request, response }) => response
    .writeHead(401).end(`invalid token: ${request.headers.authorization}`));
  await stage.join('very-private-cat', 'very-private-dan');
  await worker.logged(/status 401/);
  assert.doesNotMatch(worker.log, /very-private|eyJ|worker-test-secret/);
});
