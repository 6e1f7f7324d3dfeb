// No byte of a token is logged. Tokens of every fate, from every place, go to
// an NGINX whose logs and upstreams are then searched for any 16 bytes in a
// row of any of their parts.
//
// NGINX itself writes what it reads to error.log at the level "debug", where
// it was built with it; there our own lines are searched. And NGINX writes the
// request line where a log format, or an error, asks for it: whoever turns
// "query=" on has tokens in his logs, which the last test shows.

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, test } from 'node:test';

import { startNginx } from '../node/nginx.mjs';
import { Asker } from './ask.mjs';
import {
  base64url, claims, CLIENT, compact, hmac, idToken, ISSUER, makeKey,
} from './tokens.mjs';

const WINDOW = 16;

const key = makeKey('one', 'RS256');
const evil = makeKey('one', 'RS256');
const now = Math.floor(Date.now() / 1000);
const good = idToken(key, now);
const [head, payload, signature] = good.split('.');
const signed = (more) => compact(JSON.stringify({ alg: 'RS256', kid: 'one' }),
  JSON.stringify({ ...claims(now), ...more }), key);

const TOKENS = {
  good,
  'of another key': idToken(evil, now),
  'of an unknown key': idToken(makeKey('two', 'RS256'), now),
  expired: signed({ exp: 1 }),
  'not yet valid': signed({ nbf: now + 9000 }),
  'of another issuer': signed({ iss: 'https://other.example/a-long-name' }),
  'for another client': signed({ aud: 'another-client-with-a-long-name' }),
  'without what is required': signed({ email_verified: false }),
  'with a subject that is none': signed({ sub: 'a\r\nline of another header' }),
  'with a claim twice': compact('{"alg":"RS256","kid":"one"}',
    '{"sub":"one-of-two-names","sub":"two-of-two-names"}', key),
  'that is no JSON': compact('{"alg":"RS256","kid":"one"}',
    'neither object nor JSON at all', key),
  'without algorithm': `${base64url('{"alg":"none","kid":"one"}')}.${payload}.`,
  'signed with HMAC': (() => {
    const input = `${base64url('{"alg":"HS256","kid":"one"}')}.${payload}`;
    return `${input}.${base64url(hmac('secret', input))}`;
  })(),
  'with a critical header': compact(
    '{"alg":"RS256","kid":"one","crit":["a-long-extension-name"]}', '{}', key),
  'cut off': good.slice(0, -40),
  'of two parts': `${head}.${payload}`,
  'of four parts': `${good}.${head}`,
  'with padding': `${good}==`,
  'with foreign characters': `${head}.${payload}%00"'<${signature}`,
  'of 16 KB': signed({ pad: 'pad-'.repeat(2750) }),
  'of 20 KB': signed({ pad: 'pad-'.repeat(3700) }),
};

let nginx;

afterEach(async () => {
  await nginx?.end();
  nginx?.remove();
  nginx = undefined;
});

function start(level) {
  return startNginx({
    level,
    files: { 'page.html': 'page\n' },
    http: ({ dir, port }) => {
      writeFileSync(path.join(dir, 'keys.json'),
        JSON.stringify({ keys: [key.jwk] }));
      return `
    client_header_buffer_size 4k;
    large_client_header_buffers 4 32k;
    log_format all '$status $convo_user $convo_auth_error $convo_claim_email '
                   '$convo_auth_cache $request';
    log_format upstream '$http_x_user $http_x_error $http_x_claims $request';
    log_subrequest on;
    convo_auth_cache zone=tokens:1m;
    convo_auth_issuer ${ISSUER};
    convo_auth_client ${CLIENT};
    convo_auth_keys_file ${dir}/keys.json;
    convo_auth_require email_verified=true;
    convo_auth_token header cookie=__Host-convo;
    server {
        listen 127.0.0.1:${port};
        root ${dir}/html;
        access_log ${dir}/logs/access.log all;
        convo_auth on;
        location /upstream {
            convo_auth off;
            access_log ${dir}/logs/upstream.log upstream;
            return 200 "$http_authorization$http_cookie\\n";
        }
        location /t {
            proxy_set_header Authorization "";
            proxy_set_header Cookie "";
            proxy_set_header X-User $convo_user;
            proxy_set_header X-Error $convo_auth_error;
            proxy_set_header X-Claims "$convo_claim_email $convo_claim_jti";
            proxy_pass http://127.0.0.1:${port}/upstream;
        }
        location /any { satisfy any; deny all; try_files /page.html =404; }
        location /query {
            convo_auth_token query=token;
            convo_auth_require email=ann@example.com;
            try_files /page.html =404;
        }
    }`;
    },
  });
}

// Every token in the header and in the cookie; what came back.
async function send(asker) {
  const told = [];
  for (const token of Object.values(TOKENS)) {
    for (const uri of ['/t', '/t', '/any', '/nothing']) {
      told.push(
        await asker.get(uri, `Authorization: Bearer ${token}`),
        await asker.get(uri, `Cookie: a=b; __Host-convo=${token}`,
          'Sec-Fetch-Site: same-origin'));
    }
  }
  asker.close();
  return told;
}

// Each 16 bytes in a row of a token, with the token's name.
const BYTES = new Map(Object.entries(TOKENS).flatMap(([name, token]) =>
  token.split('.').flatMap((part) =>
    Array.from({ length: Math.max(0, part.length - WINDOW + 1) },
      (_, i) => [part.slice(i, i + WINDOW), name]))));

// The first of them in a text.
function find(text) {
  for (let i = 0; i + WINDOW <= text.length; i++) {
    const bytes = text.slice(i, i + WINDOW);
    if (BYTES.has(bytes)) {
      return `of a token ${BYTES.get(bytes)}: ${bytes}`;
    }
  }
  return undefined;
}

// What NGINX's own code writes at the level "debug" of what it reads.
const NGINX_DEBUG = new RegExp(['http header: "', 'http cookie: "',
  'http alloc large header', 'http proxy header: ', 'http script',
  'parse header: "', 'http process request'].join('|'));

for (const level of ['info', 'debug']) {
  test(`no token is in a log or an upstream's header at the level ${level}`,
    async () => {
      nginx = await start(level);
      const told = await send(new Asker(nginx.port));
      assert.deepEqual([...new Set(told.map(({ status }) => status))].sort(),
        [200, 401, 403, 404]);
      told.forEach(({ body, headers }) =>
        assert.equal(find(body + JSON.stringify(headers)), undefined));
      await nginx.end();

      const logs = nginx.logs();
      assert.deepEqual(Object.keys(logs).sort(),
        ['access.log', 'error.log', 'upstream.log']);
      for (const [name, bytes] of Object.entries(logs)) {
        const lines = bytes.toString('latin1').split('\n').filter((line) =>
          !(line.includes('[debug]') && NGINX_DEBUG.test(line)));
        assert.ok(lines.length > 2, `${name} is empty`);
        assert.equal(find(lines.join('\n')), undefined, name);
      }
      const own = logs['error.log'].toString('latin1').split('\n')
        .filter((line) => line.includes('convo '));
      assert.ok(own.some((line) => line.includes('convo auth: refused')));
      assert.equal(find(own.join('\n')), undefined);
    });
}

test('a token in a query is in the request line that NGINX logs, so that '
  + '"query=" is off unless it is turned on', async () => {
  nginx = await start('info');
  const asker = new Asker(nginx.port);
  assert.equal((await asker.get(`/t?token=${good}`)).status, 401);
  assert.equal((await asker.get(`/query?token=${good}`)).status, 200);
  asker.close();
  await nginx.end();
  const { 'access.log': access, 'error.log': error } = nginx.logs();
  assert.notEqual(find(access.toString()), undefined);
  const own = error.toString().replace(/, client: .*/g, '');
  assert.equal(find(own), undefined);
});
