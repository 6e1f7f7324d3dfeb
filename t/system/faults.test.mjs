// Parts die while people use the system; each case ends as docs/ promises.

import assert from 'node:assert/strict';
import { get } from 'node:http';
import { after, before, test } from 'node:test';

import { signInAll } from '../node/person.mjs';
import { sleep, startStack, until } from '../node/stack.mjs';
import {
  newEventId, participantEvent, sendWebhook,
} from '../node/webhook.mjs';

let stack;

before(async () => {
  stack = await startStack({ CONVO_WORKERS: '2' });
});

after(async () => {
  await stack?.down();
});

// People with open streams, who leave when the test is over.
async function arrive(t, ...names) {
  const people = [];
  t.after(async () => {
    await Promise.all(people.map((person) => person.leave()));
    await Promise.all(people.map((person) => person.close()));
    for (const person of people) {
      assert.equal(person.fellBack, undefined);
    }
  });
  for (let i = 0; i < names.length; i += 8) {
    people.push(...await signInAll(stack, ...names.slice(i, i + 8)));
  }
  people.forEach((person) => person.listen());
  await Promise.all(people.map((person) => person.toldState('idle')));
  return people;
}

async function matched(...people) {
  return Promise.all(
    people.map((person) => person.toldState('matched', 40000)));
}

// A request on a connection of its own: one that a client keeps open may be
// closed by NGINX just as the client sends.
function readOnce(person) {
  return new Promise((resolve) => {
    get(`${stack.env.CONVO_URL}/api/session`, {
      agent: false,
      headers: { Authorization: `Bearer ${person.token}` },
    }, (response) => {
      response.resume().on('end', () => resolve(response.statusCode));
    }).on('error', (error) => resolve(error.code));
  });
}

test('Redis is killed while a user waits: the join is not lost', async (t) => {
  const [ann, bob] = await arrive(t, 'ann', 'bob');
  const { body: joined } = await ann.join();
  await stack.stop('redis');

  const down = await bob.join();
  assert.equal(down.status, 503);
  assert.equal(down.body.code, 'redis_unavailable');

  await stack.start('redis');
  await until('the edge serves again',
    async () => (await ann.call('GET', '/api/session')).status === 200);
  const still = await ann.session();
  assert.equal(still.state, 'waiting');
  assert.equal(still.waitingSince, joined.waitingSince);
  assert.ok(still.version >= joined.version);
  const { streams } = ann;

  await until('bob can join', async () => (await bob.join()).status === 200);
  const [a, b] = await matched(ann, bob);
  assert.equal(a.session.sessionId, b.session.sessionId);
  assert.equal(ann.streams, streams, 'the stream survived');
});

test('Redis is killed outright, comes back by itself, and nobody is lost',
  async (t) => {
    const [ann, bob] = await arrive(t, 'ann', 'bob');
    await ann.join();
    process.kill(await stack.redisPid(), 'SIGKILL');
    await until('bob can join', async () => (await bob.join()).status === 200);
    await matched(ann, bob);
  });

test('NGINX is reloaded with open streams: nothing is dropped', async (t) => {
  const [ann, bob] = await arrive(t, 'ann', 'bob');
  await ann.join();
  const answers = [];
  const reading = (async () => {
    const end = Date.now() + 3000;
    while (Date.now() < end) {
      answers.push(await readOnce(ann));
      await sleep(20);
    }
  })();
  await sleep(200);
  process.kill(Number(stack.env.NGINX_PID), 'SIGHUP');
  await reading;
  assert.deepEqual(answers.filter((answer) => answer !== 200), []);

  await bob.join();
  const [a, b] = await matched(ann, bob);
  assert.equal(a.session.sessionId, b.session.sessionId);
  assert.doesNotMatch(stack.log('edge'), /\[(alert|crit|emerg)\]/);
});

test('LiveKit is down while users wait: they wait, and are matched after',
  async (t) => {
    await stack.stop('livekit');
    const [ann, bob] = await arrive(t, 'ann', 'bob');
    await ann.join();
    await bob.join();
    await sleep(3000);
    for (const person of [ann, bob]) {
      assert.equal((await person.session()).state, 'waiting');
    }
    assert.equal(
      await stack.redis.hget(`{default}:user:${ann.sub}`, 'tries'), '0');

    await stack.start('livekit');
    const [a, b] = await matched(ann, bob);
    assert.equal(a.session.sessionId, b.session.sessionId);
    assert.equal(await stack.redis.xlen('{default}:dead'), 0);
  });

test('a worker is killed while forty join: everyone is matched, once',
  async (t) => {
    const people = await arrive(
      t, ...Array.from({ length: 40 }, (_, i) => `p${i}`));
    const joins = people.map(async (person, i) => {
      await sleep(20 * i);
      return person.join();
    });
    await sleep(300);
    process.kill(Number(stack.env.WORKER_PID), 'SIGKILL');
    await Promise.all(joins);

    const documents = await Promise.all(
      people.map((person) => person.toldState('matched', 60000)));
    const sessions = new Map();
    documents.forEach(({ session, userId }) => {
      sessions.set(session.sessionId,
        [...(sessions.get(session.sessionId) ?? []), userId]);
    });
    assert.equal(sessions.size, 20);
    for (const pair of sessions.values()) {
      assert.equal(new Set(pair).size, 2);
    }
  });

test('webhooks repeated and reordered: the state stays right', async (t) => {
  const [ann, bob] = await arrive(t, 'ann', 'bob');
  await ann.join();
  await bob.join();
  const [{ session }] = await matched(ann, bob);
  const { side } = await stack.redis.hgetall(`{default}:user:${ann.sub}`);
  const other = side === 'a' ? 'b' : 'a';
  const at = Date.now();
  const make = (event, who, psid, ms) => participantEvent(event, {
    room: session.room, sid: session.sessionId, side: who, psid, at: at + ms,
  });
  const send = (event) => sendWebhook(stack.env, event);

  // ann's first participant is told to have gone before it came
  const here = make('participant_joined', side, 'PA_2', 2);
  assert.equal(await send(make('participant_left', side, 'PA_1', 1)), 200);
  assert.equal(await send(here), 200);
  assert.equal(await send(make('participant_joined', side, 'PA_1', 0)), 200);
  assert.equal(await send(make('participant_joined', other, 'PA_3', 3)), 200);
  assert.equal(await send(here), 200);
  assert.equal(await send({ ...here, id: newEventId() }), 200);
  const [live] = await Promise.all(
    [ann, bob].map((person) => person.toldState('live')));
  assert.equal(live.session.sessionId, session.sessionId);

  await bob.leave();
  await Promise.all([ann, bob].map((person) => person.toldState('idle')));
  const { version } = ann.documents.at(-1);
  assert.equal(await send(make('participant_joined', side, 'PA_9', 9)), 200);
  assert.equal(await send({ event: 'room_finished', id: newEventId(),
    createdAt: String(Math.floor(at / 1000)), room: { name: session.room } }),
  200);
  await until('the events are handled',
    async () => await stack.redis.xlen('{default}:livekit') === 0);
  assert.equal((await ann.session()).version, version);
  assert.equal((await ann.history()).filter(
    ({ sessionId }) => sessionId === session.sessionId).length, 1);
});

test('forged webhooks are refused and change nothing', async () => {
  const event = participantEvent('participant_joined', {
    room: `default.${'a'.repeat(26)}`, sid: 'a'.repeat(26), side: 'a',
    psid: 'PA_1', at: Date.now(),
  });
  assert.equal(await sendWebhook(stack.env, event,
    { secret: 'x'.repeat(32) }), 401);
  assert.equal(await sendWebhook(stack.env, event,
    { key: 'stranger' }), 401);
  assert.equal(await sendWebhook(stack.env, event,
    { body: JSON.stringify({ ...event, id: 'EV_other' }) }), 401);
  assert.equal(await stack.redis.exists(`{default}:event:${event.id}`), 0);
});
