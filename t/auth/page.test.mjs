// docs/protect-with-cognito.md works when it is pasted: its block, with no
// more than names, ports and the trusted certificate changed, lets in who has
// a token of the pool, and nobody else. The pool's keys come by TLS from a
// server of ours.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:https';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { startNginx } from '../node/nginx.mjs';
import { root } from '../node/redis.mjs';
import { idToken, makeKey } from './tokens.mjs';

const page = readFileSync(
  path.join(root, 'docs/protect-with-cognito.md'), 'utf8');
const [, block] = /```nginx\n(.*?)```/s.exec(page);
const [, iss] = /convo_auth_issuer (\S+);/.exec(block);
const [, aud] = /convo_auth_client (\S+);/.exec(block);

const key = makeKey('pool', 'RS256');
const now = Math.floor(Date.now() / 1000);
const token = (more, by = key) => idToken(by, now, { iss, aud, ...more });

let dir;
let pool;
let asked = [];
let answer = () => true;        // whether the n-th asked is answered
let nginx;

// A certificate of "localhost" by itself, as text.
function certify(file) {
  execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes',
    '-subj', `/CN=${file}`, '-addext', 'subjectAltName=DNS:localhost',
    '-keyout', path.join(dir, `${file}.key`), '-days', '2',
    '-out', path.join(dir, `${file}.crt`)], { stdio: 'ignore' });
}

function startPool() {
  pool = createServer({
    key: readFileSync(path.join(dir, 'pool.key')),
    cert: readFileSync(path.join(dir, 'pool.crt')),
  }, (request, response) => {
    asked.push(`${request.method} ${request.url}`);
    if (answer(asked.length)) {
      response.end(JSON.stringify({ keys: [key.jwk] }));
    }
  });
  return new Promise((resolve) => pool.listen(0, '127.0.0.1', resolve));
}

function start(trusted) {
  return startNginx({
    http: ({ port }) => block
      .replace('listen 8080', `listen 127.0.0.1:${port}`)
      .replace(/proxy_pass https:\/\/[^/]+/,
        `proxy_pass https://localhost:${pool.address().port}`)
      .replace(/(proxy_ssl_trusted_certificate) \S+;/,
        `$1 ${path.join(dir, trusted)};`),
  });
}

before(async () => {
  dir = mkdtempSync(path.join(tmpdir(), 'convo-page-'));
  certify('pool');
  certify('stranger');
  await startPool();
  nginx = await start('pool.crt');
});

after(async () => {
  await nginx?.end();
  nginx?.remove();
  pool?.close();
  pool?.closeAllConnections();
  rmSync(dir, { recursive: true, force: true });
});

const get = async (bearer, init = {}, uri = '/private/') => {
  const headers = bearer ? { Authorization: `Bearer ${bearer}` } : {};
  const response = await fetch(`${nginx.url}${uri}`, { headers, ...init });
  return { status: response.status, text: await response.text(),
    challenge: response.headers.get('www-authenticate') };
};

test('it is ten lines in a server', () => {
  const lines = block.trim().split('\n').map((line) => line.trim());
  assert.deepEqual([lines[0], lines[1], lines.at(-1)],
    ['server {', 'listen 8080;', '}']);
  assert.equal(lines.slice(2, -1).filter(Boolean).length, 10);
});

test('nobody without a token gets in', async () => {
  const { status, text, challenge } = await get();
  assert.equal(status, 401);
  assert.equal(challenge, 'Bearer');
  assert.doesNotMatch(text, /Hello/);
});

test('a user of the pool gets in, also by the first request, a POST',
  async () => {
    const { status, text } = await get(token(),
      { method: 'POST', body: 'x'.repeat(10000) });
    assert.equal(text, 'Hello, user-1\n');
    assert.equal(status, 200);
    assert.equal((await get(token())).text, 'Hello, user-1\n');
    assert.deepEqual(asked,
      [`GET ${new URL(iss).pathname}/.well-known/jwks.json`]);
  });

test('nobody else\'s token does', async () => {
  for (const other of [
    token({}, makeKey('pool', 'RS256')), token({ exp: now - 60 }),
    token({ aud: 'other' }), token({ iss: `${iss}x` }),
    token({ token_use: 'access', client_id: aud }), 'rubbish',
  ]) {
    const { status, text, challenge } = await get(other);
    assert.equal(status, 401);
    assert.match(challenge, /^Bearer error="invalid_token"/);
    assert.doesNotMatch(text, /Hello/);
  }
});

test('the keys are not for everybody to ask for', async () => {
  assert.equal((await get(token(), {}, '/cognito-keys')).status, 404);
});

// Another process, which has no keys yet, and what the pool does.
async function startAgain(trusted, answers = () => true) {
  await nginx.end();
  nginx.remove();
  asked = [];
  answer = answers;
  nginx = await start(trusted);
}

test('of a crowd before there are keys one asks, and a pool that hangs is 503',
  async () => {
    await startAgain('pool.crt', () => false);
    const junk = token().replace(/[^.]*$/, 'AAAA');
    const all = await Promise.all(Array.from({ length: 100 },
      () => get(junk)));
    assert.deepEqual([...new Set(all.map(({ status }) => status))], [503]);
    assert.ok(asked.length >= 1 && asked.length < 10,
      `the pool was asked ${asked.length} times`);
  });

test('when who asks for the first keys goes, who waits for them asks',
  async () => {
    await startAgain('pool.crt', (n) => n > 1);
    const leaving = new AbortController();
    const gone = assert.rejects(get(token(), { signal: leaving.signal }));
    while (asked.length === 0) await sleep(10);
    const others = Array.from({ length: 20 }, () => get(token()));
    await sleep(100);
    leaving.abort();
    await gone;
    for (const { text } of await Promise.all(others)) {
      assert.equal(text, 'Hello, user-1\n');
    }
    assert.equal(asked.length, 2);
  });

test('keys of who is not trusted let nobody in', async () => {
  await startAgain('stranger.crt');
  const { status, text } = await get(token());
  assert.equal(status, 503);
  assert.match(text, /keys_unavailable/);
});

test('each further line is taken where it says', async () => {
  const lines = [...page.matchAll(/^\| `(.*;)` \| (\(in `http`\))?/gm)];
  assert.ok(lines.length > 5);
  await nginx.end();
  nginx.remove();
  nginx = await startNginx({
    http: ({ port }) => {
      const inside = lines.filter(([, , isHttp]) => !isHttp)
        .map(([, line]) => line);
      const outside = lines.filter(([, , isHttp]) => isHttp)
        .map(([, line]) => line);
      const locations = inside.map((line, i) =>
        `location /private/${i} { convo_auth on; ${line} return 200; }`);
      return `${outside.join('\n')}\n${block
        .replace('listen 8080', `listen 127.0.0.1:${port}`)
        .replace(/proxy_pass https:\/\/[^/]+/, 'proxy_pass http://127.0.0.1:1')
        .replace(/\}\n$/, `${locations.join('\n')}\n}\n`)}`;
    },
  });
  assert.equal((await get()).status, 401);
});
