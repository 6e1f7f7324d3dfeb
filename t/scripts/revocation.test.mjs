// revoke, read_revoked, and what join, leave, recall and report make of a
// sign-in that was ended.

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

const seconds = async (later = 0) =>
  Math.floor(await pool.now() / 1000) + later;

async function revoked() {
  const flat = await client.zrange(pool.key('revoked'), 0, -1);
  return flat.sort();
}

// Everything in Redis but the revocations.
async function state() {
  const keys = (await client.keys('*')).sort();
  const dumps = await Promise.all(keys.map((key) => client.dumpBuffer(key)));
  return keys.map((key, i) => [key, dumps[i].toString('hex')])
    .filter(([key]) => !key.endsWith(':revoked'));
}

test('a revocation stands with its time, and is told with all of it',
  async () => {
    const listener = server.client();
    const heard = [];
    listener.on('message', (channel, text) => heard.push([channel, text]));
    await listener.subscribe(pool.key('revoked'));
    const before = await pool.now();
    assert.deepEqual(await pool.revoke('j:one and more'), ['ok']);
    const at = Number(await client.zscore(pool.key('revoked'),
      'j:one and more'));
    assert.ok(at >= before && at <= await pool.now());
    while (heard.length === 0) {
      await new Promise((resolve) => { setTimeout(resolve, 5); });
    }
    listener.disconnect();
    assert.deepEqual(heard, [[pool.key('revoked'), `${at} j:one and more`]]);
  });

test('repeated, it stands with the later time, never with an earlier one',
  async () => {
    const ahead = await pool.now() + 60000;
    await client.zadd(pool.key('revoked'), ahead, 's:ann', 5, 's:bob');
    await pool.revoke('s:ann');
    await pool.revoke('s:bob');
    assert.equal(await client.zscore(pool.key('revoked'), 's:ann'),
      String(ahead));
    assert.ok(await client.zscore(pool.key('revoked'), 's:bob') > 5);
  });

test('what is older than the lifetime is forgotten, by who has one',
  async () => {
    const now = await pool.now();
    await client.zadd(pool.key('revoked'), now - 60000, 'j:old',
      now - 10000, 'j:young');
    await pool.revoke('j:new');
    assert.deepEqual(await revoked(), ['j:new', 'j:old', 'j:young']);
    await pool.revoke('j:new', { lifetimeMs: 30000 });
    assert.deepEqual(await revoked(), ['j:new', 'j:young']);
  });

test('a token that is revoked ends nothing more', async () => {
  const iat = await seconds();
  await pool.revoke('j:stolen');
  assert.deepEqual(
    await pool.revoke('s:ann', { by: ['ann', 'stolen', iat] }), ['revoked']);
  assert.deepEqual(
    await pool.revoke('s:ann', { by: ['ann', 'other', iat] }), ['ok']);
  assert.deepEqual(
    await pool.revoke('j:third', { by: ['ann', 'third', iat] }), ['revoked']);
  assert.deepEqual(await revoked(), ['j:other', 'j:stolen', 's:ann']);
});

test('all of a user is the token that asks, too, whatever its clock says',
  async () => {
    const ahead = await seconds(25);
    await pool.revoke('s:ann', { by: ['ann', '', ahead] });
    await pool.revoke('s:bob', { by: ['bob', 'his', ahead] });
    for (const [sub, signIn] of [['ann', ''], ['ann', 'x'], ['bob', 'his']]) {
      const reply = await pool.as(signIn, ahead).join(sub);
      assert.equal(reply.status, 'revoked');
    }
    assert.equal((await pool.as('her', ahead + 1).join('ann')).status, 'ok');
    assert.equal((await pool.as('his', ahead + 1).join('bob')).status,
      'revoked');
    assert.equal(await client.zscore(pool.key('revoked'), 's:ann'),
      String(ahead * 1000));
  });

test('pages hold all that stands there during the reading', async () => {
  const stays = Array.from({ length: 1500 }, (_, i) => `j:${i}`);
  await client.zadd(pool.key('revoked'),
    ...stays.flatMap((member, i) => [i + 1, member]));
  const seen = new Map();
  let cursor = '0';
  let pages = 0;
  do {
    const [next, ...flat] = await pool.readRevoked(cursor, 100);
    for (let i = 0; i < flat.length; i += 2) {
      seen.set(flat[i], Number(flat[i + 1]));
    }
    await client.zadd(pool.key('revoked'), 5000 + pages, `j:more-${pages}`);
    await client.zremrangebyrank(pool.key('revoked'), -1, -1);
    cursor = next;
    pages += 1;
  } while (cursor !== '0');
  assert.ok(pages > 5, `${pages} pages`);
  for (const [i, member] of stays.entries()) {
    assert.equal(seen.get(member), i + 1);
  }
});

test('no revocation at all is one empty page', async () => {
  assert.deepEqual(await pool.readRevoked(), ['0']);
});

// Each with a call that would change something.
const changes = {
  join: (as) => as.join('dan'),
  leave: (as) => as.leave('cat'),
  'leave of a session': (as) => as.leave('ann'),
  recall: (as) => as.recall('dan', 5000, 'waiting', 1000),
  report: (as, { sid }) => as.report('ann', sid),
};

for (const [name, change] of Object.entries(changes)) {
  const subOf = { join: 'dan', leave: 'cat', recall: 'dan' };
  const sub = subOf[name] ?? 'ann';
  const statusOf = (reply) => reply.status ?? reply[0];

  test(`${name}: a sign-in that was ended changes nothing`, async () => {
    const session = await pool.pair('ann', 'bob');
    await pool.join('cat');
    await pool.revoke('j:ended');
    const before = await state();
    const reply = await change(pool.as('ended', await seconds()), session);
    assert.equal(statusOf(reply), 'revoked');
    assert.deepEqual(await state(), before);
  });

  test(`${name}: a token that is older than the user's end, too`, async () => {
    const session = await pool.pair('ann', 'bob');
    await pool.join('cat');
    await pool.revoke(`s:${sub}`);
    const before = await state();
    for (const token of [['other', await seconds(-1)], ['', '0']]) {
      const reply = await change(pool.as(...token), session);
      assert.equal(statusOf(reply), 'revoked');
    }
    assert.deepEqual(await state(), before);
  });

  test(`${name}: it comes first, before the pool is looked at`, async () => {
    const session = await pool.pair('ann', 'bob');
    await pool.revoke('j:ended');
    await client.del(pool.key('ready'));
    const reply = await change(pool.as('ended', await seconds()), session);
    assert.equal(statusOf(reply), 'revoked');
  });

  test(`${name}: others go on`, async () => {
    const session = await pool.pair('ann', 'bob');
    await pool.join('cat');
    await pool.revoke('j:ended');
    await pool.revoke('s:nobody');
    await pool.revoke(`s:${sub}`);
    const token = ['other', await seconds(2)];
    const reply = await change(pool.as(...token), session);
    assert.equal(statusOf(reply), 'ok');
  });

  test(`${name}: nothing is asked where revocation is off`, async () => {
    const session = await pool.pair('ann', 'bob');
    await pool.join('cat');
    await client.set(pool.key('revoked'), 'of another type');
    assert.equal(statusOf(await change(pool, session)), 'ok');
  });

  test(`${name}: damaged revocations are an error, no pass`, async () => {
    const session = await pool.pair('ann', 'bob');
    await pool.join('cat');
    await client.set(pool.key('revoked'), 'of another type');
    const before = await state();
    await assert.rejects(async () =>
      change(pool.as('', await seconds()), session), /DAMAGED revoked/);
    assert.deepEqual(await state(), before);
  });
}
