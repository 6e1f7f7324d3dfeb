// The development identity provider: one HTTP server on loopback that answers
// like a user pool (issuer path: discovery and keys) and its hosted UI (root:
// authorize, token, userInfo, revoke, login, logout), with a few endpoints
// below /dev by which tests turn keys and break things.
//
// How it fails: a data file that cannot be read stops it at start with a
// message; one that cannot be written is reported and the server goes on; a
// restart forgets sessions and refresh tokens, as an ended sign-in would, and
// keeps keys and accounts when there is a data file.

import { randomBytes } from 'node:crypto';
import { readFile, rename, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';

import { CALLBACK } from './contract.js';
import { KeyRing } from './keys.js';
import { STYLE, callbackPage, errorPage } from './pages.js';
import { ROUTES, SCOPES, authorizationServer } from './provider.js';
import { signInPages } from './signin.js';
import { Directory, Refused } from './users.js';

const HOST = '127.0.0.1';
const SLOW_S = 30;
const MAX_LIFETIME_S = 24 * 3600;

async function load(file) {
  try {
    return file ? JSON.parse(await readFile(file, 'utf8')) : {};
  } catch (error) {
    if (error.code === 'ENOENT') {
      return {};
    }
    throw new Error(`${file}: ${error.message}`);
  }
}

// Writes one after the other, each whole or not at all.
function saver(file, state) {
  let last = Promise.resolve();

  async function write() {
    const text = JSON.stringify(state());

    await writeFile(`${file}.new`, text, { mode: 0o600 });
    await rename(`${file}.new`, file);
  }

  return () => {
    if (file) {
      last = last.then(write).catch((error) => {
        console.error(`idp: cannot write ${file}: ${error.message}`);
      });
    }

    return last;
  };
}

function discovery({ issuer, origin }) {
  return {
    authorization_endpoint: origin + ROUTES.authorization,
    end_session_endpoint: `${origin}/logout`,
    id_token_signing_alg_values_supported: ['RS256'],
    issuer,
    jwks_uri: `${issuer}/.well-known/jwks.json`,
    response_types_supported: ['code'],
    revocation_endpoint: origin + ROUTES.revocation,
    scopes_supported: SCOPES,
    subject_types_supported: ['public'],
    token_endpoint: origin + ROUTES.token,
    token_endpoint_auth_methods_supported: ['none'],
    userinfo_endpoint: origin + ROUTES.userinfo,
  };
}

// --- the key set, with its faults ------------------------------------------

const FAULTS = ['off', '500', 'slow', 'garbage', 'empty'];

function sleep(seconds, until) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, seconds * 1000);

    timer.unref();
    until.once('close', () => {
      clearTimeout(timer);
      resolve();
    });
  });
}

async function keySet(ctx, pool) {
  const { mode, seconds } = pool.fault;

  pool.keyRequests++;
  ctx.set('Access-Control-Allow-Origin', '*');
  ctx.set('Cache-Control', 'public, max-age=86400');

  if (mode === 'slow') {
    await sleep(seconds, ctx.res);
  }

  if (mode === '500') {
    ctx.status = 500;
    ctx.body = { message: 'Internal server error' };
  } else if (mode === 'garbage') {
    ctx.type = 'application/json';
    ctx.body = '{"keys":[{"kty":"RSA","n":';
  } else if (mode === 'empty') {
    ctx.status = 200;
    ctx.type = 'application/json';
    ctx.body = '';
  } else {
    ctx.body = pool.keys.published();
  }
}

// --- /dev ------------------------------------------------------------------

function describe(pool) {
  return {
    signing: {
      id: pool.keys.signer('id').kid,
      access: pool.keys.signer('access').kid,
    },
    published: pool.keys.published().keys.map(({ kid }) => kid),
    keyRequests: pool.keyRequests,
    fault: pool.fault.mode,
    lifetime: pool.lifetime_s,
  };
}

async function rotate(ctx, pool) {
  await pool.keys.rotate({ drop: ctx.query.drop === '1' });
  await pool.save();
}

function fail(ctx, pool) {
  const { mode, seconds = SLOW_S } = ctx.query;

  if (!FAULTS.includes(mode)) {
    throw new Refused(400, `mode is one of ${FAULTS.join(', ')}`);
  }

  if (!(Number(seconds) >= 0)) {
    throw new Refused(400, 'seconds is a number');
  }

  pool.fault = { mode, seconds: Number(seconds) };
}

function lifetime(ctx, pool) {
  const seconds = Number(ctx.query.seconds);

  if (!Number.isInteger(seconds) || seconds < 1 || seconds > MAX_LIFETIME_S) {
    throw new Refused(400, `seconds is 1 to ${MAX_LIFETIME_S}`);
  }

  pool.lifetime_s = seconds;
}

const CONTROLS = {
  'POST /dev/rotate': rotate,
  'POST /dev/fail': fail,
  'POST /dev/lifetime': lifetime,
  'GET /dev/state': () => {},
};

async function control(ctx, pool, handler) {
  // Only programs come without an Origin; pages in a browser may not.
  if (ctx.get('Origin')) {
    throw new Refused(403, 'not for browsers');
  }

  await handler(ctx, pool);
  ctx.body = describe(pool);
}

// --- the hosted UI around oidc-provider ------------------------------------

// GET /login with an app's parameters is the authorization request of
// somebody who wants to see the page even when signed in.
function login(ctx) {
  const query = new URLSearchParams(ctx.querystring);

  query.set('prompt', 'login');
  ctx.redirect(`${ROUTES.authorization}?${query}`);
}

async function logout(ctx, pool, provider) {
  const { client_id: clientId, logout_uri: to } = ctx.query;
  const again = ctx.query.redirect_uri;

  if (!pool.clients.includes(clientId)) {
    throw new Refused(400, `client_id ${clientId} is not known`);
  }

  if (!pool.redirects.includes(to ?? again)) {
    throw new Refused(400,
      `${to === undefined ? 'redirect_uri' : 'logout_uri'} is not allowed`);
  }

  const session = await provider.Session.get(ctx);

  if (session.accountId) {
    await session.destroy();
  }

  ctx.cookies.set(provider.cookieName('session'), null);

  if (to) {
    ctx.redirect(to);
  } else {
    login(ctx);
  }
}

function allowAllScopes(ctx) {
  const query = new URLSearchParams(ctx.querystring);

  if (!query.has('scope')) {
    query.set('scope', SCOPES.join(' '));
    ctx.querystring = query.toString();
  }
}

async function interactionPage(ctx, provider, pages) {
  const [, uid, path] = /^\/login\/([\w-]+)(.*)$/.exec(ctx.path) ?? [];
  let interaction;

  try {
    interaction = await provider.interactionDetails(ctx.req, ctx.res);
  } catch {
    interaction = null;
  }

  if (!interaction || interaction.uid !== uid) {
    throw new Refused(400, 'This sign-in has expired. Start again.');
  }

  await pages(ctx, interaction, path);
}

function refuse(ctx, error) {
  ctx.status = error.status;

  if (ctx.path.startsWith('/dev/') || !ctx.accepts('html')) {
    ctx.body = { error: error.message };
  } else {
    ctx.type = 'html';
    ctx.body = errorPage(error.message);
  }
}

function router(pool, provider) {
  const pages = signInPages(provider, pool.users, pool.save);
  const { pathname } = new URL(pool.issuer);

  const fixed = {
    [`GET ${pathname}/.well-known/jwks.json`]: (ctx) => keySet(ctx, pool),
    [`GET ${pathname}/.well-known/openid-configuration`]: (ctx) => {
      ctx.set('Access-Control-Allow-Origin', '*');
      ctx.body = discovery(pool);
    },
    'GET /login': login,
    'GET /logout': (ctx) => logout(ctx, pool, provider),
    'GET /style.css': (ctx) => {
      ctx.type = 'css';
      ctx.body = STYLE;
    },
    [`GET ${CALLBACK}`]: (ctx) => {
      ctx.type = 'html';
      ctx.body = callbackPage(ctx.query);
    },
  };

  return async (ctx, next) => {
    const route = `${ctx.method} ${ctx.path}`;

    if (fixed[route]) {
      await fixed[route](ctx);
    } else if (CONTROLS[route]) {
      await control(ctx, pool, CONTROLS[route]);
    } else if (ctx.path.startsWith('/login/')) {
      await interactionPage(ctx, provider, pages);
    } else {
      if (ctx.path === ROUTES.authorization) {
        allowAllScopes(ctx);
      }
      await next();
    }
  };
}

function application(pool) {
  const provider = authorizationServer(pool);
  const route = router(pool, provider);

  provider.use(async (ctx, next) => {
    try {
      await route(ctx, next);
    } catch (error) {
      if (!(error instanceof Refused)) {
        throw error;
      }
      refuse(ctx, error);
    }
  });

  return provider.callback();
}

// Calls ready() with the port in the same turn in which the port opens: a
// request that arrived before its handler would never be answered.
function listen(server, port, ready) {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, HOST, () => {
      try {
        resolve(ready(server.address().port));
      } catch (error) {
        reject(error);
      }
    });
  });
}

function createPool(options, keys, saved, origin) {
  const pool = {
    origin,
    issuer: `${origin}/${options.pool}`,
    pool: options.pool,
    clients: options.clients,
    redirects: [...options.redirects, origin + CALLBACK],
    keys,
    users: new Directory(options.pool, saved.users),
    cookieKey: randomBytes(32).toString('base64'),
    lifetime_s: options.lifetime_s,
    fault: { mode: 'off' },
    keyRequests: 0,
  };

  pool.save = saver(options.data, () => ({ keys, users: pool.users }));
  return pool;
}

/**
 * Starts a pool. options: { port (0 takes a free one), pool, clients,
 * redirects, data (file or none), lifetime_s }. Returns { issuer, origin,
 * close() }; rejects when the port is taken or the data file is unreadable.
 */
export async function startIdp(options) {
  const saved = await load(options.data);
  const keys = await KeyRing.from(saved.keys);
  const server = createServer();

  const pool = await listen(server, options.port, (port) => {
    const created = createPool(
      options, keys, saved, `http://${HOST}:${port}`,
    );

    server.on('request', application(created));
    return created;
  });

  await pool.save();

  return {
    issuer: pool.issuer,
    origin: pool.origin,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => { server.close(resolve); });
      await pool.save();
    },
  };
}
