// The checker objects to every broken promise: a good recording is spoilt in
// one way at a time. A checker that cannot fail would be worthless, and so
// would one that accuses the good.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { account } from './account.mjs';
import { broken, fine } from './cases.mjs';
import { brokenByLoss, fineByLoss } from './cases_loss.mjs';
import { check, laws } from './checker.mjs';
import { finish, goodStory, lossStory } from './story.mjs';

const STORIES = [
  { name: 'story', tell: goodStory, bad: broken, good: fine },
  { name: 'loss', tell: lossStory, bad: brokenByLoss, good: fineByLoss },
];

function judge(tell, spoil = () => {}) {
  const story = tell();
  spoil(story);
  const run = finish(story);
  return { run, objections: check(run) };
}

// Calls back with each case of each law.
function each(cases, call) {
  for (const [law, list] of Object.entries(cases)) {
    list.forEach(([what, spoil]) => call(law, what, spoil));
  }
}

test('a recording in which all promises held', () => {
  assert.deepEqual(judge(goodStory).objections, []);
});

test('a recording in which all held but what a loss may break', () => {
  assert.deepEqual(judge(lossStory).objections, []);
});

test('every law has been seen to object', () => {
  const seen = new Set([broken, brokenByLoss].flatMap(Object.keys));
  assert.deepEqual([...seen].sort(), Object.keys(laws).sort());
});

for (const { name, tell, bad, good } of STORIES) {
  each(bad, (law, what, spoil) => test(`${name}, ${law}: ${what}`, () => {
    const { run, objections } = judge(tell, spoil);
    assert.ok(objections.some((one) => one.law === law),
      `no objection; others: ${JSON.stringify(objections)}`);
    objections.forEach((one) => assert.match(account(run, one), /law/));
  }));
  each(good, (law, what, spoil) => test(`${name}, ${law}: not ${what}`, () => {
    const { objections } = judge(tell, spoil);
    assert.deepEqual(objections.filter((one) => one.law === law), []);
  }));
}
