// What a real LiveKit server says to the token that a user was sent: one room,
// one identity, nothing of an administrator's; and that its webhooks, as it
// really sends them, are all understood.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { dispose } from '@livekit/rtc-node';
import { AccessToken, TokenVerifier } from 'livekit-server-sdk';

import { Call } from '../node/call.mjs';
import { signInAll } from '../node/person.mjs';
import { startStack, until } from '../node/stack.mjs';

let stack;
let ann;
let bob;
let session;

before(async () => {
  stack = await startStack();
  [ann, bob] = await signInAll(stack, 'ann', 'bob');
  ann.listen();
  bob.listen();
  await ann.join();
  await bob.join();
  ({ session } = await ann.toldState('matched'));
  await bob.toldState('matched');
});

after(async () => {
  await Promise.all([ann, bob].map((person) => person?.close()));
  await dispose();
  await stack?.down();
});

// What LiveKit's own endpoint for clients says to a token.
async function validate(token) {
  const url = stack.env.LIVEKIT_URL.replace(/^ws/, 'http');
  const response = await fetch(
    `${url}/rtc/validate?access_token=${encodeURIComponent(token)}`);
  return { status: response.status, text: await response.text() };
}

async function twirp(token, call, body) {
  const url = stack.env.LIVEKIT_URL.replace(/^ws/, 'http');
  const response = await fetch(`${url}/twirp/livekit.RoomService/${call}`, {
    method: 'POST',
    headers: {
      Authorization: `Bearer ${token}`, 'Content-Type': 'application/json',
    },
    body: JSON.stringify(body),
  });
  await response.arrayBuffer();
  return response.status;
}

async function webhooks(result) {
  const text = await (await fetch(`${stack.env.CONVO_URL}/metrics`)).text();
  return Number(new RegExp(
    `^convo_livekit_webhooks_total\\{result="${result}"\\} (\\d+)$`,
    'm').exec(text)[1]);
}

test("LiveKit's own library verifies the token and finds what it may be",
  async () => {
    const verifier = new TokenVerifier(
      stack.env.LIVEKIT_API_KEY, stack.env.LIVEKIT_API_SECRET);
    const claims = await verifier.verify(session.livekit.token);
    const { nbf, exp, ...rest } = claims;
    assert.deepEqual(rest, {
      iss: stack.env.LIVEKIT_API_KEY,
      sub: rest.sub,
      video: {
        room: session.room,
        roomJoin: true,
        canPublish: true,
        canSubscribe: true,
        canPublishData: true,
      },
    });
    assert.match(rest.sub, new RegExp(`^${session.sessionId}-[ab]$`));
    const now = Date.now() / 1000;
    assert.ok(nbf <= now && nbf > now - 120);
    assert.ok(Math.abs(exp - now - (30 + 15 * 60 + 60)) < 30);
  });

test('the server takes the token, and none that was changed', async () => {
  const { token } = session.livekit;
  assert.equal((await validate(token)).status, 200);

  const [header, , signature] = token.split('.');
  const forged = Buffer.from(JSON.stringify({
    iss: stack.env.LIVEKIT_API_KEY, sub: `${session.sessionId}-b`,
    exp: Math.floor(Date.now() / 1000) + 600,
    video: { room: session.room, roomJoin: true, roomAdmin: true },
  })).toString('base64url');
  assert.equal((await validate(`${header}.${forged}.${signature}`)).status,
    401);

  const guess = new AccessToken(stack.env.LIVEKIT_API_KEY,
    'another-secret-of-32-bytes-and-more', { identity: 'x' });
  guess.addGrant({ room: session.room, roomJoin: true });
  assert.equal((await validate(await guess.toJwt())).status, 401);
});

test('a user can neither list, make, delete nor rule rooms', async () => {
  const { token } = session.livekit;
  const { room } = session;
  const calls = {
    ListRooms: {},
    CreateRoom: { name: 'mine' },
    DeleteRoom: { room },
    ListParticipants: { room },
    RemoveParticipant: { room, identity: `${session.sessionId}-b` },
    UpdateRoomMetadata: { room, metadata: 'mine' },
    SendData: { room, data: 'aGVsbG8=', kind: 'RELIABLE' },
  };
  for (const [call, body] of Object.entries(calls)) {
    const status = await twirp(token, call, body);
    assert.ok(status === 401 || status === 403, `${call}: ${status}`);
  }
  assert.equal((await stack.rooms.listRooms([room])).length, 1);
});

test('every webhook of the server is understood', async () => {
  const appended = await webhooks('appended');
  const call = await new Call(session).connect();
  const other = await new Call((await bob.session()).session).connect();
  await ann.toldState('live');
  await call.speak();
  await other.hangUp();
  await bob.leave();
  await ann.toldState('idle');
  await call.hangUp();

  // two came, one or both went, the room is finished
  await until('the webhooks are in',
    async () => await webhooks('appended') >= appended + 4);
  assert.ok(await webhooks('ignored') > 0, 'room_started, track_published');
  assert.equal(await webhooks('refused'), 0);
  assert.equal(await webhooks('failed'), 0);
});

test('a token of a room that is gone opens no room', async () => {
  await until('the room is gone', async () =>
    (await stack.rooms.listRooms([session.room])).length === 0);
  const { status } = await validate(session.livekit.token);
  assert.notEqual(status, 200);
  assert.equal((await stack.rooms.listRooms([session.room])).length, 0);
});
