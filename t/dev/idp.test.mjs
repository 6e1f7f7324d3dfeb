// The development identity provider, from outside: every test signs in over
// HTTP as a browser would, and every token is checked with an independent JWT
// library against the published keys.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import {
  createLocalJWKSet, decodeJwt, decodeProtectedHeader, jwtVerify,
} from 'jose';

import {
  Browser, pkcePair, requestTokens, signIn,
} from '../../dev/idp/client.js';
import { startIdp } from '../../dev/idp/server.js';

const run = promisify(execFile);
const TOKEN = fileURLToPath(new URL('../../dev/token', import.meta.url));
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

const CLIENT = 'client-under-test';
const POOL = 'us-east-1_convoDev';
const APP = 'http://127.0.0.1:11199/';

const OPTIONS = {
  clients: [CLIENT, 'another-client'],
  lifetime_s: 3600,
  pool: POOL,
  port: 0,
  redirects: [APP],
};

let idp;
let directory;

before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'convo-idp-'));
  idp = await startIdp(OPTIONS);
});

after(async () => {
  await idp?.close();
  await rm(directory, { recursive: true, force: true });
});

// --- helpers ---------------------------------------------------------------

async function keySet(pool = idp) {
  const answer = await fetch(`${pool.issuer}/.well-known/jwks.json`);
  assert.equal(answer.status, 200);
  return answer.json();
}

async function verify(token, { pool = idp, ...options } = {}) {
  const keys = createLocalJWKSet(await keySet(pool));

  return jwtVerify(token, keys, {
    algorithms: ['RS256'], issuer: pool.issuer, ...options,
  });
}

function enter(name, options = {}) {
  return signIn({ issuer: idp.issuer, clientId: CLIENT, name, ...options });
}

async function control(path, pool = idp) {
  const answer = await fetch(pool.origin + path, { method: 'POST' });
  return { status: answer.status, body: await answer.json() };
}

function payloadText(token) {
  return Buffer.from(token.split('.')[1], 'base64url').toString();
}

function authorizeUrl(changes) {
  const query = new URLSearchParams({
    response_type: 'code',
    client_id: CLIENT,
    redirect_uri: APP,
    scope: 'openid email',
    state: 'opaque-state',
    code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM',
    code_challenge_method: 'S256',
    ...changes,
  });

  for (const [name, value] of [...query]) {
    if (value === 'undefined') {
      query.delete(name);
    }
  }

  return `${idp.origin}/oauth2/authorize?${query}`;
}

// Signs in by hand up to the code. Returns its query parameters.
async function codeFor(name, { browser = new Browser(), ...changes } = {}) {
  const page = await browser.open(
    authorizeUrl({ identity_provider: 'Google', ...changes }),
    { stopAt: APP },
  );
  const done = page.status === undefined ? page
    : await browser.open(page.url, { form: { name }, stopAt: APP });

  return new URL(done.url).searchParams;
}

function exchange(code, verifier, changes = {}) {
  return requestTokens(idp.origin, {
    grant_type: 'authorization_code',
    client_id: CLIENT,
    code,
    code_verifier: verifier,
    redirect_uri: APP,
    ...changes,
  });
}

async function issueCode(name) {
  const { verifier, challenge } = pkcePair();
  const query = await codeFor(name, { code_challenge: challenge });

  return { code: query.get('code'), verifier };
}

// --- shapes ----------------------------------------------------------------

test('discovery names the endpoints of a user pool', async () => {
  const answer = await fetch(`${idp.issuer}/.well-known/openid-configuration`);
  const document = await answer.json();

  assert.equal(document.issuer, `${idp.origin}/${POOL}`);
  assert.equal(document.jwks_uri, `${idp.issuer}/.well-known/jwks.json`);
  assert.equal(document.authorization_endpoint,
    `${idp.origin}/oauth2/authorize`);
  assert.equal(document.token_endpoint, `${idp.origin}/oauth2/token`);
  assert.equal(document.userinfo_endpoint, `${idp.origin}/oauth2/userInfo`);
  assert.equal(document.end_session_endpoint, `${idp.origin}/logout`);
});

test('the key set holds public RSA keys only', async () => {
  const { keys } = await keySet();

  assert.equal(keys.length, 2);

  for (const key of keys) {
    assert.deepEqual(Object.keys(key).sort(),
      ['alg', 'e', 'kid', 'kty', 'n', 'use']);
    assert.equal(key.alg, 'RS256');
  }
});

test('an ID token of a Google user', async () => {
  const before_s = Math.floor(Date.now() / 1000);
  const { id_token: token } = await enter('Alice');
  const { payload } = await verify(token, { audience: CLIENT });

  assert.match(payload.sub, UUID);
  assert.equal(payload.token_use, 'id');
  assert.equal(payload.email, 'alice@example.com');
  assert.equal(payload.email_verified, true);
  assert.match(payload['cognito:username'], /^google_\d{21}$/);
  assert.deepEqual(payload['cognito:groups'], [`${POOL}_Google`]);
  assert.equal(payload.identities.length, 1);

  const [identity] = payload.identities;

  assert.match(identity.dateCreated, /^\d{13}$/);
  assert.deepEqual({ ...identity, dateCreated: '' }, {
    userId: payload['cognito:username'].slice('google_'.length),
    providerName: 'Google',
    providerType: 'Google',
    issuer: null,
    primary: 'true',
    dateCreated: '',
  });

  assert.match(payload.jti, UUID);
  assert.match(payload.origin_jti, UUID);
  assert.match(payload.event_id, UUID);
  assert.ok(payload.auth_time >= before_s);
  assert.equal(payload.exp - payload.iat, 3600);
  assert.equal('client_id' in payload, false);
  assert.deepEqual(Object.keys(decodeProtectedHeader(token)), ['kid', 'alg']);
});

test('an access token of a Google user', async () => {
  const tokens = await enter('alice');
  const { payload } = await verify(tokens.access_token);
  const id = decodeJwt(tokens.id_token);

  assert.equal(payload.sub, id.sub);
  assert.equal(payload.token_use, 'access');
  assert.equal(payload.client_id, CLIENT);
  assert.equal(payload.scope, 'openid email profile');
  assert.equal(payload.username, id['cognito:username']);
  assert.equal(payload.version, 2);
  assert.equal(payload.origin_jti, id.origin_jti);
  assert.notEqual(payload.jti, id.jti);

  for (const absent of ['aud', 'email', 'email_verified', 'identities']) {
    assert.equal(absent in payload, false, absent);
  }

  assert.equal(tokens.token_type, 'Bearer');
  assert.equal(tokens.expires_in, 3600);
});

test('slashes in a payload are escaped', async () => {
  const tokens = await enter('alice');
  const escaped = idp.issuer.replaceAll('/', '\\/');

  for (const token of [tokens.id_token, tokens.access_token]) {
    assert.ok(payloadText(token).includes(`"iss":"${escaped}"`));
    assert.equal(/[^\\]\//.test(payloadText(token)), false);
  }
});

test('ID and access tokens are signed by different keys', async () => {
  const tokens = await enter('alice');
  const kids = [tokens.id_token, tokens.access_token]
    .map((token) => decodeProtectedHeader(token).kid);

  assert.notEqual(kids[0], kids[1]);
});

test('a native user has no identities and no group', async () => {
  const { id_token: token } = await enter('nora', { provider: 'Cognito' });
  const { payload } = await verify(token, { audience: CLIENT });

  assert.equal(payload.email_verified, true);
  assert.equal(payload['cognito:username'], payload.sub);
  assert.equal('identities' in payload, false);
  assert.equal('cognito:groups' in payload, false);
});

test('an unverified address is told by either kind of user', async () => {
  for (const provider of ['Google', 'Cognito']) {
    const { id_token: token } = await enter('ulf', {
      provider, unverified: true,
    });

    assert.equal(decodeJwt(token).email_verified, false, provider);
  }
});

test('another federated provider is named as such', async () => {
  const { id_token: token } = await enter('fay', { provider: 'facebook' });
  const { payload } = await verify(token);

  assert.equal(payload.identities[0].providerName, 'Facebook');
  assert.deepEqual(payload['cognito:groups'], [`${POOL}_Facebook`]);
});

test('a name is one user, a provider makes another', async () => {
  const sub = async (name, provider) => decodeJwt(
    (await enter(name, { provider })).id_token,
  ).sub;

  const first = await sub('ida', 'Google');

  assert.equal(await sub('IDA@example.com', 'Google'), first);
  assert.notEqual(await sub('ida', 'Cognito'), first);
  assert.notEqual(await sub('ivy', 'Google'), first);
});

// --- protocol --------------------------------------------------------------

test('state comes back, nonce arrives in the ID token', async () => {
  const { verifier, challenge } = pkcePair();
  const query = await codeFor('alice', {
    code_challenge: challenge, nonce: 'n-1',
  });

  assert.deepEqual([...query.keys()].sort(), ['code', 'state']);
  assert.equal(query.get('state'), 'opaque-state');

  const tokens = await exchange(query.get('code'), verifier);

  assert.equal(decodeJwt(tokens.id_token).nonce, 'n-1');
});

test('a wrong or missing verifier is refused', async () => {
  for (const wrong of [pkcePair().verifier, '']) {
    const { code } = await issueCode('alice');
    await assert.rejects(exchange(code, wrong), /invalid_(grant|request)/);
  }
});

test('a code is good once; its second use revokes the sign-in', async () => {
  const { code, verifier } = await issueCode('alice');
  const tokens = await exchange(code, verifier);

  await assert.rejects(exchange(code, verifier), /invalid_grant/);
  await assert.rejects(requestTokens(idp.origin, {
    grant_type: 'refresh_token',
    client_id: CLIENT,
    refresh_token: tokens.refresh_token,
  }), /invalid_grant/);
});

test('a code is good only for its client', async () => {
  const { code, verifier } = await issueCode('alice');

  await assert.rejects(
    exchange(code, verifier, { client_id: 'another-client' }),
    /invalid_grant/,
  );
});

test('PKCE with S256 is required', async () => {
  for (const changes of [
    { code_challenge: 'undefined', code_challenge_method: 'undefined' },
    { code_challenge_method: 'plain' },
  ]) {
    const done = await new Browser().open(authorizeUrl(changes), {
      stopAt: APP,
    });

    assert.equal(new URL(done.url).searchParams.get('error'),
      'invalid_request');
  }
});

test('an unknown redirect or client ends on a page', async () => {
  for (const changes of [
    { redirect_uri: 'http://127.0.0.1:1/evil' }, { client_id: 'nobody' },
  ]) {
    const page = await new Browser().open(authorizeUrl(changes));

    assert.equal(page.status, 400);
    assert.match(page.text, /That did not work/);
  }
});

test('refresh gives new tokens of the same sign-in', async () => {
  const first = await enter('rita');
  const again = await requestTokens(idp.origin, {
    grant_type: 'refresh_token',
    client_id: CLIENT,
    refresh_token: first.refresh_token,
  });
  const [was, is] = [first, again].map((t) => decodeJwt(t.id_token));

  await verify(again.id_token, { audience: CLIENT });
  await verify(again.access_token);
  assert.equal('refresh_token' in again, false);
  assert.equal(is.sub, was.sub);
  assert.equal(is.origin_jti, was.origin_jti);
  assert.equal(is.auth_time, was.auth_time);
  assert.notEqual(is.jti, was.jti);
  assert.notEqual(decodeJwt((await enter('rita')).id_token).origin_jti,
    was.origin_jti);
});

test('a revoked refresh token is dead, another sign-in lives', async () => {
  const [one, other] = [await enter('rita'), await enter('rita')];
  const answer = await fetch(`${idp.origin}/oauth2/revoke`, {
    method: 'POST',
    body: new URLSearchParams({ client_id: CLIENT, token: one.refresh_token }),
  });
  const refresh = (tokens) => requestTokens(idp.origin, {
    grant_type: 'refresh_token',
    client_id: CLIENT,
    refresh_token: tokens.refresh_token,
  });

  assert.equal(answer.status, 200);
  await assert.rejects(refresh(one), /invalid_grant/);
  assert.ok((await refresh(other)).id_token);
});

test('userInfo takes the access token', async () => {
  const { access_token: token, id_token: idToken } = await enter('alice');
  const ask = (bearer) => fetch(`${idp.origin}/oauth2/userInfo`, {
    headers: { authorization: `Bearer ${bearer}` },
  });

  const answer = await ask(token);
  const person = await answer.json();

  assert.equal(person.sub, decodeJwt(token).sub);
  assert.equal(person.email, 'alice@example.com');
  assert.equal(person.email_verified, 'true');
  assert.equal((await ask(idToken)).status, 401);
  assert.equal((await ask('garbage')).status, 401);
});

test('the token endpoint answers the app in a browser, no other', async () => {
  const ask = async (origin) => {
    const { code, verifier } = await issueCode('alice');

    return fetch(`${idp.origin}/oauth2/token`, {
      method: 'POST',
      headers: { origin },
      body: new URLSearchParams({
        grant_type: 'authorization_code',
        client_id: CLIENT,
        code,
        code_verifier: verifier,
        redirect_uri: APP,
      }),
    });
  };
  const { origin } = new URL(APP);
  const good = await ask(origin);

  assert.equal(good.status, 200);
  assert.equal(good.headers.get('access-control-allow-origin'), origin);
  assert.equal((await ask('http://127.0.0.1:1')).status, 400);
});

// --- the hosted UI's session -----------------------------------------------

test('a session signs in without a page until logout', async () => {
  const browser = new Browser();

  await codeFor('sue', { browser });

  const silent = await browser.open(authorizeUrl(), { stopAt: APP });

  assert.ok(new URL(silent.url).searchParams.get('code'));

  const logout = `${idp.origin}/logout?${new URLSearchParams({
    client_id: CLIENT, logout_uri: APP,
  })}`;

  assert.equal((await browser.open(logout, { stopAt: APP })).url, APP);

  const page = await browser.open(authorizeUrl(), { stopAt: APP });

  assert.equal(page.status, 200);
  assert.match(page.text, /Continue with\s+Google/);
});

test('logout ends the session of the browser, not the tokens', async () => {
  const browser = new Browser();
  const tokens = await enter('sue', { browser });

  await browser.open(`${idp.origin}/logout?${new URLSearchParams({
    client_id: CLIENT, logout_uri: APP,
  })}`, { stopAt: APP });

  const again = await requestTokens(idp.origin, {
    grant_type: 'refresh_token',
    client_id: CLIENT,
    refresh_token: tokens.refresh_token,
  });

  assert.equal(decodeJwt(again.id_token).sub, decodeJwt(tokens.id_token).sub);
});

test('prompt=login lets another person in at the same browser', async () => {
  const browser = new Browser();

  await codeFor('sue', { browser });

  const page = await browser.open(authorizeUrl({
    identity_provider: 'Google', prompt: 'login',
  }), { stopAt: APP });

  assert.equal(page.status, 200);
  assert.match(page.text, /Your name or e-mail/);
});

test('logout goes only where it is allowed to', async () => {
  for (const query of [
    { client_id: CLIENT, logout_uri: 'http://127.0.0.1:1/' },
    { client_id: 'nobody', logout_uri: APP },
    { client_id: CLIENT },
  ]) {
    const page = await new Browser().open(
      `${idp.origin}/logout?${new URLSearchParams(query)}`,
    );

    assert.equal(page.status, 400);
  }
});

test('/login shows the page even to a signed-in browser', async () => {
  const browser = new Browser();

  await codeFor('sue', { browser });

  const { search } = new URL(authorizeUrl());
  const page = await browser.open(`${idp.origin}/login${search}`);

  assert.equal(page.status, 200);
  assert.match(page.text, /Create an account/);
});

test('native accounts: sign-up, code, password', async () => {
  const browser = new Browser();
  const { url } = await browser.open(authorizeUrl());
  const post = (at, form) => browser.open(at, { form, stopAt: APP });
  const account = { email: 'new@example.org', password: 'correct horse' };

  const short = await post(url, {
    ...account, password: 'short', action: 'sign-up',
  });
  assert.equal(short.status, 400);

  const absent = await post(url, { ...account, action: 'sign-in' });
  assert.equal(absent.status, 401);

  const asked = await post(url, { ...account, action: 'sign-up' });
  const code = /<code id="code">(\d{6})</.exec(asked.text)[1];
  const other = code === '000000' ? '000001' : '000000';
  const wrong = await post(asked.url, { code: other });

  assert.match(asked.url, /\/verify$/);
  assert.equal(wrong.status, 400);

  const done = await post(asked.url, { code });
  assert.ok(new URL(done.url).searchParams.get('code'));

  const twice = await new Browser();
  const again = await twice.open(authorizeUrl());
  const taken = await twice.open(again.url, {
    form: { ...account, action: 'sign-up' },
  });
  assert.equal(taken.status, 409);

  const bad = await twice.open(again.url, {
    form: { ...account, password: 'wrong horse', action: 'sign-in' },
  });
  assert.equal(bad.status, 401);

  const good = await twice.open(again.url, {
    form: { ...account, action: 'sign-in' }, stopAt: APP,
  });
  assert.ok(new URL(good.url).searchParams.get('code'));
});

test('what a person types is shown as text', async () => {
  const browser = new Browser();
  const { url } = await browser.open(authorizeUrl({
    login_hint: '"><script>alert(1)</script>',
  }));
  const page = await browser.open(url);

  assert.match(page.text, /&lt;script&gt;/);
  assert.doesNotMatch(page.text, /<script>/);
});

test('a sign-in page of nobody is refused', async () => {
  for (const path of ['/login/unknown', '/login/unknown/with/Google']) {
    assert.equal((await fetch(idp.origin + path)).status, 400);
  }
});

// --- keys ------------------------------------------------------------------

test('rotation: old keys stay for one more rotation', async () => {
  const old = (await enter('kim')).id_token;
  const oldKid = decodeProtectedHeader(old).kid;

  await control('/dev/rotate');

  const fresh = (await enter('kim')).id_token;

  assert.notEqual(decodeProtectedHeader(fresh).kid, oldKid);
  assert.equal((await keySet()).keys.length, 4);
  await verify(fresh);
  await verify(old);

  await control('/dev/rotate');
  assert.equal((await keySet()).keys.length, 4);
  await verify(fresh);
  await assert.rejects(verify(old), { code: 'ERR_JWKS_NO_MATCHING_KEY' });

  await control('/dev/rotate?drop=1');
  assert.equal((await keySet()).keys.length, 2);
  await assert.rejects(verify(fresh), { code: 'ERR_JWKS_NO_MATCHING_KEY' });
});

test('the key set fails on demand, and recovers', async () => {
  const url = `${idp.issuer}/.well-known/jwks.json`;
  const requests = async () => {
    const answer = await fetch(`${idp.origin}/dev/state`);
    return (await answer.json()).keyRequests;
  };
  const start = await requests();

  await control('/dev/fail?mode=500');
  assert.equal((await fetch(url)).status, 500);

  await control('/dev/fail?mode=garbage');
  await assert.rejects((await fetch(url)).json(), SyntaxError);

  await control('/dev/fail?mode=empty');
  const empty = await fetch(url);
  assert.equal(empty.status, 200);
  assert.equal(await empty.text(), '');

  await control('/dev/fail?mode=slow');
  await assert.rejects(fetch(url, { signal: AbortSignal.timeout(300) }),
    { name: 'TimeoutError' });

  await control('/dev/fail?mode=slow&seconds=0.2');
  const started = Date.now();
  await keySet();
  assert.ok(Date.now() - started >= 190);

  await control('/dev/fail?mode=off');
  assert.equal((await keySet()).keys.length, 2);
  assert.equal(await requests() - start, 6);
});

test('lifetimes change on demand', async () => {
  await control('/dev/lifetime?seconds=5');

  const tokens = await enter('kim');
  const { exp, iat } = decodeJwt(tokens.access_token);

  await control('/dev/lifetime?seconds=3600');
  assert.equal(exp - iat, 5);
  assert.equal(tokens.expires_in, 5);
});

test('the controls refuse nonsense and web pages', async () => {
  for (const path of [
    '/dev/fail?mode=loudly', '/dev/fail', '/dev/fail?mode=slow&seconds=x',
    '/dev/lifetime?seconds=0', '/dev/lifetime',
  ]) {
    assert.equal((await control(path)).status, 400, path);
  }

  const answer = await fetch(`${idp.origin}/dev/rotate`, {
    method: 'POST', headers: { origin: 'http://127.0.0.1:1' },
  });

  assert.equal(answer.status, 403);
});

// --- restart ---------------------------------------------------------------

test('a data file keeps keys and accounts over a restart', async () => {
  const data = join(directory, 'pool.json');
  const enterAt = (pool) => signIn({
    issuer: pool.issuer, clientId: CLIENT, name: 'pia', provider: 'Cognito',
  });

  const first = await startIdp({ ...OPTIONS, data });
  const token = (await enterAt(first)).id_token;
  const port = Number(new URL(first.origin).port);
  const keys = await keySet(first);

  await first.close();
  assert.equal((await stat(data)).mode & 0o777, 0o600);

  const second = await startIdp({ ...OPTIONS, data, port });

  try {
    assert.deepEqual(await keySet(second), keys);
    await verify(token, { pool: second });
    assert.equal(decodeJwt((await enterAt(second)).id_token).sub,
      decodeJwt(token).sub);
  } finally {
    await second.close();
  }

  const text = await readFile(data, 'utf8');
  assert.equal(text.includes('development'), false);
});

test('without a data file a name is still the same user', async () => {
  const again = await startIdp(OPTIONS);

  try {
    const there = await signIn({
      issuer: again.issuer, clientId: CLIENT, name: 'alice',
    });
    const here = await enter('alice');

    assert.equal(decodeJwt(there.id_token).sub, decodeJwt(here.id_token).sub);
    await assert.rejects(verify(there.id_token, { issuer: again.issuer }));
  } finally {
    await again.close();
  }
});

test('a data file of rubbish and a taken port stop the start', async () => {
  const data = join(directory, 'rubbish.json');

  await writeFile(data, '{');
  await assert.rejects(startIdp({ ...OPTIONS, data }), /rubbish\.json/);

  const port = Number(new URL(idp.origin).port);
  await assert.rejects(startIdp({ ...OPTIONS, port }), { code: 'EADDRINUSE' });
});

test('a client that sends half a request hurts nobody', async () => {
  const socket = connect(Number(new URL(idp.origin).port), '127.0.0.1');

  socket.on('error', () => {});
  socket.write('POST /oauth2/token HTTP/1.1\r\nContent-Length: 999\r\n');
  await enter('alice');
  socket.destroy();
  assert.ok((await enter('alice')).id_token);
});

// --- dev/token -------------------------------------------------------------

function devToken(...words) {
  return run(TOKEN, words, {
    cwd: tmpdir(),
    env: {
      PATH: process.env.PATH,
      CONVO_ISSUER: idp.issuer,
      CONVO_CLIENT_ID: CLIENT,
    },
  });
}

test('dev/token prints an ID token, or an access token', async () => {
  const [id, access] = await Promise.all([
    devToken('dan'), devToken('dan', '--access'),
  ]);

  assert.match(id.stdout, /^[\w-]+\.[\w-]+\.[\w-]+\n$/);
  assert.equal((await verify(id.stdout.trim())).payload.token_use, 'id');
  assert.equal((await verify(access.stdout.trim())).payload.token_use,
    'access');
});

test('dev/token knows providers and unverified addresses', async () => {
  const claims = async (...words) => decodeJwt(
    (await devToken(...words)).stdout.trim(),
  );
  const [native, unverified, facebook] = await Promise.all([
    claims('dan', '--provider', 'none'),
    claims('dora', '--unverified'),
    claims('dan', '--provider', 'Facebook'),
  ]);

  assert.equal('identities' in native, false);
  assert.equal(unverified.email_verified, false);
  assert.equal(facebook.identities[0].providerName, 'Facebook');
});

test('dev/token finds the stack that runs', async () => {
  await writeFile(join(directory, 'env'), `# the stack
CONVO_URL=http://127.0.0.1:1
export CONVO_ISSUER='${idp.issuer}'
CONVO_CLIENT_ID="${CLIENT}"
`);

  const { stdout } = await run(TOKEN, ['dan'], {
    cwd: tmpdir(), env: { PATH: process.env.PATH, CONVO_RUN: directory },
  });

  assert.equal(decodeJwt(stdout.trim()).aud, CLIENT);
  await assert.rejects(run(TOKEN, ['dan'], {
    env: { PATH: process.env.PATH, CONVO_RUN: join(directory, 'none') },
  }), (error) => error.code === 1 && /make up/.test(error.stderr));
});

test('dev/token explains what is wrong', async () => {
  await assert.rejects(devToken(), { code: 2 });
  await assert.rejects(devToken('dan', '--wrong'), { code: 2 });
  await assert.rejects(devToken('dan', '--provider', 'Nobody'),
    (error) => error.code === 1 && /no provider Nobody/.test(error.stderr));
  await assert.rejects(devToken('not an address'),
    (error) => error.code === 1 && /Enter a name/.test(error.stderr));
});
