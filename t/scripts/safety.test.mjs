// report, ban, recall: users protected from each other, and from lost data.

import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';

import { newSid, Pool } from '../node/pool.mjs';
import { startRedis } from '../node/redis.mjs';

const DAY_MS = 86400 * 1000;
const FOREVER = 999999999999999;

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

async function everything() {
  const keys = (await client.keys('*')).sort();
  return Promise.all(keys.map(async (key) => [key, await client.dump(key)]));
}

async function changesNothing(run) {
  const before = await everything();
  const result = await run();
  assert.deepEqual(await everything(), before);
  return result;
}

// --- report ---

test('report: both are blocked, and the store is told, once', async () => {
  const { sid } = await pool.live('ann', 'bob', 5000);
  await pool.leave('ann');
  assert.deepEqual(await pool.report('bob', sid, 'rude \u20ac "x"'), ['ok']);

  assert.deepEqual(await client.smembers(pool.key('blocked', 'ann')), ['bob']);
  assert.deepEqual(await client.smembers(pool.key('blocked', 'bob')), ['ann']);
  assert.equal(await client.ttl(pool.key('blocked', 'ann')), -1);

  const [entry, ...more] = await pool.entries('reports');
  assert.equal(more.length, 0);
  const { at } = entry;
  assert.ok(Math.abs(at * 1000 - await pool.now()) < 60000);
  assert.deepEqual(entry, {
    sessionId: sid, reporter: 'bob', reported: 'ann',
    reason: 'rude \u20ac "x"', at, expiresAt: String(Number(at) + 90 * 86400),
  });
  const session = await pool.session(sid);
  assert.ok(session.reported_b !== undefined && !session.reported_a);
  assert.deepEqual(
    await changesNothing(() => pool.report('bob', sid)), ['repeated']);
});

test('report: also while matched and live, and by each of the two',
  async () => {
    const { sid } = await pool.pair('ann', 'bob');
    assert.deepEqual(await pool.report('ann', sid), ['ok']);
    assert.deepEqual(await pool.report('bob', sid), ['ok']);
    assert.deepEqual((await pool.entries('reports'))
      .map(({ reporter, reported }) => [reporter, reported]),
    [['ann', 'bob'], ['bob', 'ann']]);
    assert.equal((await pool.view('ann')).state, 'matched');
  });

test('report: a session of others, of nobody, or long over is not found',
  async () => {
    const { sid } = await pool.live('ann', 'bob', 5000);
    const refused = (sub, id) =>
      changesNothing(() => pool.report(sub, id));
    for (const [sub, id] of [['eve', sid], ['', sid], ['ann', newSid()],
      ['a', sid]]) {
      assert.deepEqual(await refused(sub, id), ['not_found']);
    }
    await pool.leave('ann');
    const key = pool.key('session', sid);
    await client.hset(key, 'ended', await pool.now() - DAY_MS - 1);
    assert.deepEqual(await refused('ann', sid), ['not_found']);
    await client.hset(key, 'ended', await pool.now() - DAY_MS + 60000);
    assert.deepEqual(await pool.report('ann', sid), ['ok']);
  });

test('report: keys that are not those of the session change nothing',
  async () => {
    const { sid } = await pool.pair('ann', 'bob');
    for (const named of [['ann', 'eve'], ['bob', 'ann'], ['', 'bob']]) {
      assert.deepEqual(
        await changesNothing(() => pool.report('ann', sid, 'x', named)
          .catch((error) => error.message)),
        ['again', 'ann', 'bob']);
    }
  });

test('report: a damaged key is not half written', async () => {
  const { sid } = await pool.pair('ann', 'bob');
  await client.set(pool.key('reports2'), 'x');
  await client.del(pool.key('reports'));
  await client.set(pool.key('reports'), 'a string');
  await changesNothing(() => assert.rejects(pool.report('ann', sid),
    /DAMAGED reports/));
  await client.set(pool.key('session', 'x'.repeat(26)), 'a string');
  await changesNothing(() => assert.rejects(
    pool.report('ann', 'x'.repeat(26)), /DAMAGED session/));
});

test('report in mid-queue: a claimed pair is not committed', async () => {
  const { sid } = await pool.live('ann', 'bob', 5000);
  await pool.leave('ann');
  await pool.join('ann');
  await pool.join('bob');
  const tickets = await pool.claim('c1');
  await pool.report('ann', sid);
  assert.deepEqual(
    await pool.commit('c1', ...tickets, newSid()), ['blocked']);
});

// --- ban ---

test('ban: an idle or unknown user joins no more until then', async () => {
  const until = await pool.now() + 60000;
  assert.deepEqual(await pool.ban('ann', until), ['ok']);
  const view = await pool.join('ann');
  assert.deepEqual([view.status, view.banned_until],
    ['banned', String(until)]);
  assert.deepEqual(await pool.dirty(), ['ann']);
  const { version } = await pool.view('ann');
  assert.deepEqual(
    await changesNothing(() => pool.ban('ann', until)), ['ok']);

  assert.deepEqual(await pool.ban('ann', 0), ['ok']);
  assert.ok(Number((await pool.view('ann')).version) > Number(version));
  assert.equal((await pool.user('ann')).banned_until, undefined);
  assert.deepEqual(await changesNothing(() => pool.ban('ann', 0)), ['ok']);
  assert.equal((await pool.join('ann')).state, 'waiting');
});

test('ban: for good outlives the 90 days', async () => {
  await pool.ban('ann', FOREVER);
  assert.equal((await pool.user('ann')).banned_until, String(FOREVER));
  assert.ok(await client.ttl(pool.key('user', 'ann')) > 1000 * 365 * 86400);
  assert.equal((await pool.join('ann')).banned_until, String(FOREVER));
});

test('ban of a waiting user: out of the queue, told failed', async () => {
  const joined = await pool.join('ann');
  await pool.join('bob');
  const tickets = await pool.claim('c1');
  assert.deepEqual(await pool.ban('ann', FOREVER), ['ok']);
  const view = await pool.view('ann');
  assert.equal(view.state, 'idle');
  assert.equal(view.last_reason, 'failed');
  assert.ok(Number(view.version) > Number(joined.version));
  assert.deepEqual(await pool.commit('c1', ...tickets, newSid()), ['void']);
  assert.deepEqual(await pool.queue(), [tickets[1]]);
});

for (const [what, make] of [['matched', (a, b) => pool.pair(a, b)],
  ['live', (a, b) => pool.live(a, b, 61000)]]) {
  test(`ban of a ${what} user: over for both, as if they had left`,
    async () => {
      const { sid } = await make('bob', 'ann');
      assert.deepEqual(await pool.ban('ann', FOREVER), ['ok']);
      const [ann, bob] = [await pool.view('ann'), await pool.view('bob')];
      assert.deepEqual([ann.state, bob.state], ['idle', 'idle']);
      assert.deepEqual([ann.last_reason, bob.last_reason],
        ['left', 'peer_left']);
      assert.equal(ann.last_points, what === 'live' ? '2' : '0');
      assert.equal((await pool.session(sid)).state, 'ended');
      assert.equal((await pool.entries('ended')).length,
        what === 'live' ? 1 : 0);
      assert.equal((await pool.join('ann')).status, 'banned');
      assert.equal((await pool.join('bob')).state, 'waiting');
    });
}

test('ban naming another session is answered again', async () => {
  const session = await pool.pair('ann', 'bob');
  const named = { sid: newSid(), a: 'ann', b: 'eve' };
  assert.deepEqual(
    await changesNothing(() => pool.ban('ann', FOREVER, named)),
    ['again', session.sid, 'a', 'bob']);
});

test('ban waits until the pool is restored', async () => {
  await client.del(pool.key('ready'));
  assert.deepEqual(
    await changesNothing(() => pool.ban('ann', FOREVER)), ['restoring']);
});

// --- recall ---

test('recall: who was told waiting waits again, with the old since',
  async () => {
    const told = await pool.join('ann');
    await pool.join('bob');
    await client.del(pool.key('user', 'ann'), pool.key('queue'),
      pool.key('order'), pool.key('dirty'));
    const since = Number(told.waiting_since) - 5000;
    const ahead = Number(told.version) + 100000;
    const view = await pool.recall('ann', ahead, 'waiting', since);
    assert.equal(view.status, 'ok');
    assert.equal(view.state, 'waiting');
    assert.equal(view.waiting_since, String(since));
    assert.equal(view.version, String(ahead + 1));
    assert.deepEqual(await pool.queue(), [(await pool.user('ann')).ticket]);
    assert.deepEqual(await pool.dirty(), ['ann']);
    assert.equal((await pool.user('ann')).join_points, '15');

    const again = await changesNothing(
      () => pool.recall('ann', ahead, 'waiting', since));
    assert.equal(again.state, 'waiting');
  });

test('recall: from many edges at once makes one ticket', async () => {
  const views = await Promise.all([1, 2, 3].map(
    () => pool.recall('ann', 5, 'waiting', 1)));
  assert.equal(new Set(views.map(({ version }) => version)).size, 1);
  assert.equal((await pool.queue()).length, 1);
});

test('recall: a since that is yet to come is now', async () => {
  const view = await pool.recall('ann', 5, 'waiting', FOREVER);
  assert.ok(Number(view.waiting_since) <= await pool.now());
});

test('recall of what Redis knows changes nothing', async () => {
  const { version } = await pool.join('ann');
  for (const [told, state] of [[version, 'waiting'], [version - 1, 'idle'],
    [1, 'live'], [0, 'waiting']]) {
    const view = await changesNothing(
      () => pool.recall('ann', told, state, 1));
    assert.equal(view.state, 'waiting');
  }
});

test('recall: of whatever else was told the version rises above', async () => {
  for (const state of ['idle', 'matched', 'live']) {
    const told = await pool.now() + 50000;
    const sub = `told-${state}`;
    const view = await pool.recall(sub, told, state);
    assert.equal(view.state, 'idle');
    assert.equal(view.version, String(told + 1));
    assert.ok((await pool.dirty()).includes(sub));
  }
  assert.deepEqual(await pool.queue(), []);
});

test('recall: told waiting, but in a session by now: only the version',
  async () => {
    const { sid } = await pool.pair('ann', 'bob');
    const told = await pool.now() + 50000;
    const view = await pool.recall('ann', told, 'waiting', 1);
    assert.deepEqual([view.state, view.sid, view.version],
      ['matched', sid, String(told + 1)]);
  });

test('recall: the same version with another state is lost data', async () => {
  await pool.restoreUser('ann', { version: 77 });
  const view = await pool.recall('ann', 77, 'waiting', 1000);
  assert.equal(view.state, 'waiting');
  assert.ok(Number(view.version) > 77);
});

test('recall: whom the store has put to idle waits again, once', async () => {
  for (const [told, state, waits] of [[77, 'waiting', true],
    [90, 'waiting', true], [76, 'waiting', false], [77, 'matched', false]]) {
    const sub = `told-${state}-${told}`;
    await pool.restoreUser(sub, { version: 77, points: 15, state: 'live' });
    const view = await pool.recall(sub, told, state, 1000);
    assert.equal(view.state, waits ? 'waiting' : 'idle', sub);
    assert.ok(Number(view.version) >= told);
    if (waits) {
      assert.equal(view.waiting_since, '1000');
      const { order } = await pool.user(sub);
      await pool.recall(sub, told, state, 1000);
      assert.equal((await pool.user(sub)).order, order, 'one ticket');
      await pool.leave(sub);
      assert.equal((await pool.recall(sub, told, state, 1)).state, 'idle');
    } else {
      assert.equal(view.last_reason, 'failed');
    }
  }
});

test('recall: who has left since Redis lost their wait stays out', async () => {
  await pool.join('ann');
  await pool.leave('ann');
  const older = await client.dumpBuffer(pool.key('user', 'ann'));
  const told = await pool.join('ann');
  await client.restore(pool.key('user', 'ann'), 0, older, 'REPLACE');
  await client.del(pool.key('queue'));
  while (await pool.now() <= Number(told.version));
  await pool.leave('ann');
  const view = await pool.recall('ann', Number(told.version), 'waiting', 1);
  assert.equal(view.state, 'idle');
  assert.deepEqual(await pool.queue(), []);
});

test('recall: who has left since the store put them to idle stays out',
  async () => {
    await pool.restoreUser('ann', { version: 77, points: 15, state: 'live' });
    await pool.leave('ann');
    const view = await pool.recall('ann', 90, 'waiting', 1);
    assert.equal(view.state, 'idle');
    assert.deepEqual(await pool.queue(), []);
  });

test('recall: who cannot wait is told failed', async () => {
  const soon = Number(await pool.now()) + 60000;
  await pool.ban('ann', soon);
  await client.hset(pool.key('user', 'bob'), 'spent', 15, 'window_end', soon);
  for (const sub of ['ann', 'bob']) {
    const view = await pool.recall(sub, soon, 'waiting', 1);
    assert.deepEqual([view.state, view.last_reason, view.version],
      ['idle', 'failed', String(soon + 1)]);
  }
  assert.deepEqual(await pool.queue(), []);
});

test('recall in a pool that is not served asks to come again', async () => {
  await client.del(pool.key('ready'));
  assert.deepEqual(
    await changesNothing(() => pool.recall('ann', 5, 'waiting', 1)),
    { status: 'restoring' });
});
