// What the worker does when it is killed, when LiveKit or Redis go, and when
// LiveKit answers rubbish: nobody who waits is lost, no room stays behind, and
// no ticket is blamed for what is not its fault.

import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';

import { sleep, startStage, until } from '../node/worker.mjs';

let stage;
let pool;

before(async () => {
  stage = await startStage('--appendonly', 'yes', '--appendfsync', 'always');
  pool = stage.pool;
});

afterEach(() => stage?.clear());
after(() => stage?.stop());

async function matched(...subs) {
  const users = await Promise.all(subs.map((sub) => stage.state(sub,
    'matched', 20000)));
  return users[0].sid;
}

// The rooms that LiveKit has are those of these sessions, and no more.
async function assertRooms(...sids) {
  const names = sids.map((sid) => pool.room(sid)).sort();
  await until(async () => (await stage.livekit.roomNames()).join()
    === names.join(), `rooms are ${names}`, 20000);
  await until(async () => await pool.client.zcard(pool.key('closing')) === 0,
    'no room is left to delete', 20000);
}

// A call that never comes back; resolves when it was made.
function hold(method, { afterwards = false } = {}) {
  return new Promise((resolve) => {
    stage.proxy.on(method, async ({ forward }) => {
      if (afterwards) {
        await forward();
      }
      resolve();
    });
  });
}

test('kill -9 between claim and commit: the tickets come back', async () => {
  const held = hold('CreateRoom');
  await stage.join('ann', 'bob');
  const worker = await stage.worker();
  await held;
  assert.equal(await worker.end('SIGKILL'), 'SIGKILL');
  assert.deepEqual(await stage.states('ann', 'bob'), ['waiting', 'waiting']);
  assert.deepEqual(await pool.queue(), []);

  // another worker gives them back, in their order
  stage.proxy.off();
  const second = await stage.worker();
  await second.logged(/claim \S+ is over: 2 tickets are back/);
  const sid = await matched('ann', 'bob');
  assert.equal((await pool.session(sid)).a, 'ann');
  await assertRooms(sid);
});

test('kill -9 between room and commit: the room is deleted', async () => {
  const held = hold('CreateRoom', { afterwards: true });
  const worker = await stage.worker();
  await stage.join('ann', 'bob');
  await held;
  assert.equal(await worker.end('SIGKILL'), 'SIGKILL');
  const [orphan] = await stage.livekit.roomNames();
  assert.match(orphan, /^default\./);
  assert.deepEqual(await stage.states('ann', 'bob'), ['waiting', 'waiting']);

  stage.proxy.off();
  await stage.worker();
  const sid = await matched('ann', 'bob');
  assert.notEqual(pool.room(sid), orphan);
  await assertRooms(sid);
});

test('kill -9 right after the commit: the match stands', async () => {
  const worker = await stage.worker();
  await stage.join('ann', 'bob');
  const sid = await matched('ann', 'bob');
  await worker.end('SIGKILL');
  await stage.worker();
  await sleep(500);
  assert.equal((await pool.user('ann')).sid, sid);
  await assertRooms(sid);
});

test('LiveKit down: users stay waiting, then are matched', async () => {
  await stage.proxy.down();
  const worker = await stage.worker();
  await stage.join('ann', 'bob');
  await worker.logged(/LiveKit creates no rooms .*not claiming/);
  await sleep(2000);
  assert.deepEqual(await stage.states('ann', 'bob'), ['waiting', 'waiting']);
  assert.equal((await pool.user('ann')).tries, '0');
  assert.equal((await pool.queue()).length, 2);

  await stage.proxy.listen();
  await matched('ann', 'bob');
  assert.match(worker.log, /LiveKit answers: claiming again/);
});

test('while LiveKit is down it is asked ever less often', async () => {
  const refuse = ({ response }) => response.writeHead(503).end('down');
  ['CreateRoom', 'ListRooms', 'DeleteRoom'].forEach(
    (method) => stage.proxy.on(method, refuse));
  await stage.worker();
  await stage.join('ann', 'bob');
  await until(() => stage.proxy.count('CreateRoom') === 1, 'a try');
  stage.proxy.calls = [];
  await sleep(5000);
  assert.equal(stage.proxy.count('CreateRoom'), 0);
  assert.ok(stage.proxy.count('ListRooms') >= 2);
  assert.ok(stage.proxy.count('ListRooms') <= 8);
});

test('rooms are not made though LiveKit answers: it is tried ever less often',
  async () => {
    stage.proxy.on('CreateRoom', ({ response }) => response.writeHead(503)
      .end('no node'));
    const worker = await stage.worker();
    await stage.join('ann', 'bob');
    await worker.logged(/LiveKit answers: claiming again/);
    stage.proxy.calls = [];
    await sleep(5000);
    const tries = stage.proxy.count('CreateRoom');
    assert.ok(tries >= 1 && tries <= 6, `${tries} tries`);
    assert.equal((await pool.user('ann')).tries, '0');

    stage.proxy.off();
    await assertRooms(await matched('ann', 'bob'));
  });

test('LiveKit is slow, and in time: they are matched at once', async () => {
  stage.proxy.on('CreateRoom', async ({ forward, response }) => {
    const { text } = await forward();
    await sleep(600);
    response.writeHead(200).end(text);
  });
  const worker = await stage.worker({ lease: '10s', livekit: 'url='
    + `http://127.0.0.1:${stage.proxy.port} key=testkey `
    + 'secret_file=secret timeout=5s' });
  await stage.join('ann', 'bob');
  await assertRooms(await matched('ann', 'bob'));
  assert.equal(stage.proxy.count('CreateRoom'), 1);
  assert.doesNotMatch(worker.log, /LiveKit creates no rooms/);
});

test('LiveKit makes a room too late: it goes, they are in another', async () => {
  let late;
  stage.proxy.on('CreateRoom', async ({ body, forward, response }) => {
    if (late === undefined) {
      late = body.name;
      await sleep(1500);
    }
    response.writeHead(200).end((await forward()).text);
  });
  await stage.worker();
  await stage.join('ann', 'bob');
  const sid = await matched('ann', 'bob');
  assert.notEqual(pool.room(sid), late);
  await until(async () => (await stage.livekit.roomNames()).includes(late),
    'it is made');
  await assertRooms(sid);
});

const answers = {
  'status 500': ({ response }) => response.writeHead(500).end('oops'),
  'status 401': ({ response }) => response.writeHead(401).end('no'),
  'status 404': ({ response }) => response.writeHead(404).end('{}'),
  'status 429': ({ response }) => response.writeHead(429).end('{}'),
  'a redirect': ({ response }) => response
    .writeHead(302, { Location: '/twirp/elsewhere' }).end(),
  'no body': ({ response }) => response.writeHead(200).end(),
  'no JSON': ({ response }) => response.writeHead(200).end('<html>'),
  'an array': ({ response }) => response.writeHead(200).end('[]'),
  'another room': ({ response }) => response.writeHead(200)
    .end('{"name":"default.other"}'),
  'a name that is none': ({ response }) => response.writeHead(200)
    .end('{"name":{"name":1}}'),
  'deep JSON': ({ response }) => response.writeHead(200)
    .end('[{"a":'.repeat(20000)),
  'a huge body': ({ response }) => response.writeHead(200)
    .end(`{"name":"${'x'.repeat(2000000)}"}`),
  'half a body': ({ response }) => {
    response.writeHead(200, { 'Content-Length': '100' }).write('{"na');
    setTimeout(() => response.destroy(), 50);
  },
  'a cut connection': ({ request }) => request.socket.destroy(),
  'no answer at all': () => {},
  'one byte now and then': ({ response }) => {
    response.writeHead(200);
    const timer = setInterval(() => response.write(' '), 100);
    response.on('close', () => clearInterval(timer));
  },
};

for (const [what, answer] of Object.entries(answers)) {
  test(`LiveKit answers ${what}: nobody is blamed`, async () => {
    stage.proxy.on('CreateRoom', answer);
    const worker = await stage.worker();
    await stage.join('ann', 'bob');
    await worker.logged(/LiveKit creates no rooms/);
    await until(async () => (await pool.queue()).length === 2,
      'both are back');
    const [ann, bob] = [await pool.user('ann'), await pool.user('bob')];
    assert.deepEqual([ann.state, ann.tries, bob.state, bob.tries],
      ['waiting', '0', 'waiting', '0']);

    stage.proxy.off();
    await matched('ann', 'bob');
    assert.equal(await worker.end(), 0);
  });
}

test('a room that LiveKit refuses is a fault of its tickets', async () => {
  const names = [];
  stage.proxy.on('CreateRoom', async ({ body, forward, response }) => {
    names.push(body.name);
    if (names.length === 1) {
      response.writeHead(400).end('{"code":"invalid_argument"}');
      return;
    }
    response.writeHead(200).end((await forward()).text);
  });
  await stage.join('ann', 'bob', 'cat', 'dan');
  await stage.worker();
  await matched('ann', 'bob', 'cat', 'dan');
  const stats = await pool.client.hget(pool.key('stats'), 'matches');
  assert.equal(stats, '2');
  assert.equal(names.length, 3);
});

test('... and after so many tries they are told failed', async () => {
  let refused;
  stage.proxy.on('CreateRoom', async ({ body, forward, response }) => {
    refused ??= body.name;
    if (body.name === refused) {
      response.writeHead(400).end('{"code":"invalid_argument"}');
      return;
    }
    response.writeHead(200).end((await forward()).text);
  });
  await stage.join('ann', 'bob', 'cat', 'dan');
  await stage.worker({ ticket_tries: '1' });
  const subs = ['ann', 'bob', 'cat', 'dan'];
  await until(async () => (await stage.states(...subs))
    .every((state) => state !== 'waiting'), 'all are decided');
  const users = await Promise.all(subs.map((sub) => pool.user(sub)));
  assert.deepEqual(users.map((user) => user.state).sort(),
    ['idle', 'idle', 'matched', 'matched']);
  assert.deepEqual(users.filter((user) => user.state === 'idle')
    .map((user) => user.last_reason), ['failed', 'failed']);
});

test('who leaves during the claim is not matched', async () => {
  let go;
  const going = new Promise((resolve) => {
    go = resolve;
  });
  stage.proxy.on('CreateRoom', async ({ forward, response }) => {
    const answer = await forward();
    await going;
    response.writeHead(200).end(answer.text);
  });
  await stage.join('ann', 'bob');
  const [, ticket] = await pool.queue();
  await stage.worker();
  await until(() => stage.proxy.count('CreateRoom') === 1, 'a room is made');
  await pool.leave('ann');
  go();
  await until(async () => (await pool.queue()).join() === ticket,
    'the innocent ticket is back');
  assert.deepEqual(await stage.states('ann', 'bob'), ['idle', 'waiting']);
  await assertRooms();

  await stage.join('cat');
  await assertRooms(await matched('bob', 'cat'));
});

test('SIGTERM: the batch in hand is finished', async () => {
  stage.proxy.on('CreateRoom', async ({ forward, response }) => {
    const answer = await forward();
    await sleep(500);
    response.writeHead(200).end(answer.text);
  });
  const worker = await stage.worker();
  await stage.join('ann', 'bob');
  await until(() => stage.proxy.count('CreateRoom') === 1, 'a room is made');
  assert.equal(await worker.end('SIGTERM'), 0);
  assert.match(worker.log, /has stopped\n$/);
  await assert.doesNotReject(matched('ann', 'bob'));
  assert.equal(await pool.client.zcard(pool.key('claims')), 0);
});

test('SIGTERM: what cannot be finished is given back', async () => {
  const held = hold('CreateRoom');
  await stage.join('ann', 'bob');
  const before = await pool.queue();
  const worker = await stage.worker();
  await held;
  const started = Date.now();
  assert.equal(await worker.end('SIGTERM'), 0);
  assert.ok(Date.now() - started < 3000);
  assert.deepEqual(await stage.states('ann', 'bob'), ['waiting', 'waiting']);
  assert.deepEqual(await pool.queue(), before);
});

test('a second SIGTERM ends it at once', async () => {
  hold('CreateRoom');
  const worker = await stage.worker({
    livekit: `url=http://127.0.0.1:${stage.proxy.port} key=k `
      + 'secret_file=secret timeout=20s',
    lease: '60s',
  });
  await stage.join('ann', 'bob');
  await until(() => stage.proxy.count('CreateRoom') === 1, 'it is busy');
  worker.child.kill('SIGTERM');
  await sleep(300);
  assert.equal(worker.child.exitCode, null);
  const started = Date.now();
  assert.equal(await worker.end('SIGINT'), 1);
  assert.ok(Date.now() - started < 1000);
});

test('an idle worker stops within a second', async () => {
  const worker = await stage.worker();
  await sleep(200);
  const started = Date.now();
  assert.equal(await worker.end('SIGINT'), 0);
  assert.ok(Date.now() - started < 1500);
});

test('Redis killed while users wait: they are matched after it', async () => {
  await stage.join('ann');
  const worker = await stage.worker();
  await stage.redis.kill();
  await worker.logged(/convo redis: match: /);
  await sleep(500);
  await stage.redis.start();
  await worker.logged(/convo redis: match: served again/);
  await stage.join('bob');
  await assertRooms(await matched('ann', 'bob'));
  assert.equal(await worker.end(), 0);
});

test('Redis killed before the commit: nobody is lost', async () => {
  let killed = false;
  stage.proxy.on('CreateRoom', async ({ forward, response }) => {
    const answer = await forward();
    if (!killed) {
      killed = true;
      await stage.redis.kill();
    }
    response.writeHead(200).end(answer.text);
  });
  const worker = await stage.worker();
  await stage.join('ann', 'bob');
  await until(() => killed, 'Redis is killed');
  await worker.logged(/convo redis: match: /);
  await stage.redis.start();
  await assertRooms(await matched('ann', 'bob'));
  assert.equal(await pool.client.zcard(pool.key('claims')), 0);
});

test('Redis stops answering: the worker waits for it', async () => {
  const worker = await stage.worker();
  stage.redis.process.kill('SIGSTOP');
  await worker.logged(/convo redis: \w+: no answer in time/);
  stage.redis.process.kill('SIGCONT');
  await worker.logged(/served again/);
  await stage.join('ann', 'bob');
  await matched('ann', 'bob');
});

test('Redis forgets the scripts: they are sent again', async () => {
  await stage.worker();
  await stage.join('ann', 'bob');
  await matched('ann', 'bob');
  await pool.client.script('FLUSH');
  await stage.join('cat', 'dan');
  await matched('cat', 'dan');
});

test('Redis loses everything: the pool opens again', async () => {
  const worker = await stage.worker();
  await pool.client.flushall();
  await worker.logged(/pool default is new/);
  await until(async () => await pool.client.exists(pool.key('ready')) === 1,
    'the pool is ready');
  await stage.join('ann', 'bob');
  await matched('ann', 'bob');
});

test('Redis is away when the worker starts: it waits', async () => {
  await stage.redis.kill();
  const worker = stage.launch();
  await worker.logged(/convo redis: heartbeat: Connection refused/);
  await sleep(500);
  assert.equal(worker.child.exitCode, null);
  await stage.redis.start();
  await worker.serving();
  await worker.end();

  await stage.redis.kill();
  const other = stage.launch();
  await other.logged(/Connection refused/);
  assert.equal(await other.end('SIGTERM'), 0);
  await stage.redis.start();
});

test('Redis refuses to let go of an entry: it is asked again at leisure',
  async () => {
    const { client } = pool;
    const refusals = async () => Number(/cmdstat_xack:.*rejected_calls=(\d+)/
      .exec(await client.info('commandstats'))?.[1] ?? 0);
    await client.acl('SETUSER', 'default', '-xack');
    try {
      const worker = await stage.worker();
      await pool.run('livekit_event',
        [pool.key('event', 'EV_refused'), pool.key('livekit')],
        [3600, 'joined', 'a'.repeat(26), 'a', 'PA_1', 1]);
      await worker.logged(/done/);
      const first = await refusals();
      await sleep(3000);
      assert.ok(await refusals() - first <= 5, 'it spins');
    } finally {
      await client.acl('SETUSER', 'default', '+xack');
    }
    await until(async () => await client.xlen(pool.key('livekit')) === 0,
      'the entry is handled');
  });
