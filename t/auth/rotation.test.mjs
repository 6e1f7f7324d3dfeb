// An issuer changes its keys while users come: nobody with a good token is
// refused, however many requests arrive with the new key at once, and the
// issuer is asked a few times only.  NGINX runs as it is shipped, with several
// processes, a cache of keys and one of tokens; the issuer is a small server
// here that takes its time.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createSign, generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { freePort, root } from '../node/redis.mjs';

const ISSUER = 'https://issuer.example/pool';
const CLIENTS = 24;
const ANSWER_MS = 150;      // how long the issuer takes
const VALID_S = 1;          // how long NGINX caches its answer
const READY_MS = 20000;

const dir = mkdtempSync(path.join(tmpdir(), 'convo-rotation-'));
const agent = new http.Agent({ keepAlive: true, maxSockets: 2 * CLIENTS });
let issuer, nginx, url, said = '';

// --- the issuer

function makeKey(kid) {
  const { privateKey, publicKey } = generateKeyPairSync('rsa',
    { modulusLength: 2048 });
  return {
    privateKey,
    jwk: { ...publicKey.export({ format: 'jwk' }), kid, alg: 'RS256',
      use: 'sig' },
  };
}

async function startIssuer() {
  const state = { keys: [makeKey('first')], asked: 0 };
  const server = http.createServer(async (request, response) => {
    state.asked++;
    const body = JSON.stringify({ keys: state.keys.map(({ jwk }) => jwk) });
    await sleep(ANSWER_MS);
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(body);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return Object.assign(state,
    { port: server.address().port, end: () => server.close() });
}

let tokens = 0;

function token({ privateKey, jwk }) {
  const now = Math.floor(Date.now() / 1000);
  const encode = (value) => Buffer.from(JSON.stringify(value))
    .toString('base64url');
  const input = `${encode({ kid: jwk.kid, alg: 'RS256' })}.${encode({
    iss: ISSUER, aud: 'client', token_use: 'id', sub: `user-${tokens++}`,
    iat: now, exp: now + 600,
  })}`;
  return `${input}.${createSign('RSA-SHA256').update(input)
    .sign(privateKey, 'base64url')}`;
}

// --- the edge

function conf(port, keysPort) {
  const modules = (process.env.TEST_NGINX_LOAD_MODULES
    ?? path.join(root, 'build/test/ngx_http_convo_module.so')).split(' ');
  return `
${process.getuid() === 0 ? 'user root;' : ''}
daemon off;
pid ${dir}/nginx.pid;
error_log stderr notice;
worker_processes 3;
${modules.filter(Boolean).map((module) => `load_module ${module};`).join('\n')}
events { }
http {
    access_log off;
    ${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((name) => `${name}_temp_path ${dir}/${name};`).join('\n    ')}
    client_header_buffer_size 4k;
    proxy_cache_path ${dir}/keys keys_zone=keys:1m;
    convo_auth_cache zone=tokens:1m;
    convo_auth_issuer ${ISSUER};
    convo_auth_client client;
    convo_auth_keys_request /keys check=200ms;
    server {
        listen 127.0.0.1:${port} reuseport;
        location / { return 200 "up"; }
        location = /t { convo_auth on; return 200 "$convo_user"; }
        location = /keys {
            internal;
            proxy_pass http://127.0.0.1:${keysPort}/;
            proxy_method $convo_method;
            proxy_set_body $convo_body;
            proxy_pass_request_headers off;
            subrequest_output_buffer_size 64k;
            proxy_cache keys;
            proxy_cache_key $proxy_host$uri;
            proxy_cache_valid 200 ${VALID_S}s;
            proxy_cache_lock on;
            proxy_cache_bypass $convo_keys_refresh;
            proxy_cache_use_stale updating error timeout;
        }
    }
}
`;
}

function get(where, bearer) {
  return new Promise((resolve, reject) => {
    http.get(`${url}${where}`, {
      agent, headers: bearer ? { authorization: `Bearer ${bearer}` } : {},
    }, (response) => {
      let body = '';
      response.on('data', (text) => { body += text; });
      response.on('end', () => resolve({ status: response.statusCode, body }));
    }).on('error', reject);
  });
}

before(async () => {
  issuer = await startIssuer();
  const port = await freePort();
  const file = path.join(dir, 'nginx.conf');
  url = `http://127.0.0.1:${port}`;
  writeFileSync(file, conf(port, issuer.port));
  nginx = spawn(process.env.TEST_NGINX_BINARY ?? 'nginx',
    ['-c', file, '-p', dir, '-e', 'stderr'],
    { stdio: ['ignore', 'ignore', 'pipe'] });
  nginx.stderr.on('data', (text) => { said += text; });
  const until = Date.now() + READY_MS;
  while (!await get('/').catch(() => null)) {
    assert.ok(Date.now() < until, `NGINX does not answer: ${said}`);
    await sleep(50);
  }
});

after(async () => {
  agent.destroy();
  if (nginx?.exitCode === null) {
    nginx.kill('SIGTERM');
    await once(nginx, 'exit');
  }
  issuer?.end();
  rmSync(dir, { recursive: true, force: true });
});

// Every answer of so many at a time, each with a token of its own.
async function burst(key) {
  const answers = await Promise.all(Array.from({ length: CLIENTS },
    () => get('/t', token(key))));
  return answers.filter(({ status }) => status !== 200);
}

test('a key that signs as soon as it is published refuses nobody',
  async (t) => {
    assert.deepEqual(await burst(issuer.keys[0]), []);
    const key = makeKey('second');
    issuer.keys.push(key);
    issuer.asked = 0;
    for (let i = 0; i < 5; i++) {
      assert.deepEqual(await burst(key), [], said);
    }
    t.diagnostic(`the issuer was asked ${issuer.asked} times`);
  });

test('under load keys that are published ahead refuse nobody', async (t) => {
  let signer = issuer.keys.at(-1), going = true, passed = 0;
  const refused = [];
  const load = Array.from({ length: CLIENTS }, async () => {
    while (going) {
      const bearer = token(signer);
      const { status, body } = await get('/t', bearer);
      if (status === 200) {
        passed++;
      } else {
        refused.push({ status, body });
      }
    }
  });

  for (let i = 0; i < 4; i++) {
    const next = makeKey(`next-${i}`);
    issuer.keys.push(next);
    await sleep(4000 * VALID_S);
    signer = next;
    await sleep(500);
    issuer.keys.shift();
  }
  going = false;
  await Promise.all(load);
  t.diagnostic(`${passed} tokens in 4 rotations, none refused`);
  assert.deepEqual(refused, []);
  assert.ok(passed > 100, `only ${passed} tokens`);
});

test('a flood of unknown keys is refused, and the issuer hardly notices',
  async () => {
    const key = makeKey('unknown');
    issuer.asked = 0;
    for (let i = 0; i < 10; i++) {
      key.jwk.kid = `unknown-${i}`;
      assert.equal((await burst(key)).length, CLIENTS);
    }
    // as its own freshness has it asked, and once past the cache
    assert.ok(issuer.asked <= 12, `asked ${issuer.asked} times`);
  });

test('clients that go while they wait leave nothing behind', async () => {
  const key = makeKey('never');
  for (let i = 0; i < 6; i++) {
    const gone = Array.from({ length: CLIENTS }, () => http.get(`${url}/t`,
      { headers: { authorization: `Bearer ${token(key)}` } })
      .on('error', () => {}));
    await sleep(60);
    gone.forEach((request) => request.destroy());
  }
  assert.deepEqual(await burst(issuer.keys.at(-1)), []);
});

test('nothing alarming was logged', () => {
  assert.doesNotMatch(said, /\[(?:alert|crit|emerg)\]|Sanitizer/);
});
