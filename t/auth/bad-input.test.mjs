// Each attack on a token that is known, by its name. A token of it is a clear
// 401 invalid_token (400 where NGINX itself says so): never a pass, never a
// 5xx, never a crash, and the true token, which is in the cache of verified
// tokens all the while, is let in before and after.

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, afterEach, before, beforeEach, test } from 'node:test';

import { startNginx } from '../node/nginx.mjs';
import { Asker } from './ask.mjs';
import {
  base64url, claims, CLIENT, compact, hmac, idToken, ISSUER, makeKey, sign,
} from './tokens.mjs';

const LEEWAY_S = 60;
const TOKEN_MAX = 16384;

const rsa = makeKey('rsa', 'RS256');
const ec = makeKey('ec', 'ES256');
const ed = makeKey('ed', 'EdDSA');
const evil = makeKey('rsa', 'RS256');
const keys = [rsa, ec, ed];
const now = () => Math.floor(Date.now() / 1000);
const GOOD = idToken(rsa, now());
const [HEADER, PAYLOAD, SIGNATURE] = GOOD.split('.');

const json = (value) => JSON.stringify(value);
const header = (more, key = rsa) =>
  json({ alg: key.alg, kid: key.kid, ...more });
const payload = (more) => json({ ...claims(now()), ...more });
const token = (more, key = rsa) => compact(header({}, key), payload(more), key);

// Signed as it stands, whatever the parts are.
const signed = (input, key = rsa) =>
  `${input}.${base64url(sign(key, Buffer.from(input, 'latin1')))}`;

// The claims as a text, with this put into it.
const withText = (text) =>
  compact(header(), Buffer.from(payload().replace('{', `{${text},`), 'latin1'),
    rsa);

let nginx;
let asker;

before(async () => {
  nginx = await startNginx({
    http: ({ dir, port }) => {
      writeFileSync(path.join(dir, 'keys.json'),
        json({ keys: keys.map(({ jwk }) => jwk) }));
      return `
    client_header_buffer_size 4k;
    large_client_header_buffers 4 20k;
    keepalive_requests 1000000;
    convo_auth_issuer ${ISSUER};
    convo_auth_client ${CLIENT};
    convo_auth_keys_file ${dir}/keys.json;
    convo_auth_algorithms RS256 ES256 EdDSA;
    convo_auth_leeway ${LEEWAY_S}s;
    convo_auth_cache zone=tokens:1m;
    add_header X-Why "$convo_auth_error" always;
    server {
        listen 127.0.0.1:${port};
        location / { convo_auth on; return 200 "in\\n"; }
        location /issuer {
            convo_auth on;
            convo_auth_issuer ${ISSUER}x;
            return 200 "in\\n";
        }
        location /client {
            convo_auth on;
            convo_auth_client other;
            return 200 "in\\n";
        }
        location /use {
            convo_auth on;
            convo_auth_token_use access;
            return 200 "in\\n";
        }
        location /algorithm {
            convo_auth on;
            convo_auth_algorithms ES256;
            return 200 "in\\n";
        }
        location /require {
            convo_auth on;
            convo_auth_require plan=pro;
            return 200 "in\\n";
        }
        location /provider {
            convo_auth on;
            convo_auth_identity_provider Google;
            return 200 "in\\n";
        }
    }`;
    },
  });
  asker = new Asker(nginx.port);
});

after(async () => {
  asker?.close();
  const code = await nginx?.end();
  const logs = nginx?.logs()['error.log'].toString() ?? '';
  nginx?.remove();
  assert.equal(code, 0);
  assert.doesNotMatch(logs, /\[(alert|crit|emerg)\]|Sanitizer|runtime error/);
});

const ask = (text, uri = '/') =>
  asker.get(uri, `Authorization: Bearer ${text}`);

async function letsInTheTrueOne() {
  for (let i = 0; i < 2; i++) {
    assert.equal((await ask(GOOD)).status, 200);
  }
}

beforeEach(letsInTheTrueOne);
afterEach(letsInTheTrueOne);

// All of them are refused, for one of these reasons.
async function refused(tokens, ...reasons) {
  assert.ok(tokens.length > 0);
  for (const text of tokens) {
    for (let i = 0; i < 2; i++) {
      const { status, headers, body } = await ask(text);
      const told = `${status} ${headers['x-why']} ${text.slice(0, 2000)}`;
      assert.equal(status, 401, told);
      assert.match(headers['www-authenticate'],
        /^Bearer error="invalid_token", error_description="[^"]+"$/, told);
      assert.match(body, /"code":"invalid_token"/, told);
      assert.ok(reasons.includes(headers['x-why']), told);
    }
  }
}

async function taken(...tokens) {
  for (const text of tokens) {
    const { status, headers } = await ask(text);
    assert.equal(status, 200, `${headers['x-why']} ${text.slice(0, 2000)}`);
  }
}

test('the keys and algorithms that the attacks are about do let in', () =>
  taken(...keys.map((key) => idToken(key, now()))));

test('"alg" none, in all cases of letters', () => {
  const spellings = Array.from({ length: 16 }, (_, bits) =>
    [...'none'].map((letter, i) =>
      (bits >> i & 1 ? letter.toUpperCase() : letter)).join(''));
  const heads = [...spellings, '', ' none', 'none '].flatMap((alg) =>
    [{ alg }, { alg, kid: undefined }].map((more) => base64url(header(more))));
  return refused(heads.flatMap((head) => [
    `${head}.${PAYLOAD}.`, `${head}.${PAYLOAD}.${SIGNATURE}`,
    `${head}.${PAYLOAD}.AA`, `${head}.${PAYLOAD}`,
    signed(`${head}.${PAYLOAD}`),
  ]), 'malformed', 'algorithm', 'unknown_key');
});

for (const [form, secrets] of Object.entries({
  PEM: ({ publicKey }) => {
    const pem = publicKey.export({ type: 'spki', format: 'pem' });
    return [pem, pem.trim(), pem.replaceAll('\n', '\r\n'),
      pem.replace(/-----.*?-----|\n/g, '')];
  },
  DER: ({ publicKey }) => [publicKey.export({ type: 'spki', format: 'der' })],
  JWK: ({ jwk }) => [json(jwk), json({ keys: [jwk] }), jwk.n ?? jwk.x,
    Buffer.from(jwk.n ?? jwk.x, 'base64url')],
})) {
  test(`HMAC with the public key in ${form} form`, () =>
    refused(keys.flatMap((key) => secrets(key).flatMap((secret) =>
      ['HS256', 'HS384', 'HS512', key.alg].map((alg) => {
        const input = `${base64url(header({ alg }, key))}.${PAYLOAD}`;
        return `${input}.${base64url(hmac(secret, input))}`;
      }))), 'algorithm', 'signature'));
}

test('an algorithm of another family than the key', () => {
  const algorithms = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512',
    'ES256', 'ES384', 'ES512', 'ES256K', 'EdDSA', 'Ed448', 'HS256', 'RSA-OAEP',
    'dir', 'A128GCM', 'rs256', 'RS256 '];
  return refused(keys.flatMap((key) => algorithms
    .filter((alg) => alg !== key.alg)
    .flatMap((alg) => {
      const input
        = `${base64url(header({ alg }, key))}.${base64url(payload())}`;
      const sameKind = key.alg === 'RS256'
        && /^[RP]S\d+$/.test(alg);
      return keys.map((by) => `${input}.${base64url(sign(
        by, Buffer.from(input), by === key && sameKind ? alg : by.alg))}`);
    })), 'algorithm');
});

test('"crit", whatever is critical', async () => {
  const criticals = [['exp'], ['b64'], [], ['alg', 'kid'], 'exp', null, true, {},
    ['x'.repeat(99)]];
  await refused(criticals.map((crit) =>
    compact(header({ crit, exp: 1 }), payload(), rsa)), 'critical_header');
  await refused([true, false].map((b64) =>
    compact(header({ b64 }), payload(), rsa)), 'malformed');
});

for (const [name, values] of Object.entries({
  jwk: [evil.jwk, { ...evil.jwk, kid: 'other' }, rsa.jwk, null],
  jku: ['http://127.0.0.1:1/keys', 'file:///etc/passwd', `${ISSUER}/keys`],
  x5u: ['http://127.0.0.1:1/certificate', 'https://evil.example/'],
  x5c: [['AAAA'], [evil.publicKey.export({ type: 'spki', format: 'der' })
    .toString('base64')], []],
})) {
  test(`a key that the token brings along in "${name}"`, () =>
    refused(values.flatMap((value) => [
      compact(header({ [name]: value }), payload(), evil),
      compact(header({ [name]: value, kid: 'other' }), payload(), evil),
      compact(header({ [name]: value, kid: undefined }), payload(), evil),
    ]), 'signature', 'unknown_key'));
}

test('ES256 with a zero r or s, or one as large as the order', () => {
  const order = Buffer.from(
    'ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551', 'hex');
  const zero = Buffer.alloc(32);
  const one = Buffer.concat([Buffer.alloc(31), Buffer.from([1])]);
  const ones = Buffer.alloc(32, 255);
  const good = token({}, ec);
  const input = good.slice(0, good.lastIndexOf('.'));
  const raw = Buffer.from(good.slice(input.length + 1), 'base64url');
  const [r, s] = [raw.subarray(0, 32), raw.subarray(32)];
  const pairs = [zero, one, order, ones].flatMap((odd) =>
    [[odd, s], [r, odd], [odd, odd], [zero, odd], [odd, zero]]);
  return refused(pairs.map((pair) =>
    `${input}.${base64url(Buffer.concat(pair))}`), 'signature');
});

test('ES256 in DER, cut off, or drawn out', () => {
  const good = token({}, ec);
  const input = good.slice(0, good.lastIndexOf('.'));
  const raw = Buffer.from(good.slice(input.length + 1), 'base64url');
  const der = Buffer.concat([Buffer.from([0x30, 70, 2, 33, 0]),
    raw.subarray(0, 32), Buffer.from([2, 33, 0]), raw.subarray(32)]);
  return refused([
    der, raw.subarray(0, 63), raw.subarray(1), Buffer.concat([raw, raw]),
    Buffer.concat([Buffer.alloc(1), raw]),
    Buffer.concat([raw, Buffer.alloc(1)]),
    Buffer.concat([Buffer.alloc(16), raw.subarray(0, 32), Buffer.alloc(16),
      raw.subarray(32)]),
  ].map((bytes) => `${input}.${base64url(bytes)}`), 'signature', 'malformed');
});

// Spellings of a part that a lenient decoder takes for the same bytes.
function spellings(part) {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
    + '0123456789-_';
  const spare = { 2: 16, 3: 4 }[part.length % 4] ?? 0;
  const last = alphabet.indexOf(part.at(-1));
  return Array.from({ length: Math.max(0, spare - 1) }, (_, i) =>
    part.slice(0, -1) + alphabet[last + i + 1]);
}

// Texts whose base64url ends in spare bits.
const uneven = (make, most = 3) => Array.from({ length: most }, (_, i) =>
  make(' '.repeat(i))).find((text) => base64url(text).length % 4 > 1);

test('base64url that is not canonical, though signed as it stands', async () => {
  const head = base64url(uneven((pad) => header() + pad));
  const body = base64url(uneven((pad) => payload() + pad));
  await refused([...spellings(SIGNATURE), `${SIGNATURE}A`].map((other) =>
    `${HEADER}.${PAYLOAD}.${other}`), 'malformed', 'signature');
  await refused([
    ...spellings(head).map((other) => signed(`${other}.${body}`)),
    ...spellings(body).map((other) => signed(`${head}.${other}`)),
    signed(`${head}.${Buffer.from('{"a":"\xff\xfe>>???"}', 'latin1')
      .toString('base64').replace(/=/g, '')}`),
    signed(`${head}.${body}A`),
  ], 'malformed', 'claims');
});

test('white space in the token', () => refused(
  [' ', '\t', '\x0b', '\x0c', '\x85', '\xa0', '%20', '+'].flatMap((space) => [
    `${HEADER}${space}.${PAYLOAD}.${SIGNATURE}`,
    `${HEADER}.${space}${PAYLOAD}.${SIGNATURE}`,
    `${HEADER}.${PAYLOAD}.${space}${SIGNATURE}`,
    GOOD.slice(0, 200) + space + GOOD.slice(200),
    GOOD.slice(0, -40) + space + GOOD.slice(-40),
    signed(`${HEADER}${space}.${PAYLOAD}`),
    signed(`${HEADER}.${PAYLOAD}${space}`),
  ]), 'malformed', 'claims', 'signature'));

test('padding, though signed as it stands', () => refused(
  ['=', '==', '===', '%3D'].flatMap((pad) => [
    signed(`${HEADER}${pad}.${PAYLOAD}`), signed(`${HEADER}.${PAYLOAD}${pad}`),
    `${GOOD}${pad}`,
  ]), 'malformed', 'claims'));

test('a member that is there twice, in header or claims', () => refused([
  ...['"alg":"RS256"', '"kid":"rsa"', '"alg":"none"', '"\\u0061lg":"RS256"']
    .flatMap((member) => [
      compact(header().replace('{', `{${member},`), payload(), rsa),
      compact(header().replace(/\}$/, `,${member}}`), payload(), rsa)]),
  ...['"sub":"user-2"', '"sub":"user-1"', `"iss":${json(ISSUER)}`,
    '"exp":9999999999', '"s\\u0075b":"user-2"', '"email_verified":true',
    '"deep":{"a":1,"a":2}'].map(withText),
], 'malformed', 'claims'));

test('bombs of depth', () => {
  const depth = (n, open, close) =>
    `"deep":${open.repeat(n)}1${close.repeat(n)}`;
  return refused([
    ...[8, 9, 100, 2000].map((n) => withText(depth(n, '[', ']'))),
    ...[8, 9, 100, 1000].map((n) => withText(depth(n, '{"a":', '}'))),
    compact(header(), '['.repeat(9000), rsa),
    compact(header(), '{"a":'.repeat(1800), rsa),
    compact(`{"alg":"RS256","kid":"rsa",${depth(400, '[', ']')}}`,
      payload(), rsa),
  ], 'claims', 'malformed');
});

test('bombs of size', () => refused([
  withText(`"many":[${'1,'.repeat(600)}1]`),
  withText(Array.from({ length: 600 }, (_, i) => `"c${i}":1`).join(',')),
  compact(header({ pad: 'x'.repeat(2000) }), payload(), rsa),
  compact(header({ kid: 'x'.repeat(300) }), payload(), rsa),
  compact(header({ alg: 'RS256'.repeat(99) }), payload(), rsa),
  `${HEADER}.${PAYLOAD}.${'A'.repeat(4000)}`,
  '.'.repeat(9000), 'a.'.repeat(4000),
], 'claims', 'malformed', 'unknown_key', 'algorithm'));

const asNumber = (name, text) => compact(header(),
  payload({ [name]: 0 }).replace(`"${name}":0`, `"${name}":${text}`), rsa);

test('huge, fractional and negative numbers', async () => {
  const times = ['1e400', '-1e400', '1e300', '-1', '-0.5', '1e-400', '0', '1.5',
    '-9223372036854775809', '9'.repeat(400), `0.${'0'.repeat(400)}1`, 'NaN',
    'Infinity', '0x7fffffff', '01', '1.', '+1', '18446744073709551616',
    '9007199254740994'];
  await refused(times.map((text) => asNumber('exp', text)),
    'claims', 'expired');
  await refused(['1e400', '1e300', '-1', '9'.repeat(400), 'NaN']
    .flatMap((text) => [asNumber('nbf', text), asNumber('iat', text)]),
  'claims', 'not_yet_valid');
  await taken(asNumber('exp', `${now() + 600}.75`), asNumber('iat', '1.5e9'),
    asNumber('other', '12345678901234567890'), asNumber('other', '-1.5e-9'));
});

test('NUL bytes', async () => {
  await refused([
    withText('"a":"\\u0000"'), withText('"\\u0000":1'), withText('"a":"\0"'),
    token({ sub: 'user-1\0' }), token({ iss: `${ISSUER}\0` }),
    token({ aud: `${CLIENT}\0` }), token({ token_use: 'id\0' }),
    compact(`${header()}\0`, payload(), rsa),
    compact(header(), `${payload()}\0`, rsa),
    compact(header({ kid: 'rsa\0' }), payload(), rsa),
    compact(header({ alg: 'RS256\0' }), payload(), rsa),
  ], 'claims', 'malformed');
  const { status } = await ask(`${HEADER}\0.${PAYLOAD}.${SIGNATURE}`);
  assert.equal(status, 400);
});

const NO_UTF8 = [
  '\xff', '\xfe\xff', '\x80', '\xc3', '\xc0\x80', '\xe0\x80\x80',
  '\xed\xa0\x80', '\xf4\x90\x80\x80', '\xf8\x88\x80\x80\x80',
];

test('bytes that are no UTF-8', async () => {
  await refused(NO_UTF8.map((bytes) =>
    `${HEADER}.${PAYLOAD}${bytes}.${SIGNATURE}`), 'signature', 'malformed');
  await refused(NO_UTF8.flatMap((bytes) => [
    withText(`"a":"${bytes}"`), withText(`"${bytes}":1`),
    compact(Buffer.from(header({ kid: 'X' }).replace('X', `rsa${bytes}`),
      'latin1'), payload(), rsa),
  ]), 'claims', 'malformed');
});

test('two Authorization headers', async () => {
  for (const [first, second] of [[GOOD, GOOD], [GOOD, 'x'], ['x', GOOD]]) {
    const { status, body } = await asker.get('/',
      `Authorization: Bearer ${first}`, `Authorization: Bearer ${second}`);
    assert.equal(status, 400);
    assert.doesNotMatch(body, /^in/);
  }
});

test('tokens of 16 KB, of a byte more, and of more than NGINX takes',
  async () => {
    const of = (length) => token({ pad: 'x'.repeat(length) });
    let pad = 11000;
    while (of(pad).length < TOKEN_MAX) {
      pad++;
    }
    const [exact, over] = [pad, pad + 1].map(of);
    await taken(exact.length === TOKEN_MAX ? exact : of(pad - 1));
    await refused([of(pad + 2), over, `${GOOD}${'A'.repeat(TOKEN_MAX)}`]
      .filter((text) => text.length > TOKEN_MAX), 'malformed');
    assert.equal((await ask('a'.repeat(40000))).status, 400);
    await letsInTheTrueOne();
  });

test('expired, at each edge of the leeway', async () => {
  await refused([0, 1, 2, 3600].map((late) =>
    token({ exp: now() - LEEWAY_S - late })), 'expired');
  await refused([token({ exp: now() - LEEWAY_S - 0.001 })], 'expired');
  await taken(token({ exp: now() }), token({ exp: now() - LEEWAY_S / 2 }));
});

test('not yet valid, at each edge of the leeway', async () => {
  await refused([60, 3600, 1e6].flatMap((early) =>
    ['nbf', 'iat'].map((name) => token({ [name]: now() + LEEWAY_S + early }))),
  'not_yet_valid');
  await taken(...['nbf', 'iat'].flatMap((name) => [
    token({ [name]: now() + LEEWAY_S }), token({ [name]: now() }),
  ]));
});

test('tampering with a token whose untampered form is cached', async () => {
  const other = (letter) => (letter === 'A' ? 'B' : 'A');
  const tampered = Array.from({ length: GOOD.length }, (_, i) =>
    GOOD.slice(0, i) + other(GOOD[i]) + GOOD.slice(i + 1));
  await refused(tampered, 'malformed', 'signature', 'algorithm', 'unknown_key',
    'claims', 'critical_header');
  await refused([
    `${HEADER}.${base64url(payload({ sub: 'user-2' }))}.${SIGNATURE}`,
    `${base64url(header({ alg: 'none' }))}.${PAYLOAD}.${SIGNATURE}`,
    GOOD.slice(0, -1), `${GOOD}A`, GOOD.slice(1), `a${GOOD}`, `${GOOD}.`,
    GOOD.toUpperCase(), GOOD.toLowerCase(),
  ], 'malformed', 'signature', 'algorithm', 'unknown_key');
});

test('"token_use" swapped', async () => {
  const use = (more) => base64url(payload(more));
  await refused([
    `${HEADER}.${use({ token_use: 'access', client_id: CLIENT })}.${SIGNATURE}`,
  ], 'signature');
  await refused([
    token({ token_use: 'access', client_id: CLIENT, aud: undefined }),
    token({ token_use: 'access', client_id: CLIENT }),
    token({ token_use: 'ID' }), token({ token_use: ['id'] }),
    token({ token_use: undefined }), token({ token_use: 'refresh' }),
    token({ token_use: 'id', aud: undefined, client_id: CLIENT }),
  ], 'token_use', 'client');
});

test('another pool\'s token, signed by the same key', () => refused([
  ISSUER.replace('_A', '_B'), `${ISSUER}/`, ISSUER.replace('eu-', 'us-'),
  ISSUER.toUpperCase(), ISSUER.replace('https', 'http'), ISSUER.slice(0, -1),
  '', undefined, [ISSUER], 1,
].map((iss) => token({ iss })), 'issuer'));

test('a token cached for one location, used at a stricter one', async () => {
  for (const [uri, status, why] of [
    ['/issuer', 401, 'issuer'], ['/client', 401, 'client'],
    ['/use', 401, 'token_use'], ['/algorithm', 401, 'algorithm'],
    ['/require', 403, 'required_claim'],
    ['/provider', 403, 'provider_not_allowed'],
  ]) {
    await letsInTheTrueOne();
    for (let i = 0; i < 2; i++) {
      const answer = await ask(GOOD, uri);
      assert.equal(answer.status, status, uri);
      assert.equal(answer.headers['x-why'], why, uri);
    }
  }
});
