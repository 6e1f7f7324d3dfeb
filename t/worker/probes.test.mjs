// No webhook arrives here: what the worker knows of who came and went it has
// asked LiveKit for. People are real clients on a real livekit-server.

import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';

import { DisconnectReason, dispose } from '@livekit/rtc-node';

import { Call } from '../node/call.mjs';
import { newSid } from '../node/pool.mjs';
import { sleep, startStage, until } from '../node/worker.mjs';

let stage;
let pool;
const calls = [];

before(async () => {
  stage = await startStage();
  pool = stage.pool;
});

afterEach(async () => {
  await Promise.all(calls.splice(0).map((call) => call.hangUp()));
  await stage.clear();
});

after(async () => {
  await dispose();
  await stage?.stop();
});

function worker(settings) {
  return stage.worker({ probe_interval: '250ms', absence: '1s', ...settings });
}

// ... with so much time for LiveKit that none of its answers is missed.
function patientWorker(settings) {
  return worker({
    lease: '30s',
    livekit: `url=http://127.0.0.1:${stage.proxy.port} key=testkey `
      + 'secret_file=secret timeout=10s',
    ...settings,
  });
}

async function match(a, b) {
  await stage.join(a, b);
  const { sid } = await stage.state(a, 'matched');
  return sid;
}

async function come(sid, side) {
  const call = await new Call(await stage.credentials(sid, side)).connect();
  calls.push(call);
  return call;
}

async function talk(a, b) {
  const sid = await match(a, b);
  const both = [await come(sid, 'a'), await come(sid, 'b')];
  const { start } = await stage.state(a, 'live');
  return { sid, both, start: Number(start) };
}

async function list(sid) {
  return stage.livekit.client.listParticipants(pool.room(sid));
}

// Calls of a method are answered with what change() makes of LiveKit's answer.
function rewrite(method, change) {
  stage.proxy.on(method, async ({ body, forward, response }) => {
    const { text } = await forward();
    response.writeHead(200).end(JSON.stringify(
      await change(JSON.parse(text), body)));
  });
}

// The next answers of ListParticipants are held back from when LiveKit gave
// them until go() is called; held resolves when the first one is there.
function holdAnswers() {
  let go;
  const going = new Promise((resolve) => {
    go = resolve;
  });
  const held = new Promise((resolve) => {
    rewrite('ListParticipants', async (answer) => {
      resolve(answer);
      await going;
      return answer;
    });
  });
  return { held, go };
}

test('what LiveKit answers of a room that is not there', async () => {
  const room = pool.room(newSid());
  assert.deepEqual(await stage.livekit.client.listParticipants(room), []);
  assert.deepEqual(await stage.livekit.client.listRooms([room]), []);
  await stage.livekit.client.createRoom({ name: room });
  assert.deepEqual(await stage.livekit.client.listParticipants(room), []);
  assert.equal((await stage.livekit.client.listRooms([room])).length, 1);
});

test('both come: live from when the second one was there', async () => {
  const log = await worker();
  const { sid, start } = await talk('ann', 'bob');
  const joined = (await list(sid)).map(
    ({ joinedAtMs }) => Number(joinedAtMs));
  assert.equal(start, Math.max(...joined));
  assert.match(log.log, new RegExp(`session ${sid}: [ab] has joined, as no `
    + 'webhook has said: live'));
});

test('one goes: they left, within the interval, and the session ends',
  async () => {
    await worker();
    const { sid, both } = await talk('ann', 'bob');
    await both[1].hangUp();
    const went = await pool.now();
    const bob = await stage.state('bob', 'idle');
    const ann = await stage.state('ann', 'idle');
    assert.deepEqual([ann.last_reason, bob.last_reason],
      ['peer_left', 'left']);
    const ended = Number((await pool.session(sid)).ended);
    assert.ok(ended - went < 10000, `${ended - went} ms after they went`);
    assert.equal(await both[0].disconnected, DisconnectReason.ROOM_DELETED);
  });

test('a reload is no end: the new one is there, the old one forgotten',
  async () => {
    await worker();
    const { sid, both } = await talk('ann', 'bob');
    const before = (await pool.session(sid)).psid_a;
    await both[0].hangUp();
    await come(sid, 'a');
    const session = await until(async () => {
      const now = await pool.session(sid);
      return now.psid_a !== before && now.here_a && now;
    }, 'the new one is known');
    assert.equal(session.gone_a, undefined);
    await sleep(1500);
    assert.deepEqual(await stage.states('ann', 'bob'), ['live', 'live']);
  });

test('a second window takes over, and nothing ends', async () => {
  await worker();
  const { sid, both } = await talk('ann', 'bob');
  const before = (await pool.session(sid)).psid_a;
  await come(sid, 'a');
  assert.equal(await both[0].disconnected,
    DisconnectReason.DUPLICATE_IDENTITY);
  await until(async () => (await pool.session(sid)).psid_a !== before,
    'the second one is known');
  await sleep(1500);
  assert.deepEqual(await stage.states('ann', 'bob'), ['live', 'live']);
});

test('its room is deleted by hand: the session has failed', async () => {
  const log = await worker();
  const { sid, both } = await talk('ann', 'bob');
  await stage.livekit.client.deleteRoom(pool.room(sid));
  await both[0].disconnected;
  for (const who of ['ann', 'bob']) {
    assert.equal((await stage.state(who, 'idle')).last_reason, 'failed');
  }
  assert.match(log.log, /its room is gone: failed/);
});

test('nobody has come yet, and the room is gone: both are told', async () => {
  await worker();
  const sid = await match('ann', 'bob');
  await stage.livekit.client.deleteRoom(pool.room(sid));
  const ann = await stage.state('ann', 'idle');
  assert.deepEqual([ann.last_reason, ann.last_points], ['failed', '0']);
});

test('LiveKit is killed: the session ended when it went', async () => {
  const log = await worker();
  const { sid, start } = await talk('ann', 'bob');
  await stage.livekit.stop('SIGKILL');
  const killed = await pool.now();
  await log.logged(/LiveKit says nothing of 1 of 1 rooms/);
  await sleep(4000);
  assert.deepEqual(await stage.states('ann', 'bob'), ['live', 'live']);

  await stage.livekit.start(stage.dir);
  const back = await pool.now();
  const ann = await stage.state('ann', 'idle');
  assert.equal(ann.last_reason, 'failed');
  const ended = Number((await pool.session(sid)).ended);
  assert.ok(ended > start && ended < back - 2000,
    `killed ${killed - start}, back ${back - start}, ended ${ended - start}`);
});

test('... also for a worker that has never seen it', async () => {
  const log = await worker({ probe_interval: '1s' });
  const { sid } = await talk('ann', 'bob');
  await stage.livekit.stop('SIGKILL');
  const { missed } = await until(async () => {
    const session = await pool.session(sid);
    return session.missed && session;
  }, 'it is missed');
  await log.end('SIGKILL');
  await worker({ probe_interval: '1s' });
  await sleep(3000);
  assert.equal((await pool.session(sid)).missed, missed);

  await stage.livekit.start(stage.dir);
  await stage.state('ann', 'idle');
  assert.equal((await pool.session(sid)).ended, missed);
});

test('while LiveKit is away, sessions that come to be asked about are noted',
  async () => {
    const log = await worker({ probe_interval: '1s' });
    const first = await match('ann', 'bob');
    const other = await match('cat', 'dan');
    await pool.client.zadd(pool.key('probes'), await pool.now() + 3000, other);
    await stage.livekit.stop('SIGKILL');
    await log.logged(/LiveKit says nothing of 1 of 1 rooms/);
    assert.equal((await pool.session(other)).missed, undefined);
    const missed = await until(async () => (await pool.session(other)).missed,
      'it is missed');
    assert.ok(missed > (await pool.session(first)).missed);
    await stage.livekit.start(stage.dir);
    await stage.state('cat', 'idle');
    assert.equal((await pool.session(other)).ended, missed);
  });

// LiveKit's API fails for every other second from now on. seen(sid) is when it
// last had, and said so, the room of a session; steady() ends it.
function flap() {
  const last = new Map();
  let steady = false;
  const fails = (response) => {
    if (steady || Math.floor(Date.now() / 1000) % 2 === 0) {
      return false;
    }
    response.writeHead(503).end('down');
    return true;
  };
  stage.proxy.on('ListParticipants', async ({ forward, response }) => {
    if (!fails(response)) {
      response.writeHead(200).end((await forward()).text);
    }
  });
  stage.proxy.on('ListRooms', async ({ forward, response }) => {
    if (fails(response)) {
      return;
    }
    const at = await pool.now();
    const { text } = await forward();
    (JSON.parse(text).rooms ?? []).forEach(({ name }) => last.set(name, at));
    response.writeHead(200).end(text);
  });
  return {
    seen: (sid) => last.get(pool.room(sid)) ?? 0,
    steady: () => {
      steady = true;
    },
  };
}

async function goes(sid, start, { seen, steady }) {
  const from = await pool.now();
  await until(async () => (await pool.session(sid)).missed, 'it is missed');
  await until(() => seen(sid) > from + 2000, 'it is seen to be there', 30000);
  steady();
  await until(async () => !(await pool.session(sid)).missed,
    'it is missed no more');
  await stage.livekit.client.deleteRoom(pool.room(sid));
  assert.equal((await stage.state('ann', 'idle')).last_reason, 'failed');
  const ended = Number((await pool.session(sid)).ended);
  assert.ok(ended >= seen(sid),
    `ended ${ended - start}, there ${seen(sid) - start} ms after the start`);
}

test('LiveKit fails now and then: a room that goes went after it was seen',
  async () => {
    const log = await patientWorker({ probe_interval: '1s' });
    const { sid, start } = await talk('ann', 'bob');
    const api = flap();
    await log.logged(/LiveKit says nothing of 1 of 1 rooms/);
    await goes(sid, start, api);
  });

test('... also that of a session which began after the first failure',
  async () => {
    const log = await patientWorker({ probe_interval: '1s' });
    await match('cat', 'dan');
    const api = flap();
    await log.logged(/LiveKit says nothing of 1 of 1 rooms/);
    await pool.leave('cat');
    const { sid, start } = await talk('ann', 'bob');
    await goes(sid, start, api);
  });

test('an answer given before a join says nothing of who joined after it',
  async () => {
    await worker();
    const sid = await match('ann', 'bob');
    const { held, go } = holdAnswers();
    assert.deepEqual((await held).participants, []);
    const call = await come(sid, 'a');
    const [{ sid: psid }] = await list(sid);
    await stage.event(sid, 'joined', 'a', psid);
    await until(async () => (await pool.session(sid)).psid_a === psid,
      'the join is known');
    go();
    stage.proxy.off();
    await sleep(1500);
    const session = await pool.session(sid);
    assert.equal(session.psid_a, psid);
    assert.equal(session.gone_a, undefined);
    assert.equal(session[`left:${psid}`], undefined);
    await call.hangUp();
  });

test('an answer given before a leaving does not bring anybody back',
  async () => {
    await worker();
    const sid = await match('ann', 'bob');
    const call = await come(sid, 'a');
    const [{ sid: psid }] = await list(sid);
    const { held, go } = holdAnswers();
    await held;
    await stage.event(sid, 'joined', 'a', psid);
    await call.hangUp();
    await stage.event(sid, 'left', 'a', psid);
    await until(async () => (await pool.session(sid))[`left:${psid}`],
      'the leaving is known');
    go();
    stage.proxy.off();
    await sleep(1500);
    assert.equal((await pool.session(sid)).here_a, undefined);
  });

test('who left while LiveKit was slow left no earlier than they did',
  async () => {
    await patientWorker({ absence: '30s' });
    const { sid, both } = await talk('ann', 'bob');
    let go;
    const going = new Promise((resolve) => {
      go = resolve;
    });
    const asked = new Promise((resolve) => {
      stage.proxy.on('ListParticipants', async ({ forward, response }) => {
        resolve();
        await going;
        response.writeHead(200).end((await forward()).text);
      });
    });
    await asked;
    await sleep(2000);
    await both[0].hangUp();
    const went = await pool.now() - 500;
    await until(async () => (await list(sid)).length === 1, 'they are gone');
    go();
    const session = await until(async () => {
      const now = await pool.session(sid);
      return now.gone_a && now;
    }, 'that is known');
    assert.ok(Number(session.gone_a) >= went,
      `${went - session.gone_a} ms too early`);
    assert.equal(session.state, 'live');
  });

test('who is on the way in is neither there nor gone', async () => {
  await worker();
  const { sid } = await talk('ann', 'bob');
  rewrite('ListParticipants', (answer) => {
    answer.participants.forEach((person) => {
      Object.assign(person, { sid: `${person.sid}x`, state: 'JOINED' });
    });
    return answer;
  });
  await sleep(1000);
  const session = await pool.session(sid);
  assert.equal(session.gone_a ?? session.gone_b, undefined);
  assert.doesNotMatch(session.psid_a, /x$/);
});

// LiveKit's lists say that there are so many in each room.
function listCount(n) {
  rewrite('ListRooms', (answer) => {
    answer.rooms.forEach((room) => Object.assign(room,
      { num_participants: n }));
    return answer;
  });
}

test('who goes while the count that is listed is old has left', async () => {
  await worker();
  const { both } = await talk('ann', 'bob');
  listCount(2);
  await both[1].hangUp();
  assert.equal((await stage.state('ann', 'idle')).last_reason, 'peer_left');
  assert.ok(stage.proxy.count('UpdateRoomMetadata') > 0);
});

test('nobody is counted while nobody is missing', async () => {
  await worker();
  await talk('ann', 'bob');
  stage.proxy.calls = [];
  await until(() => stage.proxy.count('ListParticipants') >= 4, 'it asks');
  assert.equal(stage.proxy.count('UpdateRoomMetadata'), 0);
});

test('who cannot be counted anew is as the list has it', async () => {
  await worker();
  const { sid } = await talk('ann', 'bob');
  listCount(2);
  rewrite('ListParticipants', (answer) => {
    answer.participants.pop();
    return answer;
  });
  const answers = [({ response }) => response.writeHead(503).end('down'),
    ...Object.values(rubbish)];
  for (const answer of answers) {
    stage.proxy.calls = [];
    stage.proxy.on('UpdateRoomMetadata', answer);
    await until(() => stage.proxy.count('UpdateRoomMetadata') >= 2, 'it asks');
  }
  const session = await pool.session(sid);
  assert.equal(session.gone_a ?? session.gone_b, undefined);
  listCount(1);
  await stage.state('ann', 'idle');
});

test('who is counted and not listed has not left', async () => {
  await worker();
  const { sid } = await talk('ann', 'bob');
  // the list is as old as it can be
  listCount(1);
  rewrite('ListParticipants', (answer) => {
    answer.participants.pop();
    return answer;
  });
  await sleep(1000);
  const session = await pool.session(sid);
  assert.equal(session.gone_a ?? session.gone_b, undefined);

  rewrite('ListParticipants', () => ({ participants: [] }));
  rewrite('UpdateRoomMetadata', (room) => ({ ...room, num_participants: 0 }));
  await stage.state('ann', 'idle');
});

test('a late webhook changes nothing of a session that has ended',
  async () => {
    await worker();
    const { sid, both } = await talk('ann', 'bob');
    const [{ sid: psid }] = await list(sid);
    await both[0].hangUp();
    const ann = await stage.state('ann', 'idle');
    const ended = await pool.session(sid);

    await stage.event(sid, 'joined', 'a', 'PA_new');
    await stage.event(sid, 'joined', 'b', psid);
    await stage.event(sid, 'left', 'b', psid);
    await stage.event(sid, 'finished');
    // whoever asks about it once more is taken out
    await pool.client.zadd(pool.key('probes'), 0, sid);
    await until(async () => await pool.client.xlen(pool.key('livekit')) === 0
      && await pool.client.zcard(pool.key('probes')) === 0, 'all is handled');
    assert.deepEqual(await pool.session(sid), ended);
    assert.equal((await pool.user('ann')).version, ann.version);
    assert.equal(await pool.client.llen(pool.key('history', 'ann')), 1);
  });

const rubbish = {
  'status 500': ({ response }) => response.writeHead(500).end('oops'),
  'status 401': ({ response }) => response.writeHead(401).end('no'),
  'no JSON': ({ response }) => response.writeHead(200).end('<html>'),
  'no list': ({ response }) => response.writeHead(200).end('{}'),
  'a participant without a state': ({ body, response }) => response
    .writeHead(200).end(JSON.stringify({
      participants: [{ identity: `${body.room.split('.')[1]}-a` }],
    })),
  'a huge body': ({ response }) => response.writeHead(200)
    .end(`{"participants":[],"x":"${'x'.repeat(2000000)}"}`),
  'half a body': ({ response }) => {
    response.writeHead(200, { 'Content-Length': '100' }).write('{"partici');
    setTimeout(() => response.destroy(), 50);
  },
  'no answer at all': () => {},
};

test('rubbish says nothing of anybody', async () => {
  const log = await worker();
  const { sid } = await talk('ann', 'bob');
  for (const [what, answer] of Object.entries(rubbish)) {
    const said = log.log.length;
    stage.proxy.on('ListParticipants', answer);
    await until(() => /says nothing of 1 of 1 rooms/.test(
      log.log.slice(said)), `${what} is noticed`);
    stage.proxy.off();

    // the answer that tells an empty room from none
    stage.proxy.calls = [];
    stage.proxy.on('ListRooms', answer);
    await until(() => stage.proxy.count('ListRooms') >= 2, 'it asks again');
    stage.proxy.off();
  }
  await log.logged(/LiveKit answers: asking about sessions again/);
  await sleep(1000);
  const session = await pool.session(sid);
  assert.equal(session.gone_a ?? session.gone_b, undefined);
  assert.deepEqual(await stage.states('ann', 'bob'), ['live', 'live']);
});

test('one room that cannot be asked about stops no other', async () => {
  const log = await patientWorker();
  const first = await talk('ann', 'bob');
  stage.proxy.on('ListParticipants', async ({ body, forward, response }) => {
    if (body.room === pool.room(first.sid)) {
      response.writeHead(500).end('{}');
      return;
    }
    response.writeHead(200).end((await forward()).text);
  });
  const second = await talk('cat', 'dan');
  await log.logged(/LiveKit says nothing of 1 of \d rooms: status 500/);
  await second.both[0].hangUp();
  await stage.state('cat', 'idle');
  assert.deepEqual(await stage.states('ann', 'bob'), ['live', 'live']);
  assert.doesNotMatch(log.log, /LiveKit answers/);
});

test('while LiveKit is down it is asked ever less often', async () => {
  const log = await worker();
  await match('ann', 'bob');
  await match('cat', 'dan');
  const refuse = ({ response }) => response.writeHead(503).end('down');
  ['CreateRoom', 'ListRooms', 'DeleteRoom', 'ListParticipants'].forEach(
    (method) => stage.proxy.on(method, refuse));
  await log.logged(/LiveKit says nothing of/);
  stage.proxy.calls = [];
  await sleep(4000);
  assert.equal(stage.proxy.count('ListParticipants'), 0);
  assert.ok(stage.proxy.count('ListRooms') >= 2);
  assert.ok(stage.proxy.count('ListRooms') <= 8);

  stage.proxy.off();
  await log.logged(/LiveKit answers: asking about sessions again/);
  await until(() => stage.proxy.count('ListParticipants') >= 2, 'it asks');
});

test('a worker that does not reach LiveKit leaves it to the others', async () => {
  const first = await worker({ probe_interval: '4s' });
  const sid = await match('ann', 'bob');
  await first.end();

  await stage.client.zadd('{default}:probes', 1, sid);
  await worker({
    probe_interval: '4s',
    livekit: 'url=http://127.0.0.1:9 key=testkey secret_file=secret '
      + 'timeout=1s',
  });
  await until(async () => (await pool.session(sid)).missed, 'it is missed');

  await stage.client.zadd('{default}:probes', 1, sid);
  const due = await until(async () => {
    const score = await stage.client.zscore('{default}:probes', sid);
    return score > 1 && score;
  }, 'it is put off');
  assert.ok(due - Date.now() < 1000, `put off by ${due - Date.now()} ms`);
});

test('three workers ask no more than one', async () => {
  for (const pair of [['a', 'b'], ['c', 'd'], ['e', 'f']]) {
    const { sid } = await pool.pair(...pair);
    await pool.client.zadd(pool.key('probes'), 0, sid);
  }
  // rooms that LiveKit is made to have, for sessions made by hand
  rewrite('ListRooms', (answer, body) => ({
    rooms: (body.names ?? []).map((name) => ({ name })),
  }));
  for (let i = 0; i < 3; i++) {
    await worker({ probe_interval: '1s', sweep_interval: '1h' });
  }
  await until(() => stage.proxy.count('ListParticipants') > 0, 'it begins');
  stage.proxy.calls = [];
  const from = Date.now();
  await sleep(5000);
  const asked = stage.proxy.count('ListParticipants');
  const seconds = (Date.now() - from) / 1000;
  assert.ok(asked >= 3 && asked <= 3 * (seconds + 2),
    `${asked} times in ${seconds} s`);
});

test('what is no session that goes on is not asked about', async () => {
  await worker();
  const probes = pool.key('probes');
  const [gone, ended, broken] = [newSid(), newSid(), newSid()];
  await pool.client.hset(pool.key('session', ended), 'state', 'ended',
    'a', 'ann', 'b', 'bob');
  await pool.client.hset(pool.key('session', broken), 'state', 'live',
    'a', 'ann');
  await pool.client.set(pool.key('session', gone), 'no hash');
  await pool.client.zadd(probes, 0, gone, 0, ended, 0, broken, 0, newSid(),
    0, 'rubbish', 0, '', 0, 'x'.repeat(1000));
  await until(async () => await pool.client.zcard(probes) === 0,
    'all are taken out');
  assert.equal(stage.proxy.count('ListParticipants'), 0);
  assert.equal(await pool.client.xlen(pool.key('dead')), 5);
  const sid = await match('cat', 'dan');
  assert.deepEqual(await pool.client.zrange(probes, 0, -1), [sid]);
});
