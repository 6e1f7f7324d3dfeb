// The parts of the torture test that stand for the world do what they say: the
// schedule, the wires, LiveKit's stand-in and the reader of Redis's log.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';

import { freePort, RedisServer, sleep } from '../node/redis.mjs';
import { readUnits } from './aof.mjs';
import { schedule } from './faults.mjs';
import { Media, signToken } from './media.mjs';
import { Proxy } from './proxy.mjs';
import { Recording } from './recording.mjs';
import { Truth } from './truth.mjs';

const KEY = 'key';
const SECRET = 'secret-of-the-parts-0123456789abcdef';
const SID = 'a'.repeat(26);
const ROOM = `default.${SID}`;

test('a seed is a schedule, another one another, and it ends in time', () => {
  const faults = schedule('7', 60);
  assert.deepEqual(schedule('7', 60), faults);
  assert.notDeepEqual(schedule('8', 60), faults);
  assert.ok(faults.length > 10);
  for (const { at, ms } of faults) {
    assert.ok(at + ms <= 60000);
  }
});

// A server that sends back what it gets, behind a wire.
async function wired(t) {
  const echo = net.createServer((socket) => socket.on('error', () => {})
    .pipe(socket));
  const port = await freePort();
  await new Promise((resolve) => echo.listen(port, '127.0.0.1', resolve));
  const wire = new Proxy(port);
  await wire.listen(await freePort());
  const socket = net.connect(wire.port, '127.0.0.1');
  socket.on('error', () => {});
  const heard = [];
  socket.on('data', (chunk) => heard.push(String(chunk)));
  t.after(async () => {
    socket.destroy();
    await wire.close();
    echo.close();
  });
  return { wire, socket, heard };
}

async function until(check) {
  for (let i = 0; i < 500 && !check(); i++) {
    await sleep(10);
  }
  assert.ok(check());
}

test('a wire that is held passes nothing until it is released', async (t) => {
  const { wire, socket, heard } = await wired(t);
  socket.write('one');
  await until(() => heard.join('') === 'one');
  wire.hold();
  wire.hold();
  socket.write('two');
  await sleep(100);
  wire.release();
  await sleep(100);
  assert.equal(heard.join(''), 'one');
  wire.release();
  await until(() => heard.join('') === 'onetwo');
});

test('a wire that is cut ends its connections', async (t) => {
  const { wire, socket, heard } = await wired(t);
  socket.write('one');
  await until(() => heard.length > 0);
  wire.cut();
  await until(() => socket.destroyed);
});

async function studio(t, mischief) {
  const webhooks = [];
  const receiver = http.createServer(async (request, response) => {
    let text = '';
    for await (const chunk of request) {
      text += chunk;
    }
    webhooks.push(JSON.parse(text));
    response.end();
  });
  const port = await freePort();
  await new Promise((resolve) => receiver.listen(port, '127.0.0.1', resolve));
  const recording = new Recording({});
  const media = new Media({ seed: '1', key: KEY, secret: SECRET, recording,
    webhook: `http://127.0.0.1:${port}/`, mischief: { slow: 0, fail: 0,
      reset: 0, lostAnswer: 0, lose: 0, repeat: 0, late: 0, ...mischief } });
  await media.listen(await freePort());
  t.after(async () => {
    await media.close();
    receiver.close();
  });
  const call = async (method, body, grants, secret = SECRET) => {
    const response = await fetch(
      `http://127.0.0.1:${media.port}/twirp/livekit.RoomService/${method}`, {
        method: 'POST', body: JSON.stringify(body),
        headers: { Authorization: `Bearer ${token(grants, {}, secret)}` },
      });
    return { status: response.status, body: await response.json() };
  };
  return { media, recording, webhooks, call };
}

function token(video, claims = {}, secret = SECRET) {
  const now = Math.floor(Date.now() / 1000);
  return signToken(secret, { iss: KEY, nbf: now - 60, exp: now + 60, video,
    ...claims });
}

function enter(media, side, claims = {}) {
  return media.enter(media.url, token({ room: ROOM, roomJoin: true },
    { sub: `${SID}-${side}`, ...claims }), () => {});
}

test('LiveKit lets in who has a token for a room that was created',
  async (t) => {
    const { media, call, webhooks } = await studio(t);
    assert.throws(() => enter(media, 'a'), /no such room/);
    assert.equal((await call('CreateRoom', { name: ROOM, max_participants: 2 },
      { roomCreate: true })).status, 200);
    const first = enter(media, 'a');
    enter(media, 'b');
    const people = await call('ListParticipants', { room: ROOM },
      { roomAdmin: true, room: ROOM });
    assert.deepEqual(people.body.participants.map(({ sid }) => sid).length, 2);
    const second = enter(media, 'a');
    assert.equal(first.inside, false, 'the first one is evicted');
    assert.equal(second.inside, true);
    await call('DeleteRoom', { room: ROOM }, { roomCreate: true });
    assert.equal(second.inside, false);
    assert.equal((await call('DeleteRoom', { room: ROOM },
      { roomCreate: true })).status, 404);
    await until(() => webhooks.length === 8);
    assert.deepEqual(webhooks.map(({ event }) => event).sort(), [
      'participant_joined', 'participant_joined', 'participant_joined',
      'participant_left', 'participant_left', 'participant_left',
      'room_finished', 'room_started']);
  });

test('LiveKit refuses a third, and every token that is no good',
  async (t) => {
    const { media, call, recording } = await studio(t);
    await call('CreateRoom', { name: ROOM, max_participants: 1 },
      { roomCreate: true });
    enter(media, 'a');
    assert.throws(() => enter(media, 'b'), /full/);
    for (const claims of [{ iss: 'another' }, { exp: 1 }, { nbf: 9e9 },
      { sub: 'ann' }, { name: 'ann' },
      { video: { room: ROOM, roomJoin: true, roomAdmin: true } }]) {
      assert.throws(() => enter(media, 'b', claims));
    }
    assert.throws(() => media.enter('ws://elsewhere', token({ room: ROOM,
      roomJoin: true }, { sub: `${SID}-b` })), /sent to/);
    assert.equal(recording.media.filter(
      ({ what }) => what === 'bad-token').length, 7);
    assert.equal((await call('ListRooms', {}, { roomCreate: true })).status,
      403);
    assert.equal((await call('ListRooms', {}, { roomList: true },
      'x'.repeat(32))).status, 401);
    assert.equal(recording.notes.length, 2);
  });

test('LiveKit loses and repeats webhooks, and obeys when told to',
  async (t) => {
    const { media, call, webhooks } = await studio(t, { lose: 100 });
    const create = (name) => call('CreateRoom', { name },
      { roomCreate: true });
    await create('default.one');
    assert.equal(media.pending.size, 0);
    media.obey();
    await create('default.two');
    await until(() => webhooks.length === 1);
    assert.equal(webhooks[0].room.name, 'default.two');
  });

test('what scripts wrote is read back from Redis, killed in between',
  async () => {
    const dir = mkdtempSync(path.join(tmpdir(), 'convo-aof-'));
    const server = new RedisServer(await freePort(), dir,
      ['--appendonly', 'yes', '--appendfsync', 'always',
        '--aof-timestamp-enabled', 'yes']);
    const script = `redis.call('HSET', KEYS[1], 'state', ARGV[1], 'version',
      ARGV[2]) return redis.call('HSET', KEYS[2], 'state', 'matched')`;
    const keys = ['{default}:user:ann', `{default}:session:${SID}`];
    try {
      await server.start();
      let client = server.client();
      await client.eval(script, 2, ...keys, 'waiting', '1000');
      await server.kill();
      client.disconnect();
      await server.start();
      client = server.client();
      await client.hset(keys[0], 'seen', '5');
      await client.eval(script, 2, ...keys, 'idle', '2000');
      client.disconnect();
      await server.kill('SIGTERM');
      const { users, sessions } = new Truth(readUnits(dir));
      assert.deepEqual(users.get('ann').map(({ before, after, at }) =>
        [before.state, after.state, at]),
      [[undefined, 'waiting', 1000], ['waiting', 'idle', 2000]]);
      assert.equal(sessions.get(SID).length, 1);
    } finally {
      await server.kill();
      rmSync(dir, { recursive: true, force: true });
    }
  });
