// join, leave, session, touch, silence, open_pool: a user before the match.

import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';

import { Pool } from '../node/pool.mjs';
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

test('a user nobody knows is idle with all points', async () => {
  const view = await pool.view('ann');
  assert.equal(view.state, 'idle');
  assert.equal(view.points_left, '15');
  assert.equal(view.version, '0');
  assert.equal(view.window_end, '');
});

test('reading leaves nothing behind for a user nobody knows', async () => {
  await pool.view('ann');
  assert.deepEqual(await pool.user('ann'), {});
});

test('join: idle to waiting, one ticket at the tail', async () => {
  const ann = await pool.join('ann');
  const bob = await pool.join('bob');
  assert.equal(ann.status, 'ok');
  assert.equal(ann.state, 'waiting');
  assert.equal(ann.position, '1');
  assert.equal(bob.position, '2');
  const queue = await pool.queue();
  assert.equal(queue.length, 2);
  assert.match(queue[0], /^1\.\d{13}:ann$/);
  assert.match(queue[1], /^2\.\d{13}:bob$/);
  assert.equal((await pool.user('ann')).ticket, queue[0]);
});

test('join stores the edge\'s points, window and longest session', async () => {
  Object.assign(pool, { points: 7, windowMs: 1000, sessionMaxS: 61 });
  await pool.join('ann');
  const user = await pool.user('ann');
  assert.equal(user.join_points, '7');
  assert.equal(user.join_window, '1000');
  assert.equal(user.join_max, '61');
});

test('join again changes nothing but the sign of life', async () => {
  const first = await pool.join('ann');
  await client.hset(pool.key('user', 'ann'), 'seen', 1);
  const second = await pool.join('ann');
  assert.equal(second.version, first.version);
  assert.equal((await pool.queue()).length, 1);
  assert.notEqual((await pool.user('ann')).seen, '1');
});

test('join from three windows at once makes one ticket', async () => {
  const views = await Promise.all([1, 2, 3].map(() => pool.join('ann')));
  assert.equal(new Set(views.map((view) => view.version)).size, 1);
  assert.equal((await pool.queue()).length, 1);
});

test('join while matched or live tells of the session', async () => {
  const session = await pool.pair('ann', 'bob');
  const view = await pool.join('ann');
  assert.equal(view.status, 'ok');
  assert.equal(view.state, 'matched');
  assert.equal(view.sid, session.sid);
  assert.equal((await pool.queue()).length, 0);
});

test('join without points is refused, with when they come back', async () => {
  const end = await pool.now() + 5000;
  await client.hset(pool.key('user', 'ann'), 'spent', 15, 'window_end', end);
  const view = await pool.join('ann');
  assert.equal(view.status, 'no_points');
  assert.equal(view.points_left, '0');
  assert.equal(view.window_end, String(end));
  assert.equal(view.state, 'idle');
  assert.equal((await pool.queue()).length, 0);
});

test('join when the window is over has all points again', async () => {
  const end = await pool.now() - 1;
  await client.hset(pool.key('user', 'ann'), 'spent', 15, 'window_end', end);
  const view = await pool.join('ann');
  assert.equal(view.status, 'ok');
  assert.equal(view.points_left, '15');
});

test('join before the pool is ready is refused', async () => {
  await client.del(pool.key('ready'));
  assert.deepEqual(await pool.join('ann'), { status: 'restoring' });
  assert.equal(await client.exists(pool.key('user', 'ann')), 0);
});

test('join in data of a newer layout, or of none, is refused', async () => {
  for (const schema of ['2', 'x']) {
    await client.set(pool.key('schema'), schema);
    assert.deepEqual(await pool.join('ann'), { status: 'restoring' });
  }
});

test('leave: waiting to idle, the ticket stays void in the list', async () => {
  const joined = await pool.join('ann');
  const left = await pool.leave('ann');
  assert.equal(left.state, 'idle');
  assert.ok(Number(left.version) > Number(joined.version));
  assert.equal((await pool.queue()).length, 1);
  assert.equal((await pool.user('ann')).ticket, undefined);
});

test('leave of an idle user raises the version, and nothing else', async () => {
  await pool.join('bob');
  await pool.leave('bob');
  for (const sub of ['ann', 'bob']) {
    const { version, ...before } = await pool.user(sub);
    const left = await pool.leave(sub);
    const { version: risen, ...after } = await pool.user(sub);
    assert.deepEqual([left.status, left.state, left.version],
      ['ok', 'idle', risen]);
    assert.ok(Number(risen) > Number(version ?? 0));
    assert.deepEqual(after, before);
    assert.ok((await pool.dirty()).includes(sub));
  }
});

test('leave of an idle user before the pool is ready is refused', async () => {
  await client.del(pool.key('ready'));
  assert.deepEqual(await pool.leave('ann'), { status: 'restoring' });
  assert.equal(await client.exists(pool.key('user', 'ann')), 0);
});

test('leave of who waits needs no pool that is ready', async () => {
  await pool.join('ann');
  await client.del(pool.key('ready'));
  assert.equal((await pool.leave('ann')).state, 'idle');
});

test('leave and join makes a new ticket; the old one is void', async () => {
  await pool.join('ann');
  await pool.leave('ann');
  await pool.join('ann');
  const [old, now] = await pool.queue();
  assert.notEqual(old, now);
  assert.equal((await pool.user('ann')).ticket, now);
});

test('the version rises with every transition, whatever the clock', async () => {
  const ahead = await pool.now() + 1_000_000;
  await client.hset(pool.key('user', 'ann'), 'version', ahead);
  const joined = await pool.join('ann');
  assert.equal(joined.version, String(ahead + 1));
  const left = await pool.leave('ann');
  assert.equal(left.version, String(ahead + 2));
});

test('a transition is told on the user\'s channel, a reading is not', async () => {
  const listener = server.client();
  const heard = [];
  listener.on('message', (channel, message) => heard.push([channel, message]));
  await listener.subscribe(pool.key('user', 'ann'));
  const joined = await pool.join('ann');
  await pool.join('ann');
  await pool.view('ann');
  const left = await pool.leave('ann');
  await listener.ping();
  assert.deepEqual(heard, [
    [pool.key('user', 'ann'), joined.version],
    [pool.key('user', 'ann'), left.version]]);
  listener.disconnect();
});

test('reading is a sign of life only of a waiting user', async () => {
  await pool.join('ann');
  await client.hset(pool.key('user', 'ann'), 'seen', 1);
  await pool.view('ann');
  assert.ok(Number((await pool.user('ann')).seen) > 1);
  await pool.leave('ann');
  await pool.view('ann');
  assert.equal((await pool.user('ann')).seen, undefined);
});

test('touch: alive, closed, and those who do not wait', async () => {
  await pool.join('ann');
  await pool.join('bob');
  await client.hset(pool.key('user', 'ann'), 'seen', 1);
  assert.equal(await pool.touch({ ann: 1, bob: 0, eve: 1 }), 2);
  const now = await pool.now();
  assert.ok(now - Number((await pool.user('ann')).seen) < 5000);
  assert.ok(now - Number((await pool.user('bob')).seen) > 15000);
  assert.deepEqual(await pool.user('eve'), {});
});

test('the estimate: what is left of the average wait, and is honest later',
  async () => {
    assert.equal((await pool.join('ann')).estimate, '');
    await client.hset(pool.key('stats'), 'wait_ms', 120000);
    await pool.join('bob');
    for (const [waitedS, estimateS] of [[0, 120], [30, 90], [59, 61],
      [60, 60], [100, 60], [120, 60], [200, 100], [1200, 600]]) {
      await client.hset(pool.key('user', 'bob'), 'waiting_since',
        await pool.now() - 1000 * waitedS);
      const told = Number((await pool.view('bob')).estimate);
      assert.ok(Math.abs(told - estimateS) <= 5, `${waitedS}: ${told}`);
    }
  });

test('the estimate is at least a second, and none of what is no number',
  async () => {
    await client.hset(pool.key('stats'), 'wait_ms', 0);
    assert.equal((await pool.join('ann')).estimate, '1');
    await client.hset(pool.key('user', 'ann'), 'waiting_since',
      await pool.now() + 60000);
    assert.equal((await pool.view('ann')).estimate, '1');
    await client.hset(pool.key('stats'), 'wait_ms', 'long');
    assert.equal((await pool.view('ann')).estimate, '');
  });

test('silence drops who was silent for too long, once', async () => {
  await pool.join('ann');
  const { ticket } = await pool.user('ann');
  await client.hset(pool.key('run'), 'since', 1);
  assert.equal(await pool.silence('ann', ticket), 'kept');
  await client.hset(pool.key('user', 'ann'), 'seen', 1);
  assert.equal(await pool.silence('ann', ticket), 'dropped');
  assert.equal((await pool.view('ann')).state, 'idle');
  assert.equal(await pool.silence('ann', ticket), 'void');
});

test('silence drops nobody soon after Redis was restarted', async () => {
  await pool.join('ann');
  const { ticket } = await pool.user('ann');
  await client.hset(pool.key('user', 'ann'), 'seen', 1);
  await client.hset(pool.key('run'), 'since', 1);
  pool.runId = 'run-2';
  assert.equal(await pool.silence('ann', ticket), 'kept');
  assert.equal((await client.hget(pool.key('run'), 'id')), 'run-2');
});

test('silence with an old ticket leaves the new wait alone', async () => {
  await pool.join('ann');
  const { ticket } = await pool.user('ann');
  await pool.leave('ann');
  await pool.join('ann');
  await client.hset(pool.key('user', 'ann'), 'seen', 1);
  assert.equal(await pool.silence('ann', ticket), 'void');
  assert.equal((await pool.view('ann')).state, 'waiting');
});

test('open_pool: restoring, ready, groups, and a newer layout', async () => {
  await client.flushall();
  assert.equal(await pool.beat(), 'restoring');
  assert.equal(await pool.open(), 'ready');
  assert.equal(await pool.beat(), 'ready');
  assert.equal((await client.xinfo('GROUPS', pool.key('livekit'))).length, 1);
  assert.equal((await client.xinfo('GROUPS', pool.key('ended'))).length, 1);
  assert.ok(await client.ttl(pool.key('alive')) > 10);
  await client.set(pool.key('schema'), '2');
  assert.equal(await pool.open(), 'newer');
});

test('every change of a user is noted for the store, a reading is not',
  async () => {
    await pool.view('ann');
    await pool.join('f:{x}:user:y');
    assert.deepEqual(await pool.dirty(), ['f:{x}:user:y']);
    await client.del(pool.key('dirty'));
    await pool.join('f:{x}:user:y');
    await pool.touch({ 'f:{x}:user:y': 1 });
    assert.deepEqual(await pool.dirty(), []);
    await pool.leave('f:{x}:user:y');
    const [sub, at] = await client.zrange(pool.key('dirty'), 0, -1,
      'WITHSCORES');
    assert.equal(sub, 'f:{x}:user:y');
    const { version } = await pool.user('f:{x}:user:y');
    assert.ok(version - at >= 0 && version - at <= 1, `${at}, ${version}`);
    await pool.leave('f:{x}:user:y');
    assert.equal((await pool.dirty()).length, 1);
  });

test('silence is noted for the store', async () => {
  await pool.join('ann');
  await client.del(pool.key('dirty'));
  await client.hset(pool.key('user', 'ann'), 'seen', 1);
  const { ticket } = await pool.user('ann');
  assert.equal(await pool.silence('ann', ticket, { graceMs: 0 }), 'dropped');
  assert.deepEqual(await pool.dirty(), ['ann']);
});

test('join keeps the points of a window beyond the wait', async () => {
  pool.points = 7;
  await pool.join('ann');
  await pool.leave('ann');
  assert.equal((await pool.user('ann')).points, '7');
});

test('join of a banned user is refused, with until when', async () => {
  const until = await pool.now() + 60000;
  await client.hset(pool.key('user', 'ann'), 'banned_until', until);
  const view = await pool.join('ann');
  assert.equal(view.status, 'banned');
  assert.equal(view.banned_until, String(until));
  assert.equal(view.state, 'idle');
  assert.deepEqual(await pool.queue(), []);
  await client.hset(pool.key('user', 'ann'), 'banned_until', until - 61000);
  const later = await pool.join('ann');
  assert.equal(later.state, 'waiting');
  assert.equal(later.banned_until, undefined);
});

test('a ban outlives what else is known of a user', async () => {
  const key = pool.key('user', 'ann');
  const until = await pool.now() + 400 * 86400 * 1000;
  await pool.join('ann');
  await client.hset(key, 'banned_until', until);
  await pool.leave('ann');
  assert.ok(Math.abs(await client.pexpiretime(key) - until) < 60000);
});

test('touch marks a closed stream by the silence of the caller', async () => {
  await pool.join('ann');
  pool.silentMs = 40000;
  await pool.touch({ ann: 0 });
  const silent = await pool.now() - (await pool.user('ann')).seen;
  assert.ok(silent > 40000 && silent < 100000, String(silent));
});

test('touch: a key that holds no user stops nothing', async () => {
  await pool.join('ann');
  await client.set(pool.key('user', 'odd'), 'a string');
  await client.hset(pool.key('user', 'ann'), 'seen', 1);
  assert.equal(await pool.touch({ odd: 1, ann: 1 }), 1);
  assert.notEqual((await pool.user('ann')).seen, '1');
});

test('join in a damaged pool fails and changes nothing', async () => {
  for (const kind of ['queue', 'stats', 'dirty']) {
    await client.flushall();
    await pool.open();
    await client.set(pool.key(kind), 'a string');
    await assert.rejects(pool.join('ann'),
      new RegExp(`DAMAGED ${kind} holds a string`));
    assert.deepEqual(await pool.user('ann'), {});
    assert.equal(await client.exists(pool.key('order')), 0);
  }
});
