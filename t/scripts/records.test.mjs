// take_dirty, saved, restore_user, restore_session, restore_lease, take_probes,
// sweep_room: what the workers ask for the store's and LiveKit's sake.

import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';

import { newSid, Pool } from '../node/pool.mjs';
import { startRedis } from '../node/redis.mjs';
import { sleep } from '../node/stack.mjs';

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

test('take_dirty: those who are due, each put off by the lease', async () => {
  for (const sub of ['a', 'b', 'c']) {
    await pool.join(sub);
  }
  await client.zadd(pool.key('dirty'), await pool.now() + 60000, 'late');
  assert.equal((await pool.takeDirty(2)).length, 2);
  assert.equal((await pool.takeDirty(2)).length, 1);
  assert.deepEqual(await pool.takeDirty(2), []);
  assert.equal((await pool.dirty()).length, 4);
  await client.zadd(pool.key('dirty'), 0, 'b');
  assert.deepEqual(await pool.takeDirty(), ['b']);
});

test('saved: done with what did not change, at once again with what did',
  async () => {
    const { version } = await pool.join('ann');
    await pool.takeDirty();
    assert.equal(await pool.saved('ann', version), 1);
    assert.deepEqual(await pool.dirty(), []);

    await pool.leave('ann');
    await pool.takeDirty();
    assert.equal(await pool.saved('ann', version), 0);
    assert.deepEqual(await pool.takeDirty(), ['ann']);
  });

test('saved: a user whom Redis does not know any more', async () => {
  await client.zadd(pool.key('dirty'), 0, 'gone');
  assert.equal(await pool.saved('gone', 5), 0);
  assert.equal(await pool.saved('gone', 0), 1);
  assert.deepEqual(await pool.dirty(), []);
});

test('restore_user: all that the store knows', async () => {
  const soonS = Math.floor(await pool.now() / 1000) + 600;
  assert.equal(await pool.restoreUser('ann', {
    version: 123456, points: 15, spent: 4, windowEndS: soonS,
    lastSessionS: 1700000000, bannedUntilS: soonS + 1,
    blocked: ['bob', 'f:{x}'],
  }), 1);
  assert.deepEqual(await pool.user('ann'), {
    version: '123456', state: 'idle', points: '15', spent: '4',
    window_end: `${soonS}000`, last_session_s: '1700000000',
    banned_until: `${soonS + 1}000`,
  });
  assert.deepEqual((await client.smembers(pool.key('blocked', 'ann'))).sort(),
    ['bob', 'f:{x}']);
  assert.ok(await client.ttl(pool.key('user', 'ann')) > 89 * 86400);
  assert.deepEqual(await pool.dirty(), [], 'the store knows it');

  const view = await pool.view('ann');
  assert.deepEqual([view.points_left, view.last_session], ['11', '1700000000']);
  assert.equal((await pool.join('ann')).status, 'banned');
});

test('restore_user: who was not idle is told "failed", and so is the store',
  async () => {
    for (const state of ['waiting', 'matched', 'live']) {
      const sub = `was-${state}`;
      const record = { version: 123456, points: 15, state };
      assert.equal(await pool.restoreUser(sub, record), 1);
      assert.deepEqual(await pool.user(sub), {
        version: '123457', lost: '123456', state: 'idle', points: '15',
        last_sid: '', last_reason: 'failed', last_duration: '0',
        last_points: '0',
      });
      assert.equal(await pool.restoreUser(sub, record), 0);
      const view = await pool.view(sub);
      assert.deepEqual([view.state, view.last_reason, view.lost],
        ['idle', 'failed', '123456']);
    }
    assert.deepEqual((await pool.takeDirty()).sort(),
      ['was-live', 'was-matched', 'was-waiting']);
    await pool.join('was-live');
    assert.equal((await pool.user('was-live')).lost, undefined);
    assert.equal((await pool.view('was-live')).lost, undefined);
  });

test('restore_user: a window or a ban that is over is none', async () => {
  await pool.restoreUser('ann',
    { version: 5, spent: 4, windowEndS: 1700000000, bannedUntilS: 1700000000 });
  assert.deepEqual(await pool.user('ann'), { version: '5', state: 'idle' });
});

test('restore_user: a ban for good', async () => {
  await pool.restoreUser('ann', { version: 5, bannedUntilS: 999999999999 });
  assert.equal((await pool.join('ann')).status, 'banned');
  assert.ok(await client.ttl(pool.key('user', 'ann')) > 1000 * 365 * 86400);
});

test('restore_user: what is as new or newer stays, blocks are added',
  async () => {
    await client.hset(pool.key('run'), 'since', 1);
    const { version } = await pool.join('ann');
    const user = await pool.user('ann');
    for (const old of [Number(version), Number(version) - 1]) {
      assert.equal(await pool.restoreUser('ann',
        { version: old, spent: 9, windowEndS: 9999999999,
          blocked: ['bob'] }), 0);
    }
    assert.deepEqual(await pool.user('ann'), user);
    assert.deepEqual(
      await client.smembers(pool.key('blocked', 'ann')), ['bob']);
  });

test('restore_user: who waits or is in a session there, too, is left in it',
  async () => {
    await pool.pair('bob', 'cat');
    const { version } = await pool.join('ann');
    for (const [sub, state] of [['ann', 'waiting'], ['bob', 'matched'],
      ['cat', 'live']]) {
      const user = await pool.user(sub);
      const newer = { version: Number(version) + 1e6, state, points: 15 };
      assert.equal(await pool.restoreUser(sub, newer), 0);
      assert.deepEqual(await pool.user(sub), user);
      const soonS = Math.ceil(await pool.now() / 1000) + 6000;
      assert.equal(await pool.restoreUser(sub,
        { ...newer, spent: 4, windowEndS: soonS }), sub === 'ann' ? 1 : 0,
      'what is reserved leaves no room');
    }
    assert.equal((await pool.view('ann')).points_left, '11');
    assert.equal((await pool.user('ann')).state, 'waiting');
  });

test('restore_user: older data ends where the store says so', async () => {
  const session = await pool.pair('bob', 'cat');
  const { version } = await pool.join('ann');
  for (const [sub, state] of [['ann', 'idle'], ['bob', 'idle'],
    ['cat', 'waiting']]) {
    assert.equal(await pool.restoreUser(sub,
      { version: Number(version) + 1e6, points: 15, state }), 1);
    const view = await pool.view(sub);
    assert.deepEqual([view.state, view.points_left, view.last_reason],
      ['idle', '15', state === 'idle' ? undefined : 'failed']);
  }
  assert.equal((await pool.claim('c', { odd: '1' })).length, 0);
  await pool.look(session);
  assert.equal((await pool.view('bob')).state, 'idle');
});

test('restore_user: in doubt a ban holds, and points stay spent', async () => {
  const soonS = Math.ceil(await pool.now() / 1000) + 6000;
  const record = { version: await pool.now() - 60000, points: 15, spent: 4,
    windowEndS: soonS, bannedUntilS: soonS };
  const { sid } = await pool.pair('bob', 'cat');
  await pool.join('ann');
  // who changed before this process of Redis was seen is as they are
  await client.hset(pool.key('run'), 'since', await pool.now() + 60000);
  assert.equal(await pool.restoreUser('ann', record), 0);

  await client.hset(pool.key('run'), 'since', await pool.now() - 1);
  assert.equal(await pool.restoreUser('ann', record), 1);
  const ann = await pool.view('ann');
  assert.deepEqual([ann.state, ann.last_reason, ann.points_left],
    ['idle', 'failed', '11']);
  assert.equal((await pool.join('ann')).status, 'banned');
  assert.deepEqual(await pool.restoreUser('bob', record),
    ['bob', soonS * 1000], 'to be banned as an operator does it');
  await client.del(pool.key('ready'));
  assert.deepEqual(await pool.ban('bob', soonS * 1000), ['ok']);
  assert.equal((await pool.session(sid)).state, 'ended');
  assert.equal((await pool.view('cat')).last_reason, 'peer_left');
  assert.equal(await pool.restoreUser('bob', record), 1);
  assert.equal((await pool.view('bob')).points_left, '11');
});

test('restore_user: a window that is over is not opened by rounding',
  async () => {
    await pool.join('ann');
    await client.hset(pool.key('run'), 'since', await pool.now() - 1);
    let end = await pool.now() - 2;
    if (end % 1000 > 800) {
      await sleep(300);
      end = await pool.now() - 2;
    }
    await client.hset(pool.key('user', 'ann'), 'window_end', end, 'spent', 4);
    assert.equal(await pool.restoreUser('ann', {
      version: await pool.now() - 60000, points: 15, spent: 4,
      windowEndS: Math.ceil(end / 1000),
    }), 0);
    assert.equal((await pool.view('ann')).points_left, '15');
  });

test('restore_session: one that goes on is of older data', async () => {
  const { sid } = await pool.live('ann', 'bob', 100000);
  await pool.restoreSession({ ...await stored('ann', 'bob', 100),
    sessionId: sid });
  for (const sub of ['ann', 'bob']) {
    const view = await pool.view(sub);
    assert.deepEqual([view.state, view.last_reason, view.points_left],
      ['idle', 'failed', '15']);
    assert.equal((await history(sub)).length, 1);
  }
  assert.equal((await pool.session(sid)).state, 'ended');
  assert.deepEqual(await client.zrange(pool.key('closing'), 0, -1),
    [pool.room(sid)]);
  assert.equal(await client.exists(...pool.keys('sessions', 'probes')), 0);
});

// Of so many seconds ago, as the worker has it from the store.
async function stored(userA, userB, ago, untilMs = 0) {
  const startTime = Math.floor(await pool.now() / 1000) - ago;
  const sessionId = newSid();
  return { sessionId, userA, userB, startTime, untilMs,
    entry: JSON.stringify({ sessionId, startTime, n: ago }) };
}

const known = (...subs) => Promise.all(subs.map((sub) => (
  pool.restoreUser(sub, { version: 5, points: 15 }))));
const history = async (sub) => (await client.lrange(
  pool.key('history', sub), 0, -1)).map((text) => JSON.parse(text).n ?? text);

test('restore_session: at its place, once, at most fifty', async () => {
  await known('ann', 'bob');
  const all = await Promise.all(Array.from({ length: 60 },
    (_, i) => stored('ann', 'bob', (i * 37) % 60)));
  for (const session of all) {
    await pool.restoreSession(session);
  }
  const newest = Array.from({ length: 50 }, (_, i) => i);
  assert.deepEqual(await history('ann'), newest);
  assert.deepEqual(await history('bob'), newest);
  assert.ok(await client.ttl(pool.key('history', 'ann')) > 89 * 86400);
  for (const session of all) {
    assert.equal(await pool.restoreSession(session), 0);
  }
  assert.deepEqual(await history('ann'), newest);
});

test('restore_session: among those that a script wrote, and rubbish',
  async () => {
    const { sid } = await pool.live('ann', 'bob', 100000);
    await pool.leave('ann');
    await client.rpush(pool.key('history', 'ann'), 'rubbish');
    const older = await stored('ann', 'bob', 5000);
    assert.equal(await pool.restoreSession(older), 2);
    const read = () => client.lrange(pool.key('history', 'ann'), 0, -1);
    const [entry] = await read();
    const { startTime, endTime } = JSON.parse(entry);
    const again = { sessionId: sid, userA: 'ann', userB: 'bob', startTime };
    assert.equal(await pool.restoreSession({ ...again,
      entry: JSON.stringify({ sessionId: sid, startTime, endTime }) }), 0);
    assert.deepEqual(await read(), [entry, older.entry, 'rubbish']);
  });

test('restore_session: what older data has made of it is replaced',
  async () => {
    const { sid } = await pool.live('ann', 'bob', 100000);
    await pool.leave('ann');
    const newer = await stored('ann', 'bob', 5);
    await pool.restoreSession(newer);
    const [, settled] = await client.lrange(pool.key('history', 'ann'), 0, -1);
    const { startTime } = JSON.parse(settled);
    const entry = JSON.stringify({ sessionId: sid, startTime,
      endTime: startTime + 30, duration: 30, pointsSpent: 1 });
    const session = { sessionId: sid, userA: 'ann', userB: 'bob', startTime,
      entry };
    assert.equal(await pool.restoreSession(session), 2);
    assert.equal(await pool.restoreSession(session), 0);
    for (const sub of ['ann', 'bob']) {
      assert.deepEqual(await client.lrange(pool.key('history', sub), 0, -1),
        [newer.entry, entry]);
    }
  });

test('restore_session: for who is known in this pool alone', async () => {
  await known('ann');
  await client.sadd(pool.key('blocked', 'cat'), 'dan');
  assert.equal(await pool.restoreSession(await stored('ann', 'bob', 9)), 1);
  assert.equal(await pool.restoreSession(await stored('bob', 'cat', 8)), 1);
  await pool.restoreUser('eve', { version: 5, bannedUntilS: 9999999999 });
  assert.equal(await pool.restoreSession(await stored('eve', 'bob', 8)), 0);
  assert.deepEqual((await client.keys('*:history:*')).sort(),
    [pool.key('history', 'ann'), pool.key('history', 'cat')]);
});

test('restore_session: nobody meets again in their window', async () => {
  await known('ann', 'bob', 'cat');
  const soon = await pool.now() + 60000;
  await pool.restoreSession(await stored('ann', 'bob', 9, soon + 5000));
  await pool.restoreSession(await stored('cat', 'ann', 9, soon));
  await pool.restoreSession(await stored('ann', 'bob', 99, soon));
  await pool.restoreSession(await stored('bob', 'cat', 99, soon - 60001));
  const met = (sub) => client.zrange(pool.key('met', sub), 0, -1,
    'WITHSCORES');
  assert.deepEqual(await met('ann'), ['cat', String(soon),
    'bob', String(soon + 5000)]);
  assert.deepEqual(await met('bob'), ['ann', String(soon + 5000)]);
  assert.deepEqual(await met('cat'), ['ann', String(soon)]);
  const life = await client.pttl(pool.key('met', 'ann'));
  assert.ok(life > 60000 && life <= 65000, `${life}`);
});

test('restore_session: damaged keys are left as they are', async () => {
  await known('ann', 'bob');
  await client.set(pool.key('history', 'ann'), 'rubbish');
  assert.equal(await pool.restoreSession(await stored('ann', 'bob', 9)), 1);
  assert.equal(await client.get(pool.key('history', 'ann')), 'rubbish');
});

test('restore_lease: one worker at a time, until the pool is ready',
  async () => {
    assert.equal(await pool.restoreLease('w1'), 'ready');
    await client.flushall();
    assert.equal(await pool.restoreLease('w1', 20000), 'mine');
    assert.equal(await pool.restoreLease('w2'), 'other');
    assert.ok(await client.pttl(pool.key('restoring')) <= 20000);
    assert.equal(await pool.restoreLease('w1', 60000), 'mine');
    assert.ok(await client.pttl(pool.key('restoring')) > 20000);
    await client.del(pool.key('restoring'));
    assert.equal(await pool.restoreLease('w2'), 'mine');
    await pool.open();
    assert.equal(await pool.restoreLease('w1'), 'ready');
  });

test('restore_lease: what is gone is not renewed', async () => {
  const renew = (name) => pool.restoreLease(name, 60000, '1');
  assert.equal(await renew('w1'), 'ready');
  await client.flushall();
  assert.equal(await renew('w1'), 'lost');
  assert.equal(await client.exists(pool.key('restoring')), 0);
  await pool.restoreLease('w1', 20000);
  assert.equal(await renew('w2'), 'other');
  assert.equal(await renew('w1'), 'mine');
  assert.ok(await client.pttl(pool.key('restoring')) > 20000);
});

test('restore_lease: given back by who has it, and taken at once',
  async () => {
    await client.flushall();
    await pool.restoreLease('w1');
    assert.equal(await pool.restoreLease('w2', 30000, 'end'), 'ended');
    assert.equal(await pool.restoreLease('w2'), 'other', 'it is not theirs');
    assert.equal(await pool.restoreLease('w1', 30000, 'end'), 'ended');
    assert.equal(await pool.restoreLease('w2'), 'mine');
  });

test('open_pool: for who has restored it, while the lease is theirs',
  async () => {
    await client.flushall();
    assert.equal(await pool.beat('w1'), 'restoring');
    await pool.restoreLease('w2');
    assert.equal(await pool.beat('w1'), 'restoring');
    assert.equal(await pool.beat(), 'restoring');
    assert.equal(await client.exists(pool.key('ready')), 0);
    assert.equal(await pool.beat('w2'), 'ready');
    assert.equal(await client.exists(pool.key('restoring')), 0);
    assert.equal(await pool.beat('w1'), 'ready');
  });

test('restore_lease: once more for each process of Redis, while served',
  async () => {
    pool.runId = 'run-2';
    assert.equal(await pool.restoreLease('w1'), 'ready', 'not before a beat');
    await pool.beat();
    assert.equal(await pool.restoreLease('w2'), 'ready', 'of its own');
    await pool.beat('', 0, 'w2');
    assert.equal(await pool.restoreLease('w1'), 'open');
    assert.equal(await pool.restoreLease('w2'), 'other');
    assert.equal(await pool.restoreLease('w1', 30000, '1'), 'open');
    await pool.join('ann');
    assert.deepEqual(await pool.takeDirty(), [], 'not before it is read');
    assert.equal(await pool.beat('w1'), 'ready');
    assert.equal(await pool.restoreLease('w2'), 'ready');
    assert.deepEqual(await pool.takeDirty(), ['ann']);
  });

test('restore_lease: once more when what was being written has come',
  async () => {
    await client.flushall();
    await pool.restoreLease('w1');
    await pool.beat('w1');
    assert.equal(await pool.restoreLease('w2'), 'ready', 'it is not due');
    const due = () => client.hset(pool.key('run'), 'again', 1);
    await due();
    pool.runId = 'run-2';
    await pool.beat('', 0, 'w2');
    assert.equal(await pool.restoreLease('w2'), 'open', 'for that one first');
    assert.equal(await pool.beat('w2'), 'ready');
    assert.equal(await pool.restoreLease('w2'), 'ready', 'it is not due');

    await due();
    assert.equal(await pool.restoreLease('w1'), 'again');
    assert.equal(await pool.restoreLease('w2'), 'other');
    await client.del(pool.key('restoring'));
    assert.equal(await pool.restoreLease('w2'), 'again', 'w1 has died');
    assert.equal(await pool.restoreLease('w2', 30000, '1'), 'again');
    assert.equal(await pool.beat('w2'), 'ready');
    assert.equal(await pool.restoreLease('w1'), 'ready', 'it was the last');
    assert.equal(await client.hexists(pool.key('run'), 'again'), 0);

    await due();
    assert.equal(await pool.restoreLease('w1'), 'again');
    await client.del(pool.key('ready'));
    assert.equal(await pool.beat('w1'), 'ready', 'it was closed meanwhile');
    assert.ok(await client.hget(pool.key('run'), 'again') > await pool.now());
  });

test('open_pool: a beat that went back closes the pool, once', async () => {
  await pool.beat('', 0, 'w2');
  await pool.beat();
  const first = pool.lastBeat;
  assert.equal(await pool.beat('', first), 'ready');
  const seen = pool.lastBeat;
  assert.ok(seen > first);

  pool.runId = 'run-2';
  await client.hset(pool.key('run'), 'beat:w1', first);
  await client.set(pool.key('restoring'), 'w1');
  assert.equal(await pool.beat('', 0, 'new'), 'ready', 'it cannot know');
  assert.equal(await pool.beat('', seen), 'lost');
  assert.equal(await client.exists(...pool.keys('ready', 'restoring')), 0);
  assert.equal((await pool.join('ann')).status, 'restoring');
  await pool.restoreLease('w1');
  assert.equal(await pool.beat('', first + 1e9, 'w2'), 'restoring');
  assert.equal(await client.exists(pool.key('restoring')), 1);
  assert.equal(await pool.beat('w1'), 'ready');
  assert.equal(await pool.beat('', seen + 1e9), 'ready', 'it is restored');
});

test('open_pool: beats of workers long gone are forgotten', async () => {
  await client.hset(pool.key('run'), 'beat:old', await pool.now() - 3700000);
  await pool.beat('', 0, 'w2');
  const fields = Object.keys(await client.hgetall(pool.key('run'))).sort();
  assert.deepEqual(fields, ['again', 'beat:w2', 'id', 'read', 'since']);
});

test('health tells that a pool is being restored, until it is', async () => {
  const restoring = async () => {
    const flat = await pool.run('health', pool.keys('ready', 'schema',
      'alive', 'queue', 'claims', 'sessions', 'closing', 'ended', 'livekit',
      'dead', 'stats', 'dirty', 'reports', 'restoring', 'probes'));
    return String(flat[flat.indexOf('restoring') + 1]);
  };
  await client.flushall();
  assert.equal(await restoring(), '0');
  await pool.restoreLease('w1');
  assert.equal(await restoring(), '1');
  await pool.open();
  assert.equal(await restoring(), '0');
});

test('take_probes: sessions that are due, until they end', async () => {
  const { sid } = await pool.pair('a', 'b');
  assert.deepEqual(await pool.takeProbes(), []);
  await client.zadd(pool.key('probes'), 0, sid);
  assert.deepEqual(await pool.takeProbes(10, 5000), [sid]);
  const next = await client.zscore(pool.key('probes'), sid);
  assert.ok(Math.abs(next - await pool.now() - 5000) < 4000);
  assert.deepEqual(await pool.takeProbes(), []);
  await pool.leave('a');
  assert.equal(await client.exists(pool.key('probes')), 0);
});

test('due_sessions, take_probes: none before the store is read, or a minute',
  async () => {
    const { sid } = await pool.pair('a', 'b');
    assert.deepEqual(await pool.dueSessions(), [], 'it is not due');
    const due = () => Promise.all(['sessions', 'probes'].map((kind) => (
      client.zadd(pool.key(kind), 0, sid))));
    await due();
    assert.deepEqual(await pool.dueSessions(), [sid]);
    assert.deepEqual(await pool.dueSessions(0), []);

    pool.runId = 'run-2';
    assert.deepEqual([await pool.dueSessions(), await pool.takeProbes()],
      [[], []]);
    const { id, since } = await client.hgetall(pool.key('run'));
    assert.equal(id, 'run-2');
    await client.hset(pool.key('run'), 'since', Number(since) - 50000);
    assert.deepEqual([await pool.dueSessions(), await pool.takeProbes()],
      [[], []]);
    await client.hset(pool.key('run'), 'since', Number(since) - 60000);
    assert.deepEqual([await pool.dueSessions(), await pool.takeProbes()],
      [[sid], [sid]], 'the store is away');

    pool.runId = 'run-3';
    await due();
    assert.deepEqual(await pool.dueSessions(), []);
    await pool.open();
    assert.deepEqual([await pool.dueSessions(), await pool.takeProbes()],
      [[sid], [sid]], 'it has been read');
  });

test('sweep_room: only a room that nobody needs or has noted', async () => {
  const noted = (sid) => client.zscore(pool.key('closing'), pool.room(sid));
  const stray = newSid();
  assert.equal(await pool.sweepRoom(stray), 1);
  assert.notEqual(await noted(stray), null);
  assert.equal(await pool.sweepRoom(stray), 0);

  const { sid: live } = await pool.live('a', 'b', 1000);
  const { sid: matched } = await pool.pair('c', 'd');
  for (const sid of [live, matched]) {
    assert.equal(await pool.sweepRoom(sid), 0);
    assert.equal(await noted(sid), null);
  }

  const planned = newSid();
  await pool.run('plan_room', [pool.key('closing')],
    [60000, pool.room(planned)]);
  const due = await noted(planned);
  assert.equal(await pool.sweepRoom(planned), 0);
  assert.equal(await noted(planned), due);

  await pool.leave('a');
  await client.del(pool.key('closing'));
  assert.equal(await pool.sweepRoom(live), 1, 'of a session that ended');

  const odd = newSid();
  await client.set(pool.key('session', odd), 'a string');
  assert.equal(await pool.sweepRoom(odd), 1);
});
