// Pairs of people who are matched on a stack, for tests that run side by
// side: one pair after the other joins, as whoever joins is matched with
// whoever waits.

import assert from 'node:assert/strict';

import { signInAll } from './person.mjs';

let last = Promise.resolve();

async function matchTwo(stack) {
  const people = await signInAll(stack, 'ann', 'bob');
  people.forEach((person) => person.listen());
  for (const person of people) {
    await person.join();
  }
  const documents = await told(people, 'matched');
  const sessions = documents.map(({ session }) => session);
  assert.equal(sessions[0].sessionId, sessions[1].sessionId);
  return { people, sessions };
}

// Two people with open streams, and the session as each of them was told it.
export function meet(stack) {
  const meeting = last.then(() => matchTwo(stack));
  last = meeting.catch(() => {});
  return meeting;
}

export function told(people, state, timeoutMs) {
  return Promise.all(
    people.map((person) => person.toldState(state, timeoutMs)));
}

export async function closeAll(people) {
  await Promise.all(people.map((person) => person.close()));
  for (const person of people) {
    assert.equal(person.fellBack, undefined);
  }
}
