// participant, look, leave, fail_session, livekit_event, done, history: a
// session from the match to its one ending.

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

async function ended() {
  const entries = await client.xrange(pool.key('ended'), '-', '+');
  return entries.map(([, flat]) => Object.fromEntries(
    flat.flatMap((name, i) => (i % 2 ? [] : [[name, flat[i + 1]]]))));
}

async function lastOf(sub) {
  const view = await pool.view(sub);
  return [view.state, view.last_reason, view.last_duration, view.last_points,
    view.points_left];
}

async function assertOver({ sid, a, b }) {
  assert.equal((await pool.session(sid)).state, 'ended');
  assert.equal(await client.zscore(pool.key('sessions'), sid), null);
  assert.notEqual(
    await client.zscore(pool.key('closing'), pool.room(sid)), null);
  for (const sub of [a, b]) {
    const user = await pool.user(sub);
    for (const field of ['sid', 'peer', 'side', 'start', 'ends', 'reserved',
      'committed']) {
      assert.equal(user[field], undefined, `${sub} ${field}`);
    }
  }
}

test('live when both are there, from the later coming', async () => {
  const session = await pool.pair('a', 'b');
  await pool.age(session, 20000);
  const at = await pool.now() - 10000;
  assert.equal(
    await pool.participant(session, 'a', 'joined', 'PA_1', at), 'noted');
  assert.equal((await pool.view('a')).state, 'matched');
  assert.equal(
    await pool.participant(session, 'b', 'joined', 'PA_2', at + 3000), 'live');

  for (const sub of ['a', 'b']) {
    const view = await pool.view(sub);
    assert.equal(view.state, 'live');
    assert.equal(view.start, String(at + 3000));
    assert.equal(view.ends, String(at + 3000 + 15 * 60000));
  }
  assert.deepEqual(
    await client.zrange(pool.key('met', 'a'), 0, -1), ['b']);
});

test('LiveKit\'s clock is believed between the commit and now', async () => {
  const session = await pool.pair('a', 'b');
  const { committed } = await pool.session(session.sid);
  await pool.participant(session, 'a', 'joined', 'PA_1', 0);
  await pool.participant(session, 'b', 'joined', 'PA_2',
    await pool.now() + 1e9);
  const { start } = await pool.view('a');
  assert.ok(Number(start) >= Number(committed));
  assert.ok(Number(start) <= await pool.now());
});

test('the same words twice change nothing', async () => {
  const session = await pool.live('a', 'b');
  const { version } = await pool.view('a');
  const at = await pool.now();
  assert.equal(
    await pool.participant(session, 'a', 'joined', 'PA_a', at), 'ignored');
  await pool.participant(session, 'a', 'left', 'PA_a', at);
  assert.equal(
    await pool.participant(session, 'a', 'left', 'PA_a', at + 1), 'ignored');
  assert.equal(
    await pool.participant(session, 'a', 'joined', 'PA_a', at), 'ignored');
  assert.equal((await pool.session(session.sid)).gone_a !== undefined, true);
  assert.equal((await pool.view('a')).version, version);
});

test('going before coming: there from then till then', async () => {
  const session = await pool.pair('a', 'b');
  await pool.age(session, 20000);
  const at = await pool.now() - 10000;
  await pool.participant(session, 'b', 'joined', 'PA_b', at);
  await pool.participant(session, 'a', 'left', 'PA_a', at + 5000);
  assert.equal(
    await pool.participant(session, 'a', 'joined', 'PA_a', at + 2000), 'live');
  const kept = await pool.session(session.sid);
  assert.equal(kept.start, String(at + 2000));
  assert.equal(kept.gone_a, String(at + 5000));
  assert.equal(kept.here_a, undefined);
});

test('going before coming, and never both there: not live', async () => {
  const session = await pool.pair('a', 'b');
  await pool.age(session, 20000);
  const at = await pool.now() - 10000;
  await pool.participant(session, 'b', 'joined', 'PA_b', at + 6000);
  await pool.participant(session, 'a', 'left', 'PA_a', at + 5000);
  assert.equal(
    await pool.participant(session, 'a', 'joined', 'PA_a', at), 'noted');
  assert.equal((await pool.view('a')).state, 'matched');
});

test('left of the evicted participant does not count', async () => {
  const session = await pool.live('a', 'b', 5000);
  const at = await pool.now();
  await pool.participant(session, 'a', 'joined', 'PA_a2', at - 1000);
  await pool.participant(session, 'a', 'left', 'PA_a', at - 900);
  const kept = await pool.session(session.sid);
  assert.equal(kept.gone_a, undefined);
  assert.equal(kept.psid_a, 'PA_a2');
});

test('a late word of an older participant does not replace the newer',
  async () => {
    const session = await pool.live('a', 'b', 5000);
    const at = await pool.now();
    await pool.participant(session, 'a', 'joined', 'PA_a2', at - 1000);
    assert.equal(await pool.participant(
      session, 'a', 'joined', 'PA_a1', at - 3000), 'ignored');
    await pool.participant(session, 'a', 'left', 'PA_a1', at - 900);
    assert.equal((await pool.session(session.sid)).psid_a, 'PA_a2');
    assert.equal((await pool.session(session.sid)).gone_a, undefined);
  });

test('a participant is not told apart by words only: no session', async () => {
  const stranger = { sid: 'a'.repeat(26), a: 'a', b: 'b' };
  assert.equal(
    await pool.participant(stranger, 'a', 'joined', 'PA', 1), 'ended');
  assert.equal(await pool.look(stranger), 'ended');
  assert.equal(await pool.failSession(stranger, 1), 'ended');
  assert.deepEqual(await pool.session(stranger.sid), {});
});

test('two joined at the same time: there until both have left', async () => {
  for (const [first, last] of [['PA_1', 'PA_2'], ['PA_2', 'PA_1']]) {
    const session = await pool.live('a', 'b', 5000);
    const at = await pool.now() - 1000;
    const word = (what, psid, ms) =>
      pool.participant(session, 'a', what, psid, ms);
    await word('joined', 'PA_1', at);
    await word('joined', 'PA_2', at);
    assert.equal(await word('joined', 'PA_1', at), 'ignored');
    await word('left', first, at + 100);
    assert.equal((await pool.session(session.sid)).psid_a, last);
    assert.equal((await pool.session(session.sid)).gone_a, undefined);
    await word('left', last, at + 200);
    assert.equal((await pool.session(session.sid)).gone_a, String(at + 200));
    await pool.leave('a');
    await client.del(pool.key('met', 'a'), pool.key('met', 'b'));
  }
});

test('... but one who comes later takes the place of both', async () => {
  const session = await pool.live('a', 'b', 5000);
  const at = await pool.now() - 1000;
  for (const [psid, ms] of [['PA_1', at], ['PA_2', at], ['PA_3', at + 1]]) {
    await pool.participant(session, 'a', 'joined', psid, ms);
  }
  await pool.participant(session, 'a', 'left', 'PA_3', at + 2);
  assert.equal((await pool.session(session.sid)).gone_a, String(at + 2));
});

test('departures remembered are bounded', async () => {
  const session = await pool.live('a', 'b', 5000);
  for (let i = 0; i < 100; i++) {
    await pool.participant(session, 'a', 'left', `PA_x${i}`, 1);
  }
  const kept = Object.keys(await pool.session(session.sid))
    .filter((name) => name.startsWith('left:'));
  assert.equal(kept.length, 32);
});

test('a reload within the grace is no end', async () => {
  const session = await pool.live('a', 'b', 20000);
  const at = await pool.now();
  await pool.participant(session, 'a', 'left', 'PA_a', at - 14000);
  assert.equal(await pool.look(session), 'early');
  await pool.participant(session, 'a', 'joined', 'PA_a2', at - 1000);
  assert.equal(await pool.look(session), 'early');
  assert.equal((await pool.view('a')).state, 'live');
  assert.equal((await pool.session(session.sid)).gone_a, undefined);
});

test('absent for the grace: over when they went, to the second', async () => {
  const session = await pool.live('a', 'b', 200000);
  const { start } = await pool.session(session.sid);
  const gone = Number(start) + 121000;
  await pool.participant(session, 'b', 'left', 'PA_b', gone);
  assert.equal(await pool.look(session), 'left');
  assert.deepEqual(await lastOf('a'), ['idle', 'peer_left', '121', '3', '12']);
  assert.deepEqual(await lastOf('b'), ['idle', 'left', '121', '3', '12']);
  await assertOver(session);
});

test('both absent: over when the first went', async () => {
  const session = await pool.live('a', 'b', 200000);
  const start = Number((await pool.session(session.sid)).start);
  await pool.participant(session, 'b', 'left', 'PA_b', start + 60000);
  await pool.participant(session, 'a', 'left', 'PA_a', start + 62000);
  await pool.look(session);
  assert.deepEqual(await lastOf('b'), ['idle', 'left', '60', '1', '14']);
  assert.deepEqual(await lastOf('a'), ['idle', 'peer_left', '60', '1', '14']);
});

test('the deadline: time_up for both, all that was reserved', async () => {
  pool.sessionMaxS = 120;
  const session = await pool.live('a', 'b', 119000);
  assert.equal(await pool.look(session), 'early');
  await pool.age(session, 2000);
  assert.equal(await pool.look(session), 'time_up');
  assert.deepEqual(await lastOf('a'), ['idle', 'time_up', '120', '2', '13']);
  assert.deepEqual(await lastOf('b'), ['idle', 'time_up', '120', '2', '13']);
  await assertOver(session);
});

test('the longest session is kept to, also within a minute', async () => {
  pool.sessionMaxS = 90;
  const session = await pool.live('a', 'b', 89000);
  assert.equal(session.reserved, 2);
  assert.equal(await pool.look(session), 'early');
  await pool.age(session, 2000);
  assert.equal(await pool.look(session), 'time_up');
  assert.deepEqual(await lastOf('a'), ['idle', 'time_up', '90', '2', '13']);
});

test('a worker that was late charges no more than was reserved', async () => {
  pool.sessionMaxS = 120;
  const session = await pool.live('a', 'b', 3600000);
  assert.equal(await pool.look(session), 'time_up');
  assert.deepEqual(await lastOf('a'), ['idle', 'time_up', '120', '2', '13']);
});

test('gone shortly before the deadline: the deadline ends it', async () => {
  pool.sessionMaxS = 60;
  const session = await pool.live('a', 'b', 61000);
  const { ends } = await pool.session(session.sid);
  await pool.participant(session, 'a', 'left', 'PA_a', Number(ends) - 5000);
  assert.equal(await pool.look(session), 'time_up');
  assert.equal((await lastOf('a'))[1], 'time_up');
});

test('leave ends a live session for both, charged by the minute begun',
  async () => {
    const session = await pool.live('a', 'b', 61000);
    const left = await pool.leave('b');
    assert.equal(left.status, 'ok');
    assert.equal(left.state, 'idle');
    const [state, reason, duration, points] = await lastOf('a');
    assert.deepEqual([state, reason, points], ['idle', 'peer_left', '2']);
    assert.ok(Number(duration) >= 60 && Number(duration) <= 63, duration);
    assert.equal((await lastOf('b'))[1], 'left');
    await assertOver(session);
  });

test('leave while matched: nobody is charged, the window closes', async () => {
  const session = await pool.pair('a', 'b');
  await pool.leave('a');
  assert.deepEqual(await lastOf('a'), ['idle', 'left', '0', '0', '15']);
  assert.deepEqual(await lastOf('b'), ['idle', 'peer_left', '0', '0', '15']);
  assert.equal((await pool.user('a')).window_end, undefined);
  assert.equal((await pool.view('a')).last_session, '');
  assert.deepEqual(await ended(), []);
  await assertOver(session);
});

test('leave naming another session is answered again, and changes nothing',
  async () => {
    const session = await pool.pair('a', 'b');
    const reply = await pool.leave('a',
      { sid: 'a'.repeat(26), a: 'a', b: 'x' });
    assert.equal(reply.status, 'again');
    assert.equal(reply.sid, session.sid);
    assert.equal((await pool.view('a')).state, 'matched');
  });

test('leave after the other was absent for the grace: the other left',
  async () => {
    const session = await pool.live('a', 'b', 100000);
    const start = Number((await pool.session(session.sid)).start);
    await pool.participant(session, 'b', 'left', 'PA_b', start + 30000);
    await pool.leave('a');
    assert.deepEqual(await lastOf('b'), ['idle', 'left', '30', '1', '14']);
    assert.deepEqual(await lastOf('a'),
      ['idle', 'peer_left', '30', '1', '14']);
  });

test('leave after the deadline that no worker saw: time_up', async () => {
  pool.sessionMaxS = 60;
  await pool.live('a', 'b', 90000);
  await pool.leave('a');
  assert.deepEqual(await lastOf('a'), ['idle', 'time_up', '60', '1', '14']);
});

test('no-show of both: idle, told so, nothing charged', async () => {
  const session = await pool.pair('a', 'b');
  assert.equal(await pool.look(session), 'early');
  await pool.age(session, 31000);
  assert.equal(await pool.look(session), 'no_show');
  assert.deepEqual(await lastOf('a'), ['idle', 'no_show', '0', '0', '15']);
  assert.deepEqual(await lastOf('b'), ['idle', 'no_show', '0', '0', '15']);
  assert.deepEqual(await ended(), []);
  await assertOver(session);
});

test('no-show of one: the other back at the head with the old since',
  async () => {
    const session = await pool.pair('a', 'b');
    const kept = await pool.session(session.sid);
    await pool.join('c');
    await pool.age(session, 31000);
    await pool.participant(session, 'a', 'joined', 'PA_a', await pool.now());
    assert.equal(await pool.look(session), 'no_show');

    const a = await pool.view('a');
    assert.equal(a.state, 'waiting');
    assert.equal(a.waiting_since, kept.since_a);
    assert.equal(a.position, '1');
    assert.equal(a.points_left, '15');
    assert.equal(a.last_reason, undefined);
    assert.equal((await pool.queue())[0], (await pool.user('a')).ticket);
    assert.deepEqual(await lastOf('b'), ['idle', 'no_show', '0', '0', '15']);
    await assertOver(session);

    const [ta, tc] = await pool.claim('c9');
    assert.deepEqual(
      (await pool.commit('c9', ta, tc, 'c'.repeat(26)))[0], 'matched');
  });

test('no-show: who is in another session by now stays there', async () => {
  pool.noShowMs = 0;
  const lost = await pool.pair('ann', 'bob');
  await pool.participant(lost, 'a', 'joined', 'PA_1', await pool.now());
  await pool.client.del(pool.key('user', 'ann'));
  pool.noShowMs = 30000;
  const { sid } = await pool.pair('ann', 'cat');
  assert.equal(await pool.look(lost), 'no_show');
  const ann = await pool.user('ann');
  assert.deepEqual([ann.state, ann.sid], ['matched', sid]);
  assert.deepEqual(await pool.queue(), []);
});

test('each there without the other: no no-show within the grace', async () => {
  const session = await pool.pair('a', 'b');
  await pool.age(session, 31000);
  const at = await pool.now();
  await pool.participant(session, 'a', 'joined', 'PA_a', at - 10000);
  await pool.participant(session, 'a', 'left', 'PA_a', at - 5000);
  await pool.participant(session, 'b', 'joined', 'PA_b', at - 4000);
  assert.equal(await pool.look(session), 'early');
  await pool.participant(session, 'a', 'joined', 'PA_a2', at);
  assert.equal((await pool.view('a')).state, 'live');
});

test('the room fails: both are told, charged until then', async () => {
  const session = await pool.live('a', 'b', 130000);
  const start = Number((await pool.session(session.sid)).start);
  assert.equal(await pool.failSession(session, start + 61000), 'failed');
  assert.deepEqual(await lastOf('a'), ['idle', 'failed', '61', '2', '13']);
  assert.deepEqual(await lastOf('b'), ['idle', 'failed', '61', '2', '13']);
  assert.equal(await pool.failSession(session, start + 62000), 'ended');
});

test('the room fails: a session ends no sooner than it began', async () => {
  const session = await pool.pair('a', 'b');
  await pool.age(session, 5000);
  const start = String(await pool.now() - 2000);
  await pool.participant(session, 'a', 'joined', 'PA_a', start);
  await pool.participant(session, 'b', 'joined', 'PA_b', start);
  assert.equal(await pool.failSession(session, 1), 'failed');
  assert.equal((await pool.session(session.sid)).ended, start);
  assert.deepEqual(await lastOf('a'), ['idle', 'failed', '0', '0', '15']);
});

test('a room that is found to be gone went when LiveKit was first missed',
  async () => {
    const session = await pool.live('a', 'b', 130000);
    const start = Number((await pool.session(session.sid)).start);
    const missed = async () => (await pool.session(session.sid)).missed;
    assert.equal(await pool.miss(session, start + 10000), 1);
    assert.equal(await pool.miss(session, 0), 1);
    assert.equal(await pool.miss(session, 0), 0);
    assert.equal(await missed(), undefined);
    assert.equal(await pool.miss(session, start + 61000), 1);
    assert.equal(await pool.miss(session, start + 70000), 0);
    assert.equal(await missed(), String(start + 61000));
    assert.equal(await pool.failSession(session, start + 125000, 'found'),
      'failed');
    assert.deepEqual(await lastOf('a'), ['idle', 'failed', '61', '2', '13']);
    assert.equal(await pool.miss(session, 0), 0);
  });

test('... but LiveKit itself knows better when it went', async () => {
  const session = await pool.live('a', 'b', 130000);
  const start = Number((await pool.session(session.sid)).start);
  await pool.miss(session, start + 10000);
  assert.equal(await pool.failSession(session, start + 61000, 'told'),
    'failed');
  assert.deepEqual(await lastOf('a'), ['idle', 'failed', '61', '2', '13']);
});

test('... and it is missed between the commit and now', async () => {
  const session = await pool.live('a', 'b', 5000);
  const start = Number((await pool.session(session.sid)).start);
  await pool.miss(session, 1);
  await pool.failSession(session, start + 4000, 'found');
  assert.equal((await pool.session(session.sid)).ended, String(start));

  const late = await pool.pair('c', 'd');
  await pool.miss(late, await pool.now() + 60000);
  assert.ok(Number((await pool.session(late.sid)).missed) <= await pool.now());
  await client.set(pool.key('session', 'x'), 'no hash');
  assert.equal(await pool.miss({ sid: 'x' }, 5), 0);
});

test('the room finishes after one went: they left then', async () => {
  const session = await pool.live('a', 'b', 130000);
  const start = Number((await pool.session(session.sid)).start);
  await pool.participant(session, 'a', 'left', 'PA_a', start + 10000);
  assert.equal(await pool.failSession(session, start + 20000), 'left');
  assert.deepEqual(await lastOf('a'), ['idle', 'left', '10', '1', '14']);
});

test('an ended session ends once, and late words never revive it', async () => {
  const session = await pool.live('a', 'b', 70000);
  await pool.leave('a');
  const before = [await pool.user('a'), await pool.user('b')];
  await pool.participant(session, 'a', 'joined', 'PA_z', await pool.now());
  await pool.participant(session, 'b', 'left', 'PA_b', await pool.now());
  assert.equal(await pool.look(session), 'ended');
  assert.equal(await pool.failSession(session, 1), 'ended');
  assert.deepEqual([await pool.user('a'), await pool.user('b')], before);
  const { version, ...left } = await pool.leave('b');
  assert.ok(Number(version) > Number(before[1].version));
  assert.deepEqual([left.state, left.last_reason], ['idle', 'peer_left']);
  assert.equal((await ended()).length, 1);
});

test('a late word of an old session leaves the new one alone', async () => {
  const old = await pool.live('a', 'b', 70000);
  await pool.leave('a');
  const now = await pool.pair('a', 'b');
  await pool.participant(old, 'a', 'left', 'PA_a', await pool.now());
  await pool.failSession(old, await pool.now());
  assert.equal((await pool.view('a')).sid, now.sid);
  assert.equal((await pool.view('a')).state, 'matched');
});

test('history: one entry for the store, one for each user', async () => {
  const session = await pool.live('a', 'b', 61000);
  await pool.leave('a');
  const [entry] = await ended();
  assert.equal(entry.sessionId, session.sid);
  assert.deepEqual([entry.userA, entry.userB], ['a', 'b']);
  assert.equal(Number(entry.endTime) - Number(entry.startTime),
    Number(entry.duration));
  assert.equal(Number(entry.expiresAt), Number(entry.endTime) + 90 * 86400);

  for (const [sub, reason] of [['a', 'left'], ['b', 'peer_left']]) {
    const list = await pool.run('history', [pool.key('history', sub)], [50]);
    assert.equal(list.length, 1);
    assert.deepEqual(JSON.parse(list[0]), {
      sessionId: session.sid, startTime: Number(entry.startTime),
      endTime: Number(entry.endTime), duration: Number(entry.duration),
      pointsSpent: 2, reason,
    });
    assert.equal((await pool.view(sub)).last_session, entry.startTime);
  }
});

test('history: newest first, at most 50, expired and corrupt left out',
  async () => {
    const key = pool.key('history', 'a');
    const now = Math.floor(await pool.now() / 1000);
    await client.rpush(key, JSON.stringify({ sessionId: 'new', endTime: now }),
      'rubbish', '[]', '{"endTime":"x"}',
      JSON.stringify({ sessionId: 'old', endTime: now - 90 * 86400 }));
    const list = await pool.run('history', [key], [50]);
    assert.deepEqual(list.map((text) => JSON.parse(text).sessionId), ['new']);
    assert.equal((await pool.run('history', [key], [0])).length <= 1, true);
  });

test('points: a second session of the window spends on', async () => {
  await pool.live('a', 'b', 61000);
  await pool.leave('a');
  const session = await pool.live('a', 'b', 61000);
  assert.equal(session.reserved, 13);
  await pool.leave('a');
  assert.equal((await pool.view('a')).points_left, '11');
  assert.equal((await pool.user('a')).spent, '4');
});

test('points: a window that ends in mid-session is not charged', async () => {
  const session = await pool.live('a', 'b', 61000);
  const past = String(await pool.now() - 10);
  await client.hset(pool.key('user', 'a'), 'window_end', past);
  await client.hset(pool.key('session', session.sid), 'window_a', past);
  assert.equal((await pool.view('a')).points_left, '15');
  await pool.leave('a');
  assert.equal((await pool.view('a')).points_left, '15');
  assert.equal((await pool.view('b')).points_left, '13');
  const next = await pool.pair('a', 'c');
  assert.equal((await pool.user('a')).spent, '0');
  assert.equal(next.reserved, 15);
});

test('points: a reservation goes back only to its own window', async () => {
  const session = await pool.live('a', 'b', 61000);
  const other = String(await pool.now() + 777777);
  await client.hset(pool.key('user', 'a'), 'window_end', other, 'spent', 3);
  await pool.leave('a');
  const user = await pool.user('a');
  assert.equal(user.window_end, other);
  assert.equal(user.spent, '3');
  assert.equal(user.reserved, undefined);
  await assertOver(session);
});

test('livekit_event: appended once, as it was told', async () => {
  const keys = [pool.key('event', 'EV_1'), pool.key('livekit')];
  const args = [3600, 'joined', 'sid', 'a', 'PA_1', 123];
  assert.equal(await pool.run('livekit_event', keys, args), 1);
  assert.equal(await pool.run('livekit_event', keys, args), 0);
  const [[, flat]] = await client.xrange(pool.key('livekit'), '-', '+');
  assert.deepEqual(flat, ['event', 'joined', 'sid', 'sid', 'side', 'a',
    'psid', 'PA_1', 'at', '123']);
  assert.ok(await client.ttl(keys[0]) > 3500);
});

test('livekit_event: what could not be appended is taken again', async () => {
  const keys = [pool.key('event', 'EV_1'), pool.key('livekit')];
  const args = [3600, 'joined', 'sid', 'a', 'PA_1', 123];
  await client.del(keys[1]);
  await client.set(keys[1], 'a string');
  await assert.rejects(pool.run('livekit_event', keys, args),
    /DAMAGED livekit/);
  await client.del(keys[1]);
  assert.equal(await pool.run('livekit_event', keys, args), 1);
});

test('done: entries are acknowledged and gone', async () => {
  const stream = pool.key('ended');
  await client.xadd(stream, '*', 'x', '1');
  await client.xadd(stream, '*', 'x', '2');
  const [[, entries]] = await client.xreadgroup('GROUP', 'workers', 'w1',
    'COUNT', 10, 'STREAMS', stream, '>');
  const ids = entries.map(([id]) => id);
  assert.equal(await pool.run('done', [stream], ['workers', ...ids]), 2);
  assert.equal(await client.xlen(stream), 0);
  assert.equal((await client.xpending(stream, 'workers'))[0], 0);
  assert.equal(await pool.run('done', [stream], ['workers', ...ids]), 0);
});

test('health tells what is there', async () => {
  await pool.live('a', 'b', 1000);
  await pool.join('c');
  const flat = await pool.run('health', pool.keys('ready', 'schema', 'alive',
    'queue', 'claims', 'sessions', 'closing', 'ended', 'livekit', 'dead',
    'stats', 'dirty', 'reports', 'restoring', 'probes'));
  const counts = Object.fromEntries(
    flat.flatMap((name, i) => (i % 2 ? [] : [[name, String(flat[i + 1])]])));
  assert.deepEqual([counts.ready, counts.alive, counts.waiting,
    counts.sessions, counts.matches, counts.dirty, counts.reports,
    counts.restoring, counts.probes, counts.buried],
  ['1', '1', '1', '1', '1', '3', '0', '0', '1', '0']);
});

test('leave of one who was gone for long: it ended when they went',
  async () => {
    const session = await pool.live('a', 'b', 600000);
    const { start } = await pool.session(session.sid);
    await pool.participant(session, 'a', 'left', 'PA_a',
      Number(start) + 60000);
    await pool.leave('a');
    assert.deepEqual(await lastOf('a'), ['idle', 'left', '60', '1', '14']);
    assert.deepEqual(await lastOf('b'), ['idle', 'peer_left', '60', '1',
      '14']);
    await assertOver(session);
  });

test('the room gone after the deadline: time was up', async () => {
  const session = await pool.live('a', 'b', 901000);
  assert.equal(await pool.failSession(session, await pool.now()), 'time_up');
  assert.deepEqual(await lastOf('a'), ['idle', 'time_up', '900', '15', '0']);
  assert.deepEqual(await lastOf('b'), ['idle', 'time_up', '900', '15', '0']);
});
