// Every script's declared keys and arguments are those it uses, it loads in a
// real Redis, and it names no key of its own making.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';

import { root, scriptNames, scriptText, startRedis } from '../node/redis.mjs';

let server;
let client;

before(async () => {
  server = await startRedis();
  client = server.client();
});

after(async () => {
  client.disconnect();
  await server.stop();
});

function declared(source, what) {
  const pattern = new RegExp(
    `^-- ${what}:(.*(?:\\n--       \\S.*)*)`, 'm');
  const match = pattern.exec(source);
  assert.ok(match, `declares ${what}`);
  const list = match[1].replaceAll('\n--', ' ').trim();
  return list === '' ? [] : list.split(/\s+/);
}

function highest(source, what) {
  const used = [...source.matchAll(new RegExp(`${what}\\[(\\d+)\\]`, 'g'))];
  return Math.max(0, ...used.map((match) => Number(match[1])));
}

for (const name of scriptNames()) {
  test(`${name}: loads, and uses what it declares`, async () => {
    const file = path.join(root, 'libconvo/scripts', `${name}.lua`);
    const source = readFileSync(file, 'utf8');
    const { body, sha } = scriptText(name);

    assert.equal(await client.script('LOAD', body), sha);
    assert.match(source, /^-- returns {3}/m);

    for (const what of ['KEYS', 'ARGV']) {
      const names = declared(source, what);
      if (names.at(-1) !== '...') {
        assert.equal(highest(body, what), names.length, what);
      }
    }
  });

  test(`${name}: makes no key itself`, () => {
    const { body } = scriptText(name);
    assert.doesNotMatch(body, /['"]\{/);
    assert.doesNotMatch(body, /KEYS\[\d+\]\s*\.\./);
  });
}
