// How sessions go on and end when people and parts do what they do in life: a
// page is reloaded, a second window opened, a browser killed; webhooks get
// lost, LiveKit dies. The deadline and the no-show are in deadline.test.mjs.
//
// Two stacks at once: one as it is, and one whose LiveKit sends its webhooks
// to nobody.

import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';

import { DisconnectReason, dispose } from '@livekit/rtc-node';

import { Call } from '../node/call.mjs';
import { startGuest } from '../node/guest.mjs';
import { closeAll, meet, told } from '../node/meetings.mjs';
import { freePort } from '../node/redis.mjs';
import { sleep, startStack, until } from '../node/stack.mjs';

// A coming or going that no webhook told is known by then.
const REPAIR_MS = 10000;
const ABSENCE_S = 15;

async function talk(stack) {
  const { people, sessions } = await meet(stack);
  const calls = sessions.map((session) => new Call(session));
  await Promise.all(calls.map((call) => call.connect()));
  const from = Date.now();
  const [live] = await told(people, 'live');
  return {
    people, sessions, calls, from, id: live.session.sessionId,
    start: live.session.startTime,
  };
}

// Each is told the same end, and pays for minutes begun.
async function assertEnd(stack, people, { reasons, id, start }) {
  const ends = await told(people, 'idle',
    2 * (REPAIR_MS + 1000 * ABSENCE_S));
  const { duration } = ends[0].last;
  assert.deepEqual(ends.map(({ last }) => last), reasons.map((reason) => ({
    sessionId: id, reason, duration, pointsSpent: Math.ceil(duration / 60),
  })));
  for (const { pointsLeft, lastSessionTimestamp, last } of ends) {
    assert.equal(pointsLeft, 15 - last.pointsSpent);
    assert.equal(lastSessionTimestamp, start);
  }
  for (const person of people) {
    const kept = await person.history();
    assert.deepEqual(kept.map(({ sessionId }) => sessionId), [id]);
  }
  const rows = await until('the session is stored', () => {
    const found = stack.history().filter(({ sessionId }) => sessionId === id);
    return found.length > 0 && found;
  });
  assert.equal(rows.length, 1);
  assert.equal(rows[0].endTime, start + duration);
  return duration;
}

async function roomIsGone(stack, id) {
  await until('the room is gone', async () =>
    (await stack.rooms.listRooms([`default.${id}`])).length === 0);
}

describe('lifecycle', { concurrency: true }, () => {
  after(() => dispose());

  describe('as it is', { concurrency: true }, () => {
    let stack;

    before(async () => {
      stack = await startStack();
    });

    after(() => stack?.down());

    test('a page reloaded within the grace: nothing ends', async () => {
      const { people, calls, sessions, ...session } = await talk(stack);
      await calls[0].hangUp();
      const went = Date.now();
      await sleep(4000);
      const again = await new Call(sessions[0]).connect();

      await sleep(went + (ABSENCE_S + 4) * 1000 - Date.now());
      for (const person of people) {
        assert.equal((await person.session()).state, 'live');
      }
      await again.say('here I am');
      await until('the other hears', () => calls[1].heard.includes(
        'here I am'));

      await people[0].leave();
      await assertEnd(stack, people,
        { ...session, reasons: ['left', 'peer_left'] });
      await closeAll(people);
    });

    test('a second window takes over: the first is put out, and that is all',
      async () => {
        const { people, calls, sessions, ...session } = await talk(stack);
        const second = await new Call(sessions[0]).connect();
        const since = Date.now();
        assert.equal(await calls[0].disconnected,
          DisconnectReason.DUPLICATE_IDENTITY);

        await sleep(since + (ABSENCE_S + 4) * 1000 - Date.now());
        for (const person of people) {
          assert.equal((await person.session()).state, 'live');
        }
        await second.say('it is still me');
        await until('the other hears', () => calls[1].heard.includes(
          'it is still me'));

        await people[1].leave();
        const duration = await assertEnd(stack, people,
          { ...session, reasons: ['peer_left', 'left'] });
        assert.ok(duration >= ABSENCE_S, `${duration} s`);
        await second.disconnected;
        await closeAll(people);
      });

    test('a browser is killed: after the grace they have left', async () => {
      const { people, sessions } = await meet(stack);
      const guest = await startGuest(sessions[0]);
      const call = await new Call(sessions[1]).connect();
      const [{ session }] = await told(people, 'live');
      guest.kill('SIGKILL');
      const killed = Math.floor(Date.now() / 1000);

      // LiveKit gives somebody up some 20 s after it heard the last of them
      await told(people, 'idle', 60000);
      const now = Math.ceil(Date.now() / 1000);
      const duration = await assertEnd(stack, people, {
        id: session.sessionId, start: session.startTime,
        reasons: ['left', 'peer_left'],
      });
      const end = session.startTime + duration;
      assert.ok(end >= killed - 1 && end <= now - ABSENCE_S + 1,
        `killed ${killed}, ended ${end}, told ${now}`);
      await call.disconnected;
      await roomIsGone(stack, session.sessionId);
      await closeAll(people);
    });
  });

  // one after the other: the last one kills what the others need
  describe('no webhook arrives', { concurrency: 1 }, () => {
    let stack;

    before(async () => {
      stack = await startStack();
      const file = path.join(stack.dir, 'livekit.yaml');
      const nobody = `http://127.0.0.1:${await freePort()}/`;
      const text = readFileSync(file, 'utf8');
      assert.match(text, /urls: \[".*"\]/);
      await stack.stop('livekit');
      writeFileSync(file, text.replace(/urls: \[".*"\]/,
        `urls: ["${nobody}"]`));
      await stack.start('livekit');
      await until('LiveKit answers', () => stack.rooms.listRooms([])
        .then(() => true, () => false));
    });

    after(() => stack?.down());

    test('a session becomes live, and ends when one has gone', async () => {
      const { people, calls, from, ...session } = await talk(stack);
      assert.ok(Date.now() - from < REPAIR_MS,
        `live after ${Date.now() - from} ms`);
      assert.ok(session.start * 1000 <= from,
        'it began when both were there, not when that was found out');

      await calls[1].hangUp();
      const went = Date.now() / 1000;
      const duration = await assertEnd(stack, people,
        { ...session, reasons: ['peer_left', 'left'] });
      const end = session.start + duration;
      assert.ok(end <= went + REPAIR_MS / 1000,
        `went ${went}, ended ${end}`);
      await calls[0].disconnected;
      await roomIsGone(stack, session.id);
      await closeAll(people);
    });

    test('a room deleted by hand: the session has failed', async () => {
      const { people, calls, ...session } = await talk(stack);
      await stack.rooms.deleteRoom(`default.${session.id}`);
      const deleted = Date.now();
      await told(people, 'idle', REPAIR_MS + 2000);
      await assertEnd(stack, people,
        { ...session, reasons: ['failed', 'failed'] });
      assert.ok(Date.now() - deleted < REPAIR_MS + 2000);
      await Promise.all(calls.map((call) => call.disconnected));
      await closeAll(people);
    });

    test('LiveKit is killed in mid-session: it has failed, the next one is'
      + ' held', async () => {
      const { people, ...session } = await talk(stack);
      process.kill(stack.pid('livekit'), 'SIGKILL');
      await told(people, 'idle', 2 * REPAIR_MS);
      await assertEnd(stack, people,
        { ...session, reasons: ['failed', 'failed'] });

      await people[0].join();
      await people[1].join();
      const again = await told(people, 'matched', 40000);
      assert.equal(again[0].session.sessionId, again[1].session.sessionId);
      await people[0].leave();
      await closeAll(people);
    });
  });
});
