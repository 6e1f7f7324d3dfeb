// The worker ends what nobody ends: the deadline, the no-show, and the call of
// one who was cut off without a word. Other ends are in lifecycle.test.mjs.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { dispose } from '@livekit/rtc-node';

import { Call } from '../node/call.mjs';
import { closeAll, meet, told } from '../node/meetings.mjs';
import { startStack, until } from '../node/stack.mjs';

describe('time is over', { concurrency: true }, () => {
  let stack;

  before(async () => {
    stack = await startStack({ CONVO_SESSION_MAX: '6s' });
  });

  after(async () => {
    await dispose();
    await stack?.down();
  });

  test('the deadline ends the room and is charged to the second', async () => {
    const { people, sessions } = await meet(stack);
    const calls = sessions.map((session) => new Call(session));
    await Promise.all(calls.map((call) => call.connect()));
    const live = await people[0].toldState('live');
    assert.equal(live.session.endsAt, live.session.startTime + 6);

    const ends = await told(people, 'idle');
    for (const { last, pointsLeft } of ends) {
      assert.deepEqual(last, {
        sessionId: live.session.sessionId, reason: 'time_up', duration: 6,
        pointsSpent: 1,
      });
      assert.equal(pointsLeft, 14);
    }
    await Promise.all(calls.map((call) => call.disconnected));
    await until('the room is gone', async () =>
      (await stack.rooms.listRooms([live.session.room])).length === 0);
    await closeAll(people);
  });

  test('nobody comes: both are told no_show, and nobody is charged',
    async () => {
      const { people } = await meet(stack);
      const ends = await told(people, 'idle', 45000);
      for (const { last, pointsLeft, lastSessionTimestamp } of ends) {
        assert.equal(last.reason, 'no_show');
        assert.equal(last.pointsSpent, 0);
        assert.equal(pointsLeft, 15);
        assert.equal(lastSessionTimestamp, null);
      }
      await closeAll(people);
    });

  test('one comes: that one waits at the head with the old time, the other'
    + ' is told no_show', async () => {
    const { people, sessions } = await meet(stack);
    const since = people[0].documents.find(
      ({ state }) => state === 'waiting').waitingSince;
    const call = await new Call(sessions[0]).connect();
    const [back, absent] = await Promise.all([
      people[0].toldState('waiting', 45000),
      people[1].toldState('idle', 45000)]);
    assert.equal(back.waitingSince, since);
    assert.equal(back.queue.position, 1);
    assert.equal(back.pointsLeft, 15);
    assert.equal(absent.last.reason, 'no_show');
    await call.disconnected;
    await people[0].leave();
    await closeAll(people);
  });
});
