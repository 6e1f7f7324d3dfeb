// Sign-in over HTTP/2, with node's own client: the same decisions, headers
// and users as over HTTP/1.1, for many requests at once on one connection.

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { connect } from 'node:http2';
import path from 'node:path';
import { after, before, test } from 'node:test';

import { startNginx } from '../node/nginx.mjs';
import { CLIENT, idToken, ISSUER, makeKey } from './tokens.mjs';

const PAGE = { accept: 'text/html', 'sec-fetch-mode': 'navigate' };

const key = makeKey('one', 'RS256');
const now = Math.floor(Date.now() / 1000);
const bearer = (more) => (
  { authorization: `Bearer ${idToken(key, now, more)}` });

let nginx;
let client;

before(async () => {
  nginx = await startNginx({
    files: { 'secret.html': 'secret\n' },
    http: ({ dir, port }) => {
      writeFileSync(path.join(dir, 'keys.json'),
        JSON.stringify({ keys: [key.jwk] }));
      return `
    client_header_buffer_size 4k;
    large_client_header_buffers 4 32k;
    convo_auth_issuer ${ISSUER};
    convo_auth_client ${CLIENT};
    convo_auth_keys_file ${dir}/keys.json;
    server {
        listen 127.0.0.1:${port} http2;
        http2_max_concurrent_streams 128;
        root ${dir}/html;
        absolute_redirect off;
        convo_auth on;
        location /t { return 200 "secret of $convo_user\\n"; }
        location = /in { convo_sign_in; }
        location /any { satisfy any; deny all; alias ${dir}/html/; }
        location /page {
            convo_auth_redirect /sign-in?to=$convo_return_uri;
            return 200 "secret\\n";
        }
        location /pushed {
            convo_auth off;
            http2_push /secret.html;
            return 200 "open\\n";
        }
    }`;
    },
  });
  client = connect(nginx.url);
  client.on('error', () => {});
});

after(async () => {
  client?.destroy();
  await nginx?.end();
  nginx?.remove();
});

function get(uri, headers = {}, body) {
  return new Promise((resolve, reject) => {
    const request = client.request(
      { ':path': uri, ':method': body ? 'POST' : 'GET', ...headers });
    let text = '';
    let got;
    request.on('response', (them) => { got = them; });
    request.on('data', (bytes) => { text += bytes; });
    request.on('end', () => resolve(
      { status: got[':status'], headers: got, text }));
    request.on('error', reject);
    request.end(body);
  });
}

test('without a token there is a challenge, with one the user', async () => {
  const refused = await get('/t');
  assert.equal(refused.status, 401);
  assert.equal(refused.headers['www-authenticate'], 'Bearer');
  assert.equal(refused.headers['content-type'], 'application/problem+json');
  assert.match(refused.text, /"missing_token"/);

  const expired = await get('/t', bearer({ exp: 1 }));
  assert.equal(expired.status, 401);
  assert.match(expired.headers['www-authenticate'],
    /^Bearer error="invalid_token", error_description="The token has expired/);

  const passed = await get('/t', bearer());
  assert.equal(passed.status, 200);
  assert.equal(passed.text, 'secret of user-1\n');
});

test('a file, and a file under "satisfy any", are protected', async () => {
  for (const uri of ['/secret.html', '/any/secret.html']) {
    const refused = await get(uri);
    assert.equal(refused.status, 401);
    assert.doesNotMatch(refused.text, /secret/);
    assert.equal((await get(uri, bearer())).text, 'secret\n');
  }
});

test('a page leads to the sign-in page, a call of an API does not',
  async () => {
    const page = await get('/page?a=b', PAGE);
    assert.equal(page.status, 302);
    assert.equal(page.headers.location, '/sign-in?to=%2Fpage%3Fa%3Db');
    assert.equal((await get('/page', { accept: '*/*' })).status, 401);
  });

test('a refused body does not hold up the connection', async () => {
  const refused = await get('/t', {}, 'x'.repeat(200000));
  assert.equal(refused.status, 401);
  assert.equal((await get('/t', bearer())).status, 200);
});

test('of a hundred requests at once each is its own user\'s', async () => {
  const users = Array.from({ length: 100 }, (_, i) => `user-${i}`);
  const answers = await Promise.all(users.map((sub, i) =>
    get('/t', i % 3 ? bearer({ sub }) : {})));
  answers.forEach(({ status, text }, i) => {
    assert.equal(status, i % 3 ? 200 : 401);
    if (i % 3) {
      assert.equal(text, `secret of user-${i}\n`);
    }
  });
});

test('what is pushed is asked for without a token, and refused', async () => {
  const pushed = new Promise((resolve) => {
    client.once('stream', (stream) => {
      let text = '';
      let status;
      stream.on('push', (headers) => { status = headers[':status']; });
      stream.on('data', (bytes) => { text += bytes; });
      stream.on('end', () => resolve({ status, text }));
    });
  });
  assert.equal((await get('/pushed', bearer())).text, 'open\n');
  const { status, text } = await pushed;
  assert.equal(status, 401);
  assert.doesNotMatch(text, /secret/);
});

test('two Authorization headers, or one of 16 KB, let nobody in', async () => {
  const good = idToken(key, now);
  const twice = await get('/t', { authorization: [`Bearer ${good}`,
    `Bearer ${good}`] }).catch((error) => ({ status: 400, error }));
  assert.equal(twice.status, 400);

  const long = await get('/t',
    { authorization: `Bearer ${'a'.repeat(17000)}` });
  assert.equal(long.status, 401);
});

test('a sign-in ends also where the client opens its window late', async () => {
  const late = connect(nginx.url, { settings: { initialWindowSize: 0 } });
  await new Promise((resolve) => { late.on('remoteSettings', resolve); });

  const request = late.request(
    { ':path': '/in', ':method': 'POST', ...bearer() });
  const got = await new Promise((resolve, reject) => {
    request.on('response', resolve).on('error', reject).end();
  });
  assert.equal(got[':status'], 200);

  let text = '';
  const ended = new Promise((resolve, reject) => {
    request.on('data', (bytes) => { text += bytes; });
    request.on('end', resolve).on('error', reject);
    setTimeout(() => reject(new Error('it does not end')), 5000).unref();
  });
  late.settings({ initialWindowSize: 65535 });
  await ended;
  assert.match(text, /^\{"expiresAt":\d+\}$/);
  late.destroy();
});
