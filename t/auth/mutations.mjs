// What is done to a good token: each mutation has a name, and changes one
// thing, at random, of a draft. A draft is a header and a payload as objects,
// their texts, their encoded parts, and the signature; whoever changes an
// earlier stage has the later ones made of it, signed with the right key.
//
// A mutation is a function of (draft, random, world): world has the keys and
// the time. Stages: object, text (bytes), part (base64url text), token.

import { base64url, CLIENT, hmac, ISSUER, sign } from './tokens.mjs';

const ALGORITHMS = [
  'none', 'None', 'NONE', 'nOnE', '', 'HS256', 'HS384', 'RS256', 'RS384',
  'RS512', 'PS256', 'PS384', 'ES256', 'ES384', 'ES256K', 'EdDSA', 'Ed25519',
  'rs256', 'RS256 ', 'RS1', 'A128GCM', 'dir',
];

const VALUES = [
  null, true, false, 0, 1, -1, 0.5, 1e300, -0, '', 'a', 'user-2', [], {},
  [null], ['a'], { a: 1 }, 'Infinity', '9999999999', 2 ** 53, 4294967296,
];

// Seconds from now; none is near an edge of the leeway (300 s).
const TIMES = [
  -1e9, -86400, -3600, -500, -400, -200, -100, -1, 0, 1, 100, 200, 400, 500,
  3600, 86400, 1e9, 0.5,
];

const CLAIMS = [
  'sub', 'iss', 'aud', 'token_use', 'iat', 'exp', 'nbf', 'jti', 'origin_jti',
  'email', 'email_verified', 'cognito:groups', 'identities', 'scope',
  'client_id', 'auth_time', 'azp', 'unknown',
];

const HEADERS = [
  'alg', 'kid', 'typ', 'cty', 'crit', 'b64', 'zip', 'enc', 'jwk', 'jku', 'x5u',
  'x5c', 'x5t', 'unknown',
];

// The texts of JSON that are odd, and mostly none.
const ODD_NUMBERS = [
  '1e400', '-1e400', '01', '1.', '.5', '+1', '0x10', '1e', 'NaN', 'Infinity',
  '99999999999999999999', '1e3', '1E+3', '-0', '9'.repeat(400), '1.5e9',
  '4102444800.25', '4102444800', '-4102444800',
];

const change = (object, name, value) => { object[name] = value; };

function place(random, length) {
  return random.below(length + 1);
}

function insert(bytes, random, what) {
  const at = place(random, bytes.length);
  return Buffer.concat([bytes.subarray(0, at), Buffer.from(what, 'latin1'),
    bytes.subarray(at)]);
}

// A member of a JSON text, as text; put at the front or at the back.
function addMember(bytes, random, member) {
  const text = bytes.toString('latin1');
  return Buffer.from(random.below(2)
    ? text.replace('{', `{${member},`)
    : text.replace(/\}$/, `,${member}}`), 'latin1');
}

function replaceMember(bytes, name, value) {
  const text = bytes.toString('latin1');
  return Buffer.from(text.replace(
    new RegExp(`"${name}":("[^"]*"|[^,}]*)`), () => `"${name}":${value}`),
  'latin1');
}

// Of header and payload, one.
function one(random) {
  return random.pick(['header', 'payload']);
}

const objects = {
  'a claim of another value': (d, r) =>
    change(d.payload, r.pick(CLAIMS), r.pick(VALUES)),
  'a claim that is not there': (d, r) => {
    delete d.payload[r.pick(CLAIMS)];
  },
  'another time': (d, r, w) =>
    change(d.payload, r.pick(['exp', 'nbf', 'iat']), w.now + r.pick(TIMES)),
  'another issuer': (d, r) => change(d.payload, 'iss', r.pick([
    `${ISSUER}/`, ISSUER.toUpperCase(), ISSUER.slice(0, -1), ` ${ISSUER}`,
    ISSUER.replace('https', 'http'), ISSUER.replace('_A', '_B'), [ISSUER],
    ISSUER.replace('cognito', 'issuer-cognito'), `${ISSUER}\0`])),
  'another client': (d, r) => change(d.payload, 'aud', r.pick([
    'client2', [CLIENT], [CLIENT, 'client2'], ['client2', CLIENT],
    [CLIENT, CLIENT], [], [[CLIENT]], [CLIENT, 1], CLIENT.toUpperCase(),
    `${CLIENT} `, `${CLIENT}\0`, { 0: CLIENT }])),
  'another use': (d, r) => {
    d.payload.token_use = r.pick(['access', 'ID', 'id ', 'refresh', ['id']]);
    d.payload.client_id = CLIENT;
  },
  'another subject': (d, r) => change(d.payload, 'sub', r.pick([
    'user-2', 'a\r\nX: y', 'x'.repeat(255), 'x'.repeat(256), 'a\0b', 'ö',
    '\u{1f600}', ' ', 7])),
  'a deep claim': (d, r) => {
    let value = 1;
    for (let depth = r.pick([1, 4, 6, 7, 8, 9, 60]); depth > 0; depth--) {
      value = r.below(2) ? [value] : { a: value };
    }
    d.payload.deep = value;
  },
  'many claims': (d, r) => {
    for (let i = r.pick([10, 100, 400, 600, 900]); i > 0; i--) {
      d.payload[`c${i}`] = i;
    }
  },
  'a long claim': (d, r) =>
    change(d.payload, 'pad', 'x'.repeat(r.pick([1000, 8000, 11500, 14000]))),
  'a header of another value': (d, r) =>
    change(d.header, r.pick(HEADERS), r.pick(VALUES)),
  'a header that is not there': (d, r) => {
    delete d.header[r.pick(['alg', 'kid'])];
  },
  'another algorithm': (d, r) => change(d.header, 'alg', r.pick(ALGORITHMS)),
  'another key\'s name': (d, r, w) => change(d.header, 'kid', r.pick([
    ...w.keys.map((key) => key.kid), 'gone', '', `${d.header.kid} `,
    `${d.header.kid}\0`, '../keys', 'x'.repeat(300)])),
  'another type': (d, r) => change(d.header, 'typ', r.pick([
    'JWT', 'jwt', 'Jwt', 'at+jwt', 'application/at+jwt', 'JWE', 'JOSE',
    'secevent+jwt', 'logout+jwt', ''])),
  'a critical header': (d, r) => {
    d.header.crit = r.pick([[], ['exp'], ['b64'], 'exp', ['alg'], ['kid']]);
    d.header.b64 = r.pick([true, false, undefined]);
    d.header.exp = 1;
  },
  'a key of its own': (d, r, w) => {
    d.key = w.evil;
    change(d.header, r.pick(['jwk', 'jku', 'x5u', 'x5c']), r.pick([
      w.evil.jwk, 'http://127.0.0.1:1/', ['AAAA']]));
  },
  'another\'s signature': (d, r, w) => {
    d.key = r.pick([w.evil, ...w.keys.filter((key) => key !== d.key)]);
    d.algorithm = d.key.alg;
  },
  'a signature of another algorithm': (d, r) => {
    d.algorithm = d.key.alg === 'RS256'
      ? r.pick(['RS384', 'RS512', 'PS256', 'PS512'])
      : d.key.alg;
    d.header.alg = r.pick([d.algorithm, d.key.alg]);
  },
};

const texts = {
  'white space in the JSON': (d, r) => {
    const which = one(r);
    d.text[which] = insert(d.text[which], r, r.pick([' ', '\n', '\t', '\r',
      '\f', '\v', '\xa0', '\0']));
  },
  'a member twice': (d, r) => {
    const which = one(r);
    const names = which === 'header' ? ['alg', 'kid', 'al\\u0067']
      : ['sub', 'exp', 'iss', 'aud', 'token_use', 's\\u0075b', 'ex\\u0070'];
    const name = r.pick(names);
    const value = d[which][JSON.parse(`"${name}"`)];
    d.text[which] = addMember(d.text[which], r,
      `"${name}":${JSON.stringify(r.below(2) ? value : 'user-2')}`);
  },
  'an odd number': (d, r) => {
    d.text.payload = replaceMember(d.text.payload,
      r.pick(['exp', 'iat', 'auth_time']), r.pick(ODD_NUMBERS));
  },
  'an odd literal': (d, r) => {
    d.text.payload = replaceMember(d.text.payload,
      r.pick(['email_verified', 'email', 'jti']), r.pick(['True', 'tru',
        'undefined', '\'a\'', '"\\x41"', '"\\u00"', '"\\ud800"', '"\\udc00"',
        '"\\ud83d\\ude00"', '"\\u0000"', '"\t"', '"\x7f"', '"a', '[1,]',
        '{"a":1,}', '{a:1}', '[', '/**/1', '"\\/"']));
  },
  'an escaped spelling': (d, r) => {
    const text = d.text.payload.toString('latin1');
    d.text.payload = Buffer.from(text.replaceAll('/', '\\/')
      .replace(r.pick(['sub', 'iss', 'exp', 'user-1']), (name) =>
        `\\u00${name.charCodeAt(0).toString(16)}${name.slice(1)}`), 'latin1');
  },
  'bytes that are no UTF-8': (d, r) => {
    const which = one(r);
    d.text[which] = insert(d.text[which], r, r.pick(['\xff', '\xc0\x80',
      '\xed\xa0\x80', '\xf4\x90\x80\x80', '\xc3', '\xe2\x82', '\x80']));
  },
  'bytes after or before the JSON': (d, r) => {
    const which = one(r);
    const text = d.text[which].toString('latin1');
    const more = r.pick(['{}', ' ', '\0', '\xef\xbb\xbf', ',', '}', '//', 'a']);
    d.text[which] = Buffer.from(r.below(2) ? text + more : more + text,
      'latin1');
  },
  'another JSON': (d, r) => {
    d.text[one(r)] = Buffer.from(r.pick(['', 'null', '[]', '"a"', '1', '{}',
      '{', '[{}]', 'true', '[' .repeat(5000), '{"a":'.repeat(2000)]));
  },
  'a byte of the JSON': (d, r) => {
    const which = one(r);
    const bytes = Buffer.from(d.text[which]);
    bytes[r.below(bytes.length)] = r.below(256);
    d.text[which] = bytes;
  },
};

const ALPHABET
  = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';

// Another last character for the same bytes, where there is one.
function otherSpelling(part, random) {
  const spare = { 0: 0, 2: 4, 3: 2 }[part.length % 4] ?? 0;
  const last = ALPHABET.indexOf(part.at(-1));
  return part.slice(0, -1)
    + ALPHABET[last ^ (spare ? 1 + random.below(2 ** spare - 1) : 0)];
}

const parts = {
  'padding': (d, r) => { d.part[r.below(3)] += r.pick(['=', '==', '===']); },
  'a second spelling': (d, r) => {
    const i = r.below(3);
    d.part[i] = otherSpelling(d.part[i], r);
  },
  'the alphabet of base64': (d, r) => {
    const i = r.below(3);
    d.part[i] = d.part[i].replaceAll('-', '+').replaceAll('_', '/');
  },
  'a foreign character': (d, r) => {
    const i = r.below(3);
    const at = r.below(d.part[i].length + 1);
    d.part[i] = d.part[i].slice(0, at)
      + r.pick([' ', '\t', '%', '=', '.', ',', '"', '\x80', '\xff', '\x7f'])
      + d.part[i].slice(at);
  },
  'a part that is not there': (d, r) => {
    const i = r.below(3);
    d.part = r.below(2) ? d.part.with(i, '') : d.part.toSpliced(i, 1);
  },
  'a part too many': (d, r) => {
    d.part.splice(r.below(4), 0, r.pick(['', 'a', d.part[0]]));
  },
  'parts in another order': (d, r) => {
    d.part = r.pick([[1, 0, 2], [2, 1, 0], [0, 2, 1], [1, 2, 0]])
      .map((i) => d.part[i]);
  },
  'the claims of another token': (d) => {
    d.part[1] = base64url(JSON.stringify({ ...d.payload, sub: 'user-2' }));
  },
  'a signature of zeros': (d, r) => {
    const length = Buffer.from(d.part[2], 'base64url').length;
    const half = Buffer.alloc(length);
    const whole = Buffer.from(d.part[2], 'base64url');
    d.part[2] = base64url(r.pick([
      half, Buffer.concat([whole.subarray(0, length / 2), half])
        .subarray(0, length),
      Buffer.concat([half.subarray(0, length / 2), whole.subarray(length / 2)]),
      Buffer.alloc(length, 255)]));
  },
  'a signature of another length': (d, r) => {
    const whole = Buffer.from(d.part[2], 'base64url');
    d.part[2] = base64url(r.pick([
      whole.subarray(1), whole.subarray(0, -1), Buffer.concat([whole, whole]),
      Buffer.concat([Buffer.alloc(1), whole]),
      Buffer.concat([whole, Buffer.alloc(1)])]));
  },
  'a bit of the signature': (d, r) => {
    const bytes = Buffer.from(d.part[2], 'base64url');
    bytes[r.below(bytes.length)] ^= 1 << r.below(8);
    d.part[2] = base64url(bytes);
  },
  'no algorithm': (d, r) => {
    d.part[0] = base64url(JSON.stringify(
      { ...d.header, alg: r.pick(ALGORITHMS.slice(0, 5)) }));
    d.part[2] = r.pick(['', d.part[2], 'AA']);
  },
  'HMAC with the public key': (d, r) => {
    const { publicKey, jwk } = d.key;
    d.part[0] = base64url(JSON.stringify({ ...d.header, alg: 'HS256' }));
    const pem = publicKey.export({ type: 'spki', format: 'pem' });
    const secret = r.pick([
      pem, pem.trim(), publicKey.export({ type: 'spki', format: 'der' }),
      JSON.stringify(jwk), jwk.n ?? jwk.x,
      Buffer.from(jwk.n ?? jwk.x, 'base64'), '']);
    d.part[2] = base64url(hmac(secret, `${d.part[0]}.${d.part[1]}`));
  },
  'ECDSA in DER': (d, r, w) => {
    const key = w.keys.find((other) => other.alg === 'ES256') ?? d.key;
    d.part[0] = base64url(JSON.stringify({ alg: key.alg, kid: key.kid }));
    const raw = sign(key, Buffer.from(`${d.part[0]}.${d.part[1]}`));
    d.part[2] = base64url(Buffer.concat([
      Buffer.from([0x30, raw.length + 4, 0x02, raw.length / 2]),
      raw.subarray(0, raw.length / 2),
      Buffer.from([0x02, raw.length / 2]), raw.subarray(raw.length / 2)]));
  },
};

const tokens = {
  'a character': (d, r) => {
    const at = r.below(d.token.length);
    d.token = d.token.slice(0, at) + r.pick([...ALPHABET, '.', '=', '~'])
      + d.token.slice(at + 1);
  },
  'a character more or less': (d, r) => {
    const at = r.below(d.token.length);
    d.token = d.token.slice(0, at) + (r.below(2) ? r.pick([...ALPHABET]) : '')
      + d.token.slice(at + r.below(2));
  },
  'letters of the other case': (d, r) => {
    const at = r.below(d.token.length);
    const letter = d.token[at] ?? '';
    d.token = d.token.slice(0, at)
      + (letter === letter.toLowerCase()
        ? letter.toUpperCase() : letter.toLowerCase())
      + d.token.slice(at + 1);
  },
  'its beginning': (d, r) => {
    d.token = d.token.slice(0, r.below(d.token.length));
  },
  'twice': (d) => { d.token += d.token; },
  'nothing': () => {},
};

const stages = [
  ['object', objects], ['text', texts], ['part', parts], ['token', tokens],
];

export const mutations = stages.flatMap(([stage, all]) =>
  Object.entries(all).map(([name, apply]) => ({ name, stage, apply })));

// A token with these mutations, earlier stages first; of those that change
// parts only one, as it may leave other parts than the next expects.
export function forge(chosen, random, world) {
  const key = random.pick(world.keys);
  const draft = {
    key, header: { alg: key.alg, kid: key.kid }, payload: world.claims(),
  };
  const at = (stage) => chosen.filter((one) => one.stage === stage)
    .forEach(({ apply }) => apply(draft, random, world));

  at('object');
  draft.text = {
    header: Buffer.from(JSON.stringify(draft.header)),
    payload: Buffer.from(JSON.stringify(draft.payload)),
  };
  at('text');
  const input = `${base64url(draft.text.header)}.`
    + base64url(draft.text.payload);
  draft.part = [...input.split('.'), base64url(
    sign(draft.key, Buffer.from(input), draft.algorithm))];
  chosen.find(({ stage }) => stage === 'part')?.apply(draft, random, world);
  draft.token = draft.part.join('.');
  at('token');
  return draft.token;
}
