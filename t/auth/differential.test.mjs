// Ten thousand tokens that were changed at random, told to the module in an
// NGINX and to two verifiers that others wrote (jose, aws-jwt-verify). No
// token that either of them refuses may be let in, and who is let in must be
// the same user to all. What they take and we refuse is our strictness: each
// case is one that docs/directives.md names.
//
//     DIFFERENTIAL_SEED=7 DIFFERENTIAL_TOKENS=100000 \
//         node --test t/auth/differential.test.mjs

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';

import { JwtVerifier } from 'aws-jwt-verify';
import { createLocalJWKSet, jwtVerify } from 'jose';

import { startNginx } from '../node/nginx.mjs';
import { Random } from '../node/random.mjs';
import { Asker } from './ask.mjs';
import { forge, mutations } from './mutations.mjs';
import { claims, CLIENT, ISSUER, makeKey } from './tokens.mjs';

const SEED = Number(process.env.DIFFERENTIAL_SEED
  ?? Math.floor(Math.random() * 2 ** 31));
const TOKENS = Number(process.env.DIFFERENTIAL_TOKENS ?? 10000);
const CANARIES = 2000;
const AT_ONCE = 8;
const LEEWAY_S = 300;
const ALGORITHMS = ['RS256', 'ES256', 'EdDSA'];

// What others let in and we refuse: our word for it, and of which mutations
// one must have been made. "Whoever signed it" in docs/directives.md says why.
// Not here: a second spelling in base64url, which any mutation may bring.
const STRICTNESS = {
  // kinds of token, b64 and zip, 16 KB
  malformed: ['a member twice', 'another type', 'a header of another value',
    'a long claim', 'a byte of the JSON'],
  // any, even where the extension is known to others
  critical_header: ['a critical header', 'a header of another value'],
  // JSON that not everybody reads alike, bombs, and times that are none
  claims: ['a member twice', 'an odd number', 'an odd literal',
    'a deep claim', 'many claims', 'another subject',
    'a claim of another value', 'a byte of the JSON'],
  // "iat", which others do not look at
  not_yet_valid: ['another time', 'an odd number', 'a claim of another value',
    'a byte of the JSON'],
  // none, too long, or with a control character
  subject: ['another subject', 'a claim of another value',
    'a claim that is not there', 'a byte of the JSON'],
  // a list of audiences with another's among them
  client: ['another client'],
};

const keys = ALGORITHMS.flatMap((alg) =>
  [makeKey(`${alg}-1`, alg), makeKey(`${alg}-2`, alg)]);
const jwks = { keys: keys.map(({ jwk }) => jwk) };
const world = {
  keys, evil: makeKey('evil', 'RS256'),
  get now() { return Math.floor(Date.now() / 1000); },
  claims() { return claims(this.now); },
};

let nginx;
let askers;

before(async () => {
  nginx = await startNginx({
    http: ({ dir, port }) => {
      writeFileSync(path.join(dir, 'keys.json'), JSON.stringify(jwks));
      return `
    large_client_header_buffers 4 32k;
    keepalive_requests 1000000;
    convo_auth_issuer ${ISSUER};
    convo_auth_client ${CLIENT};
    convo_auth_keys_file ${dir}/keys.json;
    convo_auth_algorithms ${ALGORITHMS.join(' ')};
    convo_auth_leeway ${LEEWAY_S}s;
    convo_auth_cache zone=tokens:1m;
    add_header X-Why "$convo_auth_error" always;
    server {
        listen 127.0.0.1:${port};
        location = /strict {
            convo_auth on;
            return 200 $convo_user;
        }
        location = /lax {
            convo_auth on;
            convo_auth_leeway 10m;
            convo_auth_client client2;
            convo_auth_client ${CLIENT};
            convo_auth_token_use any;
            return 200 $convo_user;
        }
    }`;
    },
    level: 'error',
  });
  askers = Array.from({ length: AT_ONCE }, () => new Asker(nginx.port));
});

after(async () => {
  askers?.forEach((asker) => asker.close());
  await nginx?.end();
  nginx?.remove();
});

const keySet = createLocalJWKSet(jwks);

async function askJose(token) {
  try {
    const { payload } = await jwtVerify(token, keySet, {
      issuer: ISSUER, audience: CLIENT, algorithms: ALGORITHMS,
      clockTolerance: LEEWAY_S, requiredClaims: ['exp'],
    });
    return payload.token_use === 'id' ? { user: payload.sub } : {};
  } catch {
    return {};
  }
}

const verifier = JwtVerifier.create({
  issuer: ISSUER, audience: CLIENT, graceSeconds: LEEWAY_S,
  jwksUri: `${ISSUER}/.well-known/jwks.json`,
  customJwtCheck: ({ payload }) => {
    assert.equal(payload.token_use, 'id');
  },
});
verifier.cacheJwks(jwks);

function askAws(token) {
  try {
    return { user: verifier.verifySync(token).sub };
  } catch {
    return {};
  }
}

async function askUs(asker, location, token) {
  const { status, headers, body } = await asker.get(location,
    `Authorization: Bearer ${token}`);
  const why = headers['x-why'] ?? `${status}`;
  const user = Buffer.from(body, 'latin1').toString();
  return { status, why, user: status === 200 ? user : undefined };
}

// One to three mutations, and what they make; never a line's end, which
// would be another request, nor white space around the token, which HTTP
// takes off.
function next(random) {
  for (;;) {
    const chosen = random.some(1, random.pick([1, 1, 2, 3]),
      () => random.pick(mutations));
    const token = forge(chosen, random, world);
    if (!/[\r\n]|^[ \t]|[ \t]$|^$/.test(token)) {
      return { names: chosen.map(({ name }) => name), token };
    }
  }
}

// What a token's three answers come to.
function verdict(us, jose, aws) {
  const theirs = jose.user !== undefined && aws.user !== undefined;
  if (![200, 400, 401].includes(us.status)) {
    return 'broken';
  }
  if (us.status !== 200) {
    return theirs ? 'strict' : 'refused';
  }
  return jose.user === us.user && aws.user === us.user ? 'accepted' : 'lax';
}

async function compare(location, random, count) {
  const found = {
    accepted: [], refused: [], lax: [], strict: [], broken: [],
  };
  let left = count;
  const worker = async (asker) => {
    while (left-- > 0) {
      const { names, token } = next(random);
      const [jose, aws, us] = [await askJose(token), askAws(token),
        await askUs(asker, location, token)];
      found[verdict(us, jose, aws)].push({
        names, token, why: us.why,
        users: [us, jose, aws].map(({ user }) => user),
      });
    }
  };
  await Promise.all(askers.map(worker));
  return found;
}

// How many of each, by what gives their name.
function tally(list, name) {
  const counts = {};
  list.forEach((one) => {
    counts[name(one)] = (counts[name(one)] ?? 0) + 1;
  });
  return counts;
}

function isDocumented({ why, names, token }) {
  const isCanonical = token.split('.').every((part) =>
    Buffer.from(part, 'base64url').toString('base64url') === part);
  return (why === 'malformed' && !isCanonical)
    || STRICTNESS[why]?.some((name) => names.includes(name));
}

function told(list) {
  return JSON.stringify(list.slice(0, 5), null, 1);
}

test(`of ${TOKENS} changed tokens none is let in that others refuse`,
  { timeout: 300000 }, async (t) => {
    t.diagnostic(`DIFFERENTIAL_SEED=${SEED}`);
    const found = await compare('/strict', new Random(SEED), TOKENS);

    const counts = Object.entries(found).map(([n, list]) => [n, list.length]);
    t.diagnostic(JSON.stringify(Object.fromEntries(counts)));
    t.diagnostic(`stricter: ${JSON.stringify(
      tally(found.strict, ({ why }) => why))}`);

    assert.equal(found.lax.length, 0, told(found.lax));
    assert.equal(found.broken.length, 0, told(found.broken));
    const odd = found.strict.filter((one) => !isDocumented(one));
    assert.equal(odd.length, 0, told(odd));
    assert.ok(found.accepted.length > TOKENS / 20, 'few are let in');
    assert.ok(found.refused.length > TOKENS / 4, 'few are refused by all');
  });

test('the same comparison finds what a laxer location lets in',
  { timeout: 300000 }, async () => {
    const { lax } = await compare('/lax', new Random(1), CANARIES);
    for (const name of ['another time', 'another client', 'another use']) {
      assert.ok(lax.some(({ names }) => names.includes(name)), name);
    }
  });
