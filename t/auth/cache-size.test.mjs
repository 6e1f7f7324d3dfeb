// A zone of 8 MB holds 100,000 verified tokens, all of them real: each is
// signed here, verified by NGINX, and known when it comes again; the process by
// itself remembers those that came again, in its bounds.

import assert from 'node:assert/strict';
import { generateKeyPairSync, sign } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:net';
import { after, before, test } from 'node:test';

import { startNginx } from '../node/nginx.mjs';

const TOKENS = 100_000;
const AGAIN = 5_000;
const BATCH = 500;
const FRONT = 1024 * 1024;
const ISSUER = 'https://issuer.example/pool';

const key = generateKeyPairSync('ed25519');
const exp = Math.floor(Date.now() / 1000) + 86400;
let nginx;

const encode = (value) => Buffer.from(JSON.stringify(value))
  .toString('base64url');
const header = encode({ alg: 'EdDSA', kid: 'key' });

function token(n) {
  const input = `${header}.${encode({
    iss: ISSUER, aud: 'client', token_use: 'id', sub: `user-${n}`, exp,
  })}`;
  return `${input}.${sign(null, Buffer.from(input), key.privateKey)
    .toString('base64url')}`;
}

// Sends the tokens first to last - 1 over one connection, in batches, and
// gives how many were let in.
async function send(first, last) {
  const socket = connect(nginx.port, '127.0.0.1');
  await once(socket, 'connect');
  let letIn = 0;
  for (let n = first; n < last; n += BATCH) {
    const batch = Array.from({ length: BATCH }, (_, i) =>
      `GET /t HTTP/1.1\r\nHost: t\r\nAuthorization: Bearer ${
        token(n + i)}\r\n\r\n`);
    socket.write(batch.join(''));
    let text = '';
    while (text.split('HTTP/1.1 ').length <= BATCH || !text.endsWith('\n')) {
      text += (await once(socket, 'data'))[0];
    }
    letIn += text.split('HTTP/1.1 200').length - 1;
  }
  socket.destroy();
  return letIn;
}

async function metric(name) {
  const text = await (await fetch(`${nginx.url}/metrics`)).text();
  return Number(text.split('\n').find((line) => line.startsWith(`${name} `))
    .split(' ')[1]);
}

before(async () => {
  const jwk = { ...key.publicKey.export({ format: 'jwk' }), kid: 'key',
    alg: 'EdDSA', use: 'sig' };
  nginx = await startNginx({
    level: 'notice',
    files: { 'keys.json': JSON.stringify({ keys: [jwk] }) },
    http: ({ dir, port }) => `
    keepalive_requests 1000000;
    convo_auth_issuer ${ISSUER};
    convo_auth_client client;
    convo_auth_keys_file ${dir}/html/keys.json;
    convo_auth_cache zone=tokens:8m front=1m;
    server {
        listen 127.0.0.1:${port};
        location = /t { convo_auth on; return 200 "in\\n"; }
        location = /metrics { convo_metrics; }
    }`,
  });
});

after(async () => {
  await nginx?.end();
  nginx?.remove();
});

test('100,000 tokens are verified and kept in 8 MB', async () => {
  assert.equal(await send(0, TOKENS), TOKENS);
  assert.equal(await metric('convo_auth_cache_total{result="miss"}'), TOKENS);
  assert.equal(await metric('convo_auth_cache_tokens'), TOKENS);
  assert.equal(await metric('convo_auth_cache_evicted_total{from="zone"}'), 0);
  assert.equal(await metric('convo_auth_front_tokens'), 0);
});

test('the oldest of them are known when they come again', async () => {
  assert.equal(await send(0, AGAIN), AGAIN);
  assert.equal(await metric('convo_auth_cache_total{result="hit"}'), AGAIN);
  assert.equal(await metric('convo_auth_cache_total{result="miss"}'), TOKENS);
});

test('what the process remembers by itself stayed in its bounds', async () => {
  const bytes = await metric('convo_auth_front_bytes');
  const [tokens, evicted] = [await metric('convo_auth_front_tokens'),
    await metric('convo_auth_cache_evicted_total{from="front"}')];
  assert.ok(bytes <= FRONT && bytes > FRONT * 0.9, `${bytes} bytes`);
  assert.ok(tokens > 500, `${tokens} tokens`);
  assert.equal(tokens + evicted, AGAIN);
});
