// The stores of the torture test: what the worker wrote is read back alike
// from each, also when it was written while the store was away or moody.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';

import { freePort, sleep } from '../node/redis.mjs';
import { report, sessions, Store, user } from '../node/store.mjs';
import { newStore } from './stores.mjs';

const TABLES = ['sessions', 'users', 'blocked', 'reports'];
const KINDS = ['sqlite', 'dynamodb'];
const stores = {};

before(async () => {
  for (const kind of KINDS) {
    const dir = mkdtempSync(path.join(tmpdir(), 'convo-stores-'));
    const store = newStore(kind, { dir, port: await freePort(), seed: '1' });
    await store.start();
    const worker = new Store(store.history, store.env);
    await worker.must('init');
    stores[kind] = { store, worker, dir };
  }
});

after(async () => {
  for (const { store, worker, dir } of Object.values(stores)) {
    await worker.end();
    await store.stop();
    rmSync(dir, { recursive: true });
  }
});

// As long as it is refused it is written again, as the worker does.
async function insist(worker, what, more) {
  for (let i = 0; i < 20; i += 1) {
    if ((await worker.do(what, more)).result >= 0) {
      return;
    }
    await sleep(100);
  }
  assert.fail(`${what} is refused for ever`);
}

async function all({ store }) {
  const tables = {};
  for (const table of TABLES) {
    const rows = await store.rows(table);
    tables[table] = rows.map((row) => JSON.stringify(
      Object.fromEntries(Object.entries(row).sort()))).sort();
  }
  return tables;
}

test('rows are the same, whichever store has them', async () => {
  for (const one of Object.values(stores)) {
    await one.worker.must('write', { records: sessions(3) });
    await one.worker.must('put_reports', { records: [
      report(1, 'ann', 'bob'), report(2, 'ann', 'carl')] });
    for (const [id, version] of [['ann', 5], ['bob', 7], ['carl', 1]]) {
      await one.worker.must('put_users', { records: [user(id, version)] });
    }
  }
  const one = await all(stores.sqlite);
  assert.deepEqual(await all(stores.dynamodb), one);
  assert.deepEqual(TABLES.map((table) => one[table].length), [3, 3, 4, 2]);
});

for (const kind of KINDS) {
  test(`${kind}: its faults end, and nothing is lost`, async () => {
    const { store, worker } = stores[kind];
    const had = (await store.rows('sessions')).length;
    let next = 100;
    for (const fault of Object.keys(store.faults)) {
      let over = false;
      const going = store.inject(fault, 700).then(() => {
        over = true;
      });
      do {
        await insist(worker, 'write', { records: sessions(30, next) });
        next += 30;
      } while (!over);
      await going;
    }
    assert.equal((await store.rows('sessions')).length, had + next - 100);
  });
}

test('DynamoDB is moody when it is to be, and not otherwise', async () => {
  const { store } = stores.dynamodb;
  const count = async () => {
    store.wire.off();
    let wrong = 0;
    store.wire.on('*', async (call) => {
      const answer = await store.answer(call);
      wrong += answer?.status !== 200 || Object.values(
        answer.body.UnprocessedItems ?? {}).length > 0;
      return answer;
    });
    for (let i = 0; i < 10; i += 1) {
      await stores.dynamodb.worker.do('write',
        { records: sessions(30, 1000 + 30 * i) });
    }
    return wrong;
  };
  const going = store.inject('store-mood', 1500);
  assert.ok(await count() > 0);
  await going;
  assert.equal(await count(), 0);
});

test('there is no other store', () => {
  assert.throws(() => newStore('paper', { dir: '/' }), /no store: paper/);
});
