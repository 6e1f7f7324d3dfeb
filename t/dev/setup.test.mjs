// The setup knows what a machine lacks, also one that has never heard of it.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = path.resolve(
  path.dirname(fileURLToPath(import.meta.url)), '../..');
const folder = mkdtempSync(path.join(tmpdir(), 'convo-setup-test-'));

after(() => rmSync(folder, { recursive: true }));

// What is missing on a machine whose package database says `status`.
function missing(name, status) {
  const database = path.join(folder, name);
  mkdirSync(path.join(database, 'info'), { recursive: true });
  mkdirSync(path.join(database, 'updates'));
  writeFileSync(path.join(database, 'status'), status);
  const done = spawnSync(path.join(root, 'dev/setup'), ['missing'], {
    encoding: 'utf8', env: { ...process.env, DPKG_ADMINDIR: database },
  });
  assert.equal(done.status, 0, done.stderr);
  return done.stdout.split('\n').filter(Boolean);
}

function entry(name, state) {
  return `Package: ${name}
Status: ${state}
Maintainer: nobody
Architecture: amd64
Version: 1
Description: a package

`;
}

test('a machine that has never heard of a package lacks all of them', () => {
  const names = missing('empty', '');
  for (const name of ['nginx', 'nginx-dev', 'redis-server', 'chromium', 'wrk']) {
    assert.ok(names.includes(name), name);
  }
  assert.equal(new Set(names).size, names.length);
});

test('what is installed is not missing, what was removed is', () => {
  const all = missing('none', '');
  const names = missing(
    'some', entry('nginx', 'install ok installed')
      + entry('coturn', 'deinstall ok config-files'));
  assert.deepEqual(names, all.filter((name) => name !== 'nginx'));
});
