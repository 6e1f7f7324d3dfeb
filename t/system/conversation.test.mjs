// The main job on real parts: people sign in, join, are paired, talk over a
// real LiveKit server, and are charged.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { dispose } from '@livekit/rtc-node';

import { Call } from '../node/call.mjs';
import { signInAll } from '../node/person.mjs';
import { sleep, startStack, until } from '../node/stack.mjs';

let stack;

before(async () => {
  stack = await startStack();
});

after(async () => {
  await dispose();
  await stack?.down();
});

async function roomIsGone(name) {
  await until(`room ${name} is gone`,
    async () => (await stack.rooms.listRooms([name])).length === 0);
}

async function storedHistory(sessionId) {
  return until('the session is in the history store',
    () => stack.history().find((row) => row.sessionId === sessionId));
}

test('two strangers talk; one leaves; all is accounted for', async () => {
  const [ann, bob] = await signInAll(stack, 'ann', 'bob');
  ann.listen();
  bob.listen();
  const first = await ann.toldState('idle');
  assert.equal(first.userId, ann.sub);
  assert.equal(first.pointsLeft, 15);
  assert.equal(first.session, null);
  assert.equal(first.last, null);

  const joined = await ann.join();
  assert.equal(joined.status, 200);
  assert.equal(joined.body.state, 'waiting');
  assert.equal(joined.body.isWaitingInQueue, true);
  assert.equal(joined.body.queue.position, 1);
  assert.equal((await bob.join()).status, 200);

  const [a, b] = await Promise.all(
    [ann, bob].map((person) => person.toldState('matched')));
  assert.equal(a.session.sessionId, b.session.sessionId);
  assert.equal(a.session.room, `default.${a.session.sessionId}`);
  assert.equal(a.session.startTime, null);
  assert.equal(a.session.endsAt, null);
  assert.equal(a.pointsLeft, 0);
  assert.ok(!JSON.stringify(a).includes(bob.sub));
  assert.ok(!JSON.stringify(b).includes(ann.sub));

  const [room] = await stack.rooms.listRooms([a.session.room]);
  assert.equal(room.maxParticipants, 2);
  assert.equal(room.metadata, '');

  const calls = [new Call(a.session), new Call(b.session)];
  await Promise.all(calls.map((call) => call.connect()));
  const [live] = await Promise.all(
    [ann, bob].map((person) => person.toldState('live')));
  assert.equal(live.session.endsAt, live.session.startTime + 15 * 60);

  await Promise.all([calls[0].say('hello'), calls[1].say('good day')]);
  await Promise.all(calls.map((call) => call.speak()));
  await until('both are heard', () => calls[0].heard.includes('good day')
    && calls[1].heard.includes('hello'));
  await until('both tracks arrived', () => calls.every(
    (call) => call.tracks.includes('audio')));

  for (const participant of await stack.rooms.listParticipants(
    a.session.room)) {
    assert.equal(participant.name, '');
    assert.equal(participant.metadata, '');
    assert.ok(![ann.sub, bob.sub].includes(participant.identity));
  }

  const left = await ann.leave();
  assert.equal(left.status, 200);
  assert.equal(left.body.state, 'idle');
  const [lastA, lastB] = await Promise.all(
    [ann, bob].map((person) => person.toldState('idle')));
  assert.equal(lastA.last.reason, 'left');
  assert.equal(lastB.last.reason, 'peer_left');
  for (const document of [lastA, lastB]) {
    const { last } = document;
    assert.equal(last.sessionId, a.session.sessionId);
    assert.equal(last.pointsSpent, Math.ceil(last.duration / 60));
    assert.equal(document.pointsLeft, 15 - last.pointsSpent);
    assert.equal(document.lastSessionTimestamp, live.session.startTime);
  }
  await Promise.all(calls.map((call) => call.disconnected));
  await roomIsGone(a.session.room);

  const row = await storedHistory(a.session.sessionId);
  assert.deepEqual([row.userA, row.userB].sort(), [ann.sub, bob.sub].sort());
  assert.equal(row.startTime, live.session.startTime);
  assert.equal(row.endTime - row.startTime, row.duration);
  assert.equal(row.duration, lastA.last.duration);
  assert.equal(row.expiresAt, row.endTime + 90 * 86400);
  assert.equal(stack.history().filter(
    (entry) => entry.sessionId === row.sessionId).length, 1);

  const [entry, ...others] = await bob.history();
  assert.deepEqual(others, []);
  assert.equal(entry.sessionId, a.session.sessionId);
  assert.ok(!JSON.stringify(entry).includes(ann.sub));
  for (const person of [ann, bob]) {
    assert.equal(person.fellBack, undefined);
    await person.close();
  }
});

test('of three the third waits, and is paired with a fourth', async () => {
  const people = await signInAll(stack, 'one', 'two', 'three', 'four');
  people.forEach((person) => person.listen());
  const [one, two, three, four] = people;
  for (const person of [one, two, three]) {
    await person.join();
  }
  const [a, b] = await Promise.all(
    [one, two].map((person) => person.toldState('matched')));
  assert.equal(a.session.sessionId, b.session.sessionId);
  await sleep(1500);
  const waiting = await three.session();
  assert.equal(waiting.state, 'waiting');
  assert.equal(waiting.queue.position, 1);

  await four.join();
  const [c, d] = await Promise.all(
    [three, four].map((person) => person.toldState('matched')));
  assert.equal(c.session.sessionId, d.session.sessionId);
  assert.notEqual(c.session.sessionId, a.session.sessionId);

  await Promise.all([one.leave(), three.leave()]);
  await Promise.all(people.map((person) => person.toldState('idle')));
  await Promise.all(people.map((person) => person.close()));
});

test('a user who joins from three windows at once is one user', async () => {
  const [ann, bob] = await signInAll(stack, 'ann', 'bob');
  const answers = await Promise.all([1, 2, 3].map(() => ann.join()));
  assert.deepEqual(answers.map(({ status }) => status), [200, 200, 200]);
  assert.equal(new Set(answers.map(({ body }) => body.version)).size, 1);

  ann.listen();
  bob.listen();
  await bob.join();
  const [a] = await Promise.all(
    [ann, bob].map((person) => person.toldState('matched')));
  const again = await Promise.all([1, 2, 3].map(() => ann.join()));
  for (const { status, body } of again) {
    assert.equal(status, 200);
    assert.equal(body.session.sessionId, a.session.sessionId);
  }
  await ann.leave();
  await bob.toldState('idle');
  await Promise.all([ann.close(), bob.close()]);
});
