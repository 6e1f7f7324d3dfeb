// claim, release, commit, fault, plan_room, take_rooms, room_closed: tickets
// on their way to a match.

import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';

import { newSid, Pool } from '../node/pool.mjs';
import { startRedis } from '../node/redis.mjs';

let server;
let client;
let pool;

before(async () => {
  server = await startRedis();
  client = server.client();
});

after(async () => {
  client.disconnect();
  await server.stop();
});

beforeEach(async () => {
  await client.flushall();
  pool = new Pool(client);
  await pool.open();
});

async function joinAll(...subs) {
  for (const sub of subs) {
    await pool.join(sub);
  }
  return pool.queue();
}

async function claimLeft(id) {
  return client.zrange(pool.key('claim', id), 0, -1);
}

async function isNoted(room) {
  return (await client.zscore(pool.key('closing'), room)) !== null;
}

test('claim takes an even number from the head, in order', async () => {
  const tickets = await joinAll('a', 'b', 'c');
  assert.deepEqual(await pool.claim('c1'), tickets.slice(0, 2));
  assert.deepEqual(await pool.queue(), tickets.slice(2));
  assert.deepEqual(await claimLeft('c1'), tickets.slice(0, 2));
});

test('claim takes none when there is one', async () => {
  await joinAll('a');
  assert.deepEqual(await pool.claim('c1'), []);
  assert.equal((await pool.queue()).length, 1);
  assert.equal(await client.exists(pool.key('claims')), 0);
});

test('claim may take an odd number when asked, never one', async () => {
  const tickets = await joinAll('a', 'b', 'c');
  assert.deepEqual(await pool.claim('c1', { odd: '1' }), tickets);
  await joinAll('d');
  assert.deepEqual(await pool.claim('c2', { odd: '1' }), []);
});

test('claim takes at most max', async () => {
  const tickets = await joinAll('a', 'b', 'c', 'd', 'e');
  assert.deepEqual(await pool.claim('c1', { max: 3 }), tickets.slice(0, 2));
});

test('claim from a pool that is not ready takes none', async () => {
  await joinAll('a', 'b');
  await client.del(pool.key('ready'));
  assert.deepEqual(await pool.claim('c1'), []);
});

test('a claimed user is waiting in every eye', async () => {
  await joinAll('a', 'b');
  await pool.claim('c1');
  assert.equal((await pool.view('a')).state, 'waiting');
  assert.equal((await pool.view('a')).position, '1');
  assert.equal((await pool.join('a')).state, 'waiting');
  assert.equal((await pool.queue()).length, 0);
});

test('release gives back to the front in order', async () => {
  const tickets = await joinAll('a', 'b', 'c', 'd', 'e');
  await pool.claim('c1');
  assert.equal(await pool.release('c1', 'back', tickets.slice(0, 4)), 4);
  assert.deepEqual(await pool.queue(), tickets);
  assert.equal(await client.exists(pool.key('claims')), 0);
});

test('release forgets void tickets, and only those of the claim', async () => {
  const tickets = await joinAll('a', 'b', 'c', 'd');
  await pool.claim('c1', { max: 2 });
  assert.equal(await pool.release('c1', 'forget', [tickets[0], tickets[2]]), 1);
  assert.deepEqual(await claimLeft('c1'), [tickets[1]]);
  assert.deepEqual(await pool.queue(), tickets.slice(2));
});

test('release of an expired claim waits for its lease', async () => {
  const tickets = await joinAll('a', 'b');
  await pool.claim('c1');
  assert.equal(await pool.release('c1', 'expired'), 0);
  await client.zadd(pool.key('claims'), 1, 'c1');
  assert.equal(await pool.release('c1', 'expired'), 2);
  assert.deepEqual(await pool.queue(), tickets);
  assert.equal(await pool.release('c1', 'expired'), 0);
});

test('commit: both matched, points reserved, the room kept', async () => {
  await joinAll('a', 'b');
  const [ta, tb] = await pool.claim('c1');
  const sid = newSid();
  await pool.run('plan_room', [pool.key('closing')], [60000, pool.room(sid)]);
  assert.deepEqual(await pool.commit('c1', ta, tb, sid), ['matched', 15]);

  const [a, b] = [await pool.view('a'), await pool.view('b')];
  assert.equal(a.state, 'matched');
  assert.equal(a.sid, sid);
  assert.deepEqual([a.side, b.side], ['a', 'b']);
  assert.deepEqual([a.peer, b.peer], ['b', 'a']);
  assert.equal(a.points_left, '0');
  assert.equal(a.reserved, '15');
  assert.equal(a.ends, '');

  assert.equal(await isNoted(pool.room(sid)), false);
  assert.equal(await client.exists(pool.key('claims')), 0);
  assert.equal(await client.exists(pool.key('claim', 'c1')), 0);
  const due = Number(await client.zscore(pool.key('sessions'), sid));
  assert.equal(due - Number(a.committed), 30000);
  assert.equal((await pool.user('a')).ticket, undefined);
});

test('commit reserves the least of all limits', async () => {
  pool.sessionMaxS = 601;
  await pool.join('a');
  pool.points = 12;
  await pool.join('b');
  const end = String(await pool.now() + 60000);
  await client.hset(pool.key('user', 'a'), 'spent', 5, 'window_end', end);
  const [ta, tb] = await pool.claim('c1');
  const sid = newSid();
  assert.deepEqual(await pool.commit('c1', ta, tb, sid), ['matched', 7]);
  const session = await pool.session(sid);
  assert.equal(session.window_a, end);
  assert.notEqual(session.window_b, end);
});

test('commit opens a window where none is open, of the shorter kind',
  async () => {
    pool.windowMs = 50000;
    await pool.join('a');
    pool.windowMs = 90000;
    await pool.join('b');
    const [ta, tb] = await pool.claim('c1');
    const sid = newSid();
    await pool.commit('c1', ta, tb, sid);
    const { committed, window_a: a, window_b: b } = await pool.session(sid);
    assert.equal(Number(a) - Number(committed), 50000);
    assert.equal(a, b);
  });

test('commit rounds a part of a minute up', async () => {
  pool.sessionMaxS = 61;
  assert.equal((await pool.pair('a', 'b')).reserved, 2);
});

test('commit after one left: the other back at the front', async () => {
  const tickets = await joinAll('a', 'b', 'c');
  await pool.claim('c1');
  await pool.leave('a');
  const sid = newSid();
  assert.deepEqual(
    await pool.commit('c1', tickets[0], tickets[1], sid), ['void']);
  assert.deepEqual(await pool.queue(), [tickets[1], tickets[2]]);
  assert.equal((await pool.view('b')).state, 'waiting');
  assert.deepEqual(await pool.session(sid), {});
  assert.ok(await isNoted(pool.room(sid)));
  assert.equal(await client.exists(pool.key('claims')), 0);
});

test('commit after both left: nothing goes back', async () => {
  const [ta, tb] = await joinAll('a', 'b');
  await pool.claim('c1');
  await pool.leave('a');
  await pool.leave('b');
  assert.deepEqual(await pool.commit('c1', ta, tb, newSid()), ['void']);
  assert.deepEqual(await pool.queue(), []);
});

test('commit with a replaced ticket: the new one keeps its place', async () => {
  const [ta, tb] = await joinAll('a', 'b');
  await pool.claim('c1');
  await pool.leave('a');
  await pool.join('a');
  assert.deepEqual(await pool.commit('c1', ta, tb, newSid()), ['void']);
  const queue = await pool.queue();
  assert.equal(queue[0], tb);
  assert.equal(queue[1], (await pool.user('a')).ticket);
});

test('commit pairs nobody with themselves', async () => {
  const [old] = await joinAll('a');
  await pool.leave('a');
  await pool.join('a');
  const [, now] = await pool.claim('c1');
  assert.deepEqual(await pool.commit('c1', old, now, newSid()), ['void']);
  assert.deepEqual(await pool.commit('c1', now, now, newSid()), ['lost']);
  assert.equal((await pool.view('a')).state, 'waiting');
});

test('commit of the same ticket twice over pairs nobody', async () => {
  const [ta] = await joinAll('a', 'b');
  await pool.claim('c1');
  assert.deepEqual(await pool.commit('c1', ta, ta, newSid()), ['void']);
  assert.equal((await pool.view('a')).state, 'waiting');
  assert.deepEqual(await pool.queue(), [ta]);
});

test('commit under another claim, or a lapsed one, changes nothing',
  async () => {
    const [ta, tb] = await joinAll('a', 'b');
    await pool.claim('c1');
    const sid = newSid();
    assert.deepEqual(await pool.commit('c2', ta, tb, sid), ['lost']);
    await client.zadd(pool.key('claims'), 1, 'c1');
    assert.deepEqual(await pool.commit('c1', ta, tb, sid), ['lost']);
    assert.deepEqual(await claimLeft('c1'), [ta, tb]);
    assert.equal((await pool.view('a')).state, 'waiting');
    assert.ok(await isNoted(pool.room(sid)));
  });

test('commit repeated is lost and matches nobody twice', async () => {
  const [ta, tb] = await joinAll('a', 'b');
  await pool.claim('c1');
  const sid = newSid();
  await pool.commit('c1', ta, tb, sid);
  const before = await pool.user('a');
  assert.deepEqual(await pool.commit('c1', ta, tb, newSid()), ['lost']);
  assert.deepEqual(await pool.user('a'), before);
});

test('commit when a balance is gone: that user is told, the other waits',
  async () => {
    const [ta, tb] = await joinAll('a', 'b');
    await pool.claim('c1');
    await client.hset(pool.key('user', 'a'), 'spent', 15,
      'window_end', await pool.now() + 60000);
    assert.deepEqual(await pool.commit('c1', ta, tb, newSid()), ['void']);
    const a = await pool.view('a');
    assert.equal(a.state, 'idle');
    assert.equal(a.last_reason, 'failed');
    assert.deepEqual(await pool.queue(), [tb]);
  });

test('commit keeps the moving average of waits', async () => {
  await joinAll('a', 'b');
  await client.hset(pool.key('user', 'a'), 'waiting_since',
    await pool.now() - 10000);
  await client.hset(pool.key('user', 'b'), 'waiting_since',
    await pool.now() - 10000);
  const [ta, tb] = await pool.claim('c1');
  await pool.commit('c1', ta, tb, newSid());
  const wait = Number(await client.hget(pool.key('stats'), 'wait_ms'));
  assert.ok(wait >= 10000 && wait < 12000, String(wait));
});

test('fault: four times back to the front, then a dead letter', async () => {
  const [ta] = await joinAll('a', 'b');
  for (let i = 1; i <= 5; i++) {
    await pool.claim(`c${i}`);
    assert.equal(await pool.fault(`c${i}`, ta), i < 5 ? 'retry' : 'dead');
    await client.zadd(pool.key('claims'), 1, `c${i}`);
    await pool.release(`c${i}`, 'expired');
  }
  const view = await pool.view('a');
  assert.equal(view.state, 'idle');
  assert.equal(view.last_reason, 'failed');
  const [letter] = await pool.dead();
  assert.deepEqual([letter.kind, letter.from, letter.what, letter.reason],
    ['ticket', 'queue', ta, 'corrupt']);
  assert.ok(Math.abs(letter.at - await pool.now()) < 60000);
  assert.equal((await pool.queue()).length, 1);
});

test('fault: what is no ticket is dead at once', async () => {
  const bad = ['', 'rubbish', '1:a', '1.2:', 'a.b:c', '\u0000\ufffd'];
  for (const ticket of bad) {
    await client.rpush(pool.key('queue'), ticket);
  }
  assert.equal((await pool.claim('c1')).length, bad.length);
  for (const ticket of bad) {
    assert.equal(await pool.fault('c1', ticket), 'dead', ticket);
  }
  assert.deepEqual((await pool.dead()).map(({ what }) => what), bad);
  assert.equal(await client.exists(pool.key('claims')), 0);
});

test('fault: of a ticket that is void or not in the claim', async () => {
  const [ta, tb] = await joinAll('a', 'b');
  assert.equal(await pool.fault('c1', ta), 'lost');
  await pool.claim('c1');
  await pool.leave('a');
  assert.equal(await pool.fault('c1', ta), 'void');
  assert.equal(await pool.fault('c1', tb), 'retry');
  assert.deepEqual(await pool.queue(), [tb]);
});

test('rooms: taken when due, put off by a lease, closed once', async () => {
  const closing = [pool.key('closing')];
  await pool.run('plan_room', closing, [0, 'r1', 'r2']);
  await pool.run('plan_room', closing, [60000, 'r3']);
  const taken = await pool.run('take_rooms', closing, [10, 60000]);
  assert.deepEqual(taken.sort(), ['r1', 'r2']);
  assert.deepEqual(await pool.run('take_rooms', closing, [10, 60000]), []);
  assert.equal(await pool.run('room_closed', closing, ['r1']), 1);
  assert.equal(await pool.run('room_closed', closing, ['r1']), 0);
  assert.deepEqual((await client.zrange(closing[0], 0, -1)).sort(),
    ['r2', 'r3']);
});

test('rooms: at most so many are taken at once', async () => {
  const closing = [pool.key('closing')];
  await pool.run('plan_room', closing, [0, 'r1', 'r2', 'r3']);
  assert.equal((await pool.run('take_rooms', closing, [2, 60000])).length, 2);
  assert.equal((await pool.run('take_rooms', closing, [2, 60000])).length, 1);
});

test('commit, repeated: the match stands, and so does its room', async () => {
  await joinAll('a', 'b');
  const [one, other] = await pool.claim('c1');
  const sid = newSid();
  const first = await pool.commit('c1', one, other, sid);
  const { version } = await pool.user('a');
  assert.deepEqual(await pool.commit('c1', one, other, sid), first);
  assert.equal((await pool.user('a')).version, version);
  assert.equal(await isNoted(pool.room(sid)), false);
});

test('commit of one user\'s old and new ticket: the new one goes back',
  async () => {
    await pool.join('a');
    await pool.leave('a');
    await pool.join('a');
    const [old, good] = await pool.claim('c1');
    assert.deepEqual(await pool.commit('c1', old, good, newSid()), ['void']);
    assert.deepEqual(await pool.queue(), [good]);
  });

test('claim, when the list of claims is damaged, takes no ticket', async () => {
  const tickets = await joinAll('a', 'b');
  await client.set(pool.key('claims'), 'no sorted set');
  await assert.rejects(pool.claim('c1'), /WRONGTYPE/);
  assert.deepEqual(await pool.queue(), tickets);
});

async function snapshot() {
  const keys = (await client.keys('*')).sort();
  return Promise.all(keys.map(async (key) => [key, await client.dump(key)]));
}

test('commit of two of whom one reported the other: both go back', async () => {
  const tickets = await joinAll('a', 'b', 'c', 'd');
  for (const [claim, sub, other] of [['c1', 'a', 'b'], ['c2', 'b', 'a']]) {
    await client.sadd(pool.key('blocked', sub), other);
    await client.sadd(pool.key('blocked', other), sub);
    await pool.claim(claim, { max: 2 });
    const sid = newSid();
    assert.deepEqual(
      await pool.commit(claim, tickets[0], tickets[1], sid), ['blocked']);
    assert.deepEqual(await pool.queue(), tickets);
    assert.deepEqual(await pool.session(sid), {});
    assert.ok(await isNoted(pool.room(sid)));
    assert.equal(await client.exists(pool.key('claims')), 0);
    assert.equal((await pool.view('a')).points_left, '15');
    await client.del(pool.key('blocked', sub), pool.key('blocked', other));
  }
});

test('commit of a blocked pair of which one left: void', async () => {
  const tickets = await joinAll('a', 'b');
  await client.sadd(pool.key('blocked', 'a'), 'b');
  await pool.claim('c1');
  await pool.leave('b');
  assert.deepEqual(await pool.commit('c1', ...tickets, newSid()), ['void']);
  assert.deepEqual(await pool.queue(), [tickets[0]]);
});

test('commit: who is there is asked soon; both are noted for the store',
  async () => {
    const session = await pool.pair('a', 'b');
    const { committed } = await pool.session(session.sid);
    assert.equal(await client.zscore(pool.key('probes'), session.sid),
      String(Number(committed) + pool.probeMs));
    assert.deepEqual(await pool.dirty(), ['a', 'b']);
    await client.del(pool.key('dirty'));
    await pool.leave('a');
    assert.deepEqual(await pool.dirty(), ['a', 'b']);
    assert.equal(await client.exists(pool.key('probes')), 0);
  });

test('commit in a damaged pool fails and changes nothing', async () => {
  const sid = newSid();
  for (const kind of ['stats', 'sessions', 'closing', 'probes', 'dirty']) {
    await client.flushall();
    await pool.open();
    const tickets = await joinAll('a', 'b');
    await pool.claim('c1');
    await client.del(pool.key(kind));
    await client.set(pool.key(kind), 'a string');
    const before = await snapshot();
    await assert.rejects(pool.commit('c1', ...tickets, sid),
      new RegExp(`DAMAGED ${kind} holds a string`));
    assert.deepEqual(await snapshot(), before);
  }
});

test('commit of a user whose numbers are none changes nothing', async () => {
  for (const field of ['join_points', 'join_window', 'join_max', 'order',
    'waiting_since']) {
    await client.flushall();
    await pool.open();
    const tickets = await joinAll('a', 'b');
    await pool.claim('c1');
    await client.hset(pool.key('user', 'b'), field, 'many');
    const before = await snapshot();
    await assert.rejects(pool.commit('c1', ...tickets, newSid()), /ERR/);
    assert.deepEqual(await snapshot(), before, field);
  }
});

test('commit: counters that are none begin anew', async () => {
  await client.hset(pool.key('stats'), 'matches', 'many', 'wait_ms', 'long');
  await pool.pair('a', 'b');
  const stats = await client.hgetall(pool.key('stats'));
  assert.equal(stats.matches, '1');
  assert.match(stats.wait_ms, /^\d+$/);
});

test('fault: a ticket whose user\'s key holds no user is dead at once',
  async () => {
    const [ta] = await joinAll('a', 'b');
    await client.del(pool.key('user', 'a'));
    await client.set(pool.key('user', 'a'), 'a string');
    await pool.claim('c1');
    assert.equal(await pool.fault('c1', ta), 'dead');
    assert.deepEqual((await pool.dead()).map(({ what }) => what), [ta]);
    assert.equal(await client.hget(pool.key('stats'), 'dead'), '1');
  });

test('fault: any bytes are kept as they were', async () => {
  const bytes = [
    Buffer.from([0xff]), Buffer.from([0xff, 0xfe]),
    Buffer.from([0xff, 0x00, 0x80]), Buffer.from([0x31, 0xc3, 0x28, 0x0a]),
    Buffer.from([0xed, 0xa0, 0x80]), Buffer.from([0xc0, 0xaf]),
    Buffer.from('1:\u00e9\u20ac\u{1f600}"\\\u0000\u007f'),
  ];
  await client.rpush(pool.key('queue'), ...bytes);
  await pool.claim('c1', { odd: '1' });
  for (const ticket of bytes) {
    assert.equal(await pool.fault('c1', ticket), 'dead');
  }
  const letters = await pool.dead();
  assert.deepEqual(letters.map(({ what }) => Buffer.from(what)), bytes);
  assert.equal(letters.at(-1).encoding, undefined);
});

test('release in a damaged pool fails and changes nothing', async () => {
  const tickets = await joinAll('a', 'b');
  await pool.claim('c1');
  await client.zadd(pool.key('claims'), 1, 'c1');
  await client.set(pool.key('queue'), 'a string');
  for (const args of [['expired'], ['back', tickets]]) {
    const before = await snapshot();
    await assert.rejects(pool.release('c1', ...args), /DAMAGED queue/);
    assert.deepEqual(await snapshot(), before);
  }
  await client.del(pool.key('queue'));
  assert.equal(await pool.release('c1', 'expired'), 2);
  assert.deepEqual(await pool.queue(), tickets);
});
