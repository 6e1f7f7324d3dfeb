// bury, bury_session, revive, drop, and what the other scripts do with a
// session that is damaged.

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

async function letters() {
  return (await pool.dead()).map(({ kind, from, what, reason }) =>
    [kind, from, what, reason]);
}

// --- bury ---

for (const [from, kind] of [['sessions', 'session'], ['claims', 'claim'],
  ['closing', 'room'], ['probes', 'probe'], ['dirty', 'user']]) {
  test(`bury: members of ${from}`, async () => {
    await client.zadd(pool.key(from), 1, 'x', 2, '', 3, 'kept');
    assert.equal(await pool.bury(from, ['x', '', 'never there']), 2);
    assert.deepEqual(await client.zrange(pool.key(from), 0, -1), ['kept']);
    assert.deepEqual(await letters(),
      [[kind, from, 'x', 'rubbish'], [kind, from, '', 'rubbish']]);
    assert.equal(await client.hget(pool.key('stats'), 'dead'), '2');
    assert.equal(await pool.bury(from, ['x', '']), 0);
  });
}

test('bury: tickets of the queue, one by one', async () => {
  await client.rpush(pool.key('queue'), 'x', 'y', 'x');
  assert.equal(await pool.bury('queue', ['x']), 1);
  assert.deepEqual(await pool.queue(), ['y', 'x']);
  assert.deepEqual(await letters(), [['ticket', 'queue', 'x', 'rubbish']]);
});

for (const [from, kind] of [['livekit', 'event'], ['ended', 'ended'],
  ['reports', 'report']]) {
  test(`bury: entries of ${from}, which are done then`, async () => {
    const stream = pool.key(from);
    const bytes = Buffer.from([0x00, 0xff, 0x0a, 0xc3]);
    await client.xadd(stream, '*', 'a', '1', 'a', '2');
    await client.xadd(stream, '*', '', bytes);
    const kept = await client.xadd(stream, '*', 'x', 'y');
    const [[, entries]] = await client.xreadgroup('GROUP', 'workers', 'w1',
      'STREAMS', stream, '>');
    const ids = entries.map(([id]) => id);
    assert.equal(await pool.bury(from, [...ids.slice(0, 2), '1-1'],
      { group: 'workers' }), 2);
    const [one, two] = await pool.dead();
    assert.deepEqual([one.kind, one.what], [kind, ['a', '1', 'a', '2']]);
    assert.deepEqual(two.what, [Buffer.from(''), bytes]);
    assert.equal(two.encoding, 'base64');
    assert.deepEqual((await client.xrange(stream, '-', '+')).map(([id]) => id),
      [kept]);
    assert.equal((await client.xpending(stream, 'workers'))[0], 1);
  });
}

test('bury: nothing is lost when the letters cannot be kept', async () => {
  await client.zadd(pool.key('claims'), 1, 'x');
  await client.set(pool.key('dead'), 'a string');
  await assert.rejects(pool.bury('claims', ['x']), /DAMAGED dead/);
  assert.equal(await client.zcard(pool.key('claims')), 1);
});

test('bury: about ten thousand are kept', async () => {
  const many = Array.from({ length: 600 }, (_, i) => [i, `m${i}`]);
  for (let i = 0; i < 20; i++) {
    await client.zadd(pool.key('claims'), ...many.flat());
    await pool.bury('claims', many.map(([, name]) => name));
  }
  const kept = await client.xlen(pool.key('dead'));
  assert.ok(kept >= 10000 && kept < 10200, String(kept));
  assert.equal(await client.hget(pool.key('stats'), 'dead'), '12000');
});

test('drop: letters that were looked at', async () => {
  await client.zadd(pool.key('claims'), 1, 'x', 2, 'y');
  await pool.bury('claims', ['x', 'y']);
  const [one, two] = await pool.dead();
  const drop = (...ids) => pool.run('drop', [pool.key('dead')], ids);
  assert.equal(await drop(one.id, '1-1'), 1);
  assert.deepEqual((await pool.dead()).map(({ id }) => id), [two.id]);
  assert.equal(await drop(one.id), 0);
});

// --- revive ---

test('revive: a member is back where it was, due at once', async () => {
  await client.zadd(pool.key('claims'), 1, 'x');
  await pool.bury('claims', ['x']);
  const [letter] = await pool.dead();
  assert.equal(await pool.revive(letter), 'back');
  const at = await client.zscore(pool.key('claims'), 'x');
  assert.ok(at > 0 && at <= await pool.now());
  assert.deepEqual(await pool.dead(), []);
  assert.equal(await pool.revive(letter), 'gone');
});

test('revive: an entry is in its stream again, with all its bytes',
  async () => {
    const values = [Buffer.from([0xff, 0x00, 0xfe, 0x41]),
      Buffer.from([0x80]), Buffer.from('plain'), Buffer.from('')];
    const id = await client.xadd(pool.key('ended'), '*',
      'a', values[0], 'b', values[1], 'c', values[2], 'd', values[3]);
    await pool.bury('ended', [id], { group: 'workers' });
    const [letter] = await pool.dead();
    assert.equal(await pool.revive(letter), 'back');
    const [[, flat]] = await client.xrangeBuffer(pool.key('ended'), '-', '+');
    assert.deepEqual(flat.filter((_, i) => i % 2), values);
    assert.deepEqual(await pool.dead(), []);
  });

async function deadTicket(sub) {
  await pool.join(sub);
  await pool.join('other');
  await pool.claim('c1');
  const { ticket } = await pool.user(sub);
  assert.equal(await pool.fault('c1', ticket, 'corrupt', 1), 'dead');
  return (await pool.dead()).at(-1);
}

test('revive: the user of a ticket waits again, with a new one', async () => {
  const letter = await deadTicket('ann');
  assert.equal((await pool.view('ann')).state, 'idle');
  await client.del(pool.key('dirty'));
  assert.equal(await pool.revive(letter), 'back');
  const user = await pool.user('ann');
  assert.equal(user.state, 'waiting');
  assert.notEqual(user.ticket, letter.what);
  assert.deepEqual([user.join_points, user.join_window, user.join_max],
    ['15', '86400000', '900']);
  assert.equal((await pool.queue()).at(-1), user.ticket);
  assert.deepEqual(await pool.dirty(), ['ann']);
  assert.deepEqual(await pool.dead(), []);
});

test('revive: a user who cannot wait now keeps the letter', async () => {
  const letter = await deadTicket('ann');
  const refused = async () => {
    assert.equal(await pool.revive(letter), 'void');
    assert.equal((await pool.dead()).length, 1);
  };
  await pool.ban('ann', await pool.now() + 60000);
  await refused();
  await pool.ban('ann', 0);
  await client.hset(pool.key('user', 'ann'), 'spent', 15,
    'window_end', await pool.now() + 60000);
  await refused();
  await client.hdel(pool.key('user', 'ann'), 'spent', 'window_end');
  await pool.join('ann');
  await refused();
  await client.del(pool.key('user', 'ann'));
  await refused();
});

test('revive: what is no ticket is in the queue again', async () => {
  await client.rpush(pool.key('queue'), 'x');
  await pool.bury('queue', ['x']);
  assert.equal(await pool.revive((await pool.dead())[0]), 'back');
  assert.deepEqual(await pool.queue(), ['x']);
});

test('revive: other keys than the letter\'s change nothing', async () => {
  const letter = await deadTicket('ann');
  for (const wrong of [{ ...letter, from: 'claims' },
    { ...letter, what: '1.1:bob' }, { ...letter, kind: 'claim' }]) {
    assert.equal(await pool.revive(wrong), 'again');
  }
  assert.equal((await pool.dead()).length, 1);
  const id = await client.xadd(pool.key('dead'), '*', 'from', 'claims',
    'what', 'no JSON');
  assert.equal(await pool.revive({ id, from: 'claims' }), 'again');
});

// --- sessions ---

const damages = {
  'a deadline that is none': ({ sid }) =>
    client.hset(pool.key('session', sid), 'ends', 'never'),
  'no deadline': ({ sid }) => client.hdel(pool.key('session', sid), 'ends'),
  'a reservation that is none': ({ sid }) =>
    client.hset(pool.key('session', sid), 'reserved', ''),
  'a state that is none': ({ sid }) =>
    client.hset(pool.key('session', sid), 'state', 'odd'),
  'no state': ({ sid }) => client.hdel(pool.key('session', sid), 'state'),
  'a fraction': ({ sid }) =>
    client.hset(pool.key('session', sid), 'gone_a', '1.5e3'),
  'a key that is no session': async ({ sid }) => {
    await client.del(pool.key('session', sid));
    await client.set(pool.key('session', sid), 'a string');
  },
  'a user that is none': async ({ a }) => {
    await client.del(pool.key('user', a));
    await client.set(pool.key('user', a), 'a string');
  },
};

for (const [what, damage] of Object.entries(damages)) {
  test(`a session with ${what} ends as a dead letter`, async () => {
    const session = await pool.live('ann', 'bob', 70000);
    await damage(session);
    const dumped = await client.dump(pool.key('session', session.sid));

    assert.equal(await pool.look(session), 'broken');
    assert.equal(await pool.failSession(session, 1), 'broken');
    assert.equal(
      await pool.participant(session, 'a', 'left', 'PA_a', 1), 'broken');
    assert.equal(await client.dump(pool.key('session', session.sid)), dumped);
    assert.ok(Number(await client.zscore(pool.key('sessions'), session.sid))
      <= await pool.now(), 'to be looked at now');

    const whole = what.startsWith('a user') ? 1 : 2;
    assert.equal(await pool.burySession(session, 'broken'), whole);
    assert.deepEqual(await letters(),
      [['session', 'sessions', session.sid, 'broken']]);
    assert.equal(await client.exists(pool.key('sessions'),
      pool.key('probes')), 0);
    assert.notEqual(await client.zscore(pool.key('closing'),
      pool.room(session.sid)), null);
    for (const sub of ['ann', 'bob'].slice(2 - whole)) {
      const view = await pool.view(sub);
      assert.deepEqual([view.state, view.last_reason, view.points_left],
        ['idle', 'failed', '15']);
      assert.equal((await pool.user(sub)).reserved, undefined);
      assert.equal((await pool.join(sub)).state, 'waiting');
    }
    assert.deepEqual(await pool.entries('ended'), []);
  });

  test(`leave out of a session with ${what}`, async () => {
    const session = await pool.live('ann', 'bob', 70000);
    await damage(session);
    const left = await pool.leave('bob');
    assert.deepEqual([left.state, left.last_reason], ['idle', 'failed']);
    assert.equal(await pool.look(session), 'broken');
  });
}

test('leave out of a session that is lost frees both', async () => {
  const session = await pool.live('ann', 'bob', 70000);
  await client.del(pool.key('session', session.sid));
  const left = await pool.leave('ann');
  assert.deepEqual([left.state, left.last_reason], ['idle', 'failed']);
  assert.equal((await pool.view('bob')).state, 'idle');
  assert.equal(await pool.look(session), 'ended');
});

test('bury_session leaves a user alone who is in another by now', async () => {
  const old = await pool.live('ann', 'bob', 70000);
  await pool.leave('ann');
  const next = await pool.pair('ann', 'cat');
  assert.equal(await pool.burySession(old), 0);
  assert.equal((await pool.view('ann')).sid, next.sid);
});

test('bury_session keeps what was spent before', async () => {
  const end = await pool.now() + 600000;
  await client.hset(pool.key('user', 'ann'), 'spent', 4, 'window_end', end);
  const session = await pool.live('ann', 'bob', 1000);
  assert.equal(await pool.burySession(session), 2);
  assert.equal((await pool.view('ann')).points_left, '11');
  assert.equal((await pool.user('bob')).window_end, undefined);
});

test('look in a damaged pool changes nothing, and says so', async () => {
  for (const kind of ['closing', 'ended', 'dirty', 'probes', 'queue']) {
    await client.flushall();
    await pool.open();
    const session = await pool.live('ann', 'bob', 1000000);
    await client.del(pool.key(kind));
    await client.set(pool.key(kind), 'a string');
    await assert.rejects(pool.look(session),
      new RegExp(`DAMAGED ${kind} holds a string`));
    assert.equal((await pool.user('ann')).state, 'live');
    assert.equal((await pool.session(session.sid)).state, 'live');
    await client.del(pool.key(kind));
    assert.equal(await pool.look(session), 'time_up');
    assert.equal((await pool.view('bob')).last_reason, 'time_up');
  }
});

test('a damaged history of one user does not keep a session', async () => {
  await client.set(pool.key('history', 'ann'), 'a string');
  const session = await pool.live('ann', 'bob', 70000);
  await pool.leave('ann');
  assert.equal((await pool.view('ann')).last_points, '2');
  assert.equal((await pool.entries('ended'))[0].sessionId, session.sid);
  assert.equal(await client.llen(pool.key('history', 'bob')), 1);
});

test('a user who was lost is not drawn into a session again', async () => {
  const session = await pool.pair('ann', 'bob');
  await client.del(pool.key('user', 'ann'));
  const at = await pool.now();
  await pool.participant(session, 'a', 'joined', 'PA_a', at);
  assert.equal(
    await pool.participant(session, 'b', 'joined', 'PA_b', at), 'live');
  assert.deepEqual(await pool.user('ann'), {});
  assert.equal((await pool.view('bob')).state, 'live');
});
