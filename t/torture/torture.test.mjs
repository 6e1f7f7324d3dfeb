// One seed of the torture test; `make torture` runs others, and docs/torture.md
// says how to read what it finds.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { outcome, report, torture } from './main.mjs';

const SECONDS = 60;
const SEED = '7';

test(`${SECONDS} s of faults with seed ${SEED}: every promise holds`,
  async () => {
    const { whole, objections, dir } = await torture(
      { seconds: SECONDS, seed: SEED }, console.log);
    console.log(outcome(whole));
    if (objections.length) {
      console.log(report(whole, objections));
    }
    assert.equal(objections.length, 0, `see ${dir}`);
  });
