// oidc-provider, configured as the authorization server of a user pool.
//
// It runs the protocol: authorization requests, PKCE, codes, the browser's
// session, refresh and revocation. Two things are put right behind it: the
// tokens it would answer with are replaced by the pool's own (tokens.js), and
// the pool's access tokens are translated back when one arrives at userInfo.

import { Provider, interactionPolicy } from 'oidc-provider';

import { errorPage } from './pages.js';
import { memoryStore } from './store.js';
import { mintTokens } from './tokens.js';

const DAY_S = 24 * 3600;
const REFRESH_S = 30 * DAY_S;

export const SCOPES = [
  'openid', 'email', 'phone', 'profile', 'aws.cognito.signin.user.admin',
];

export const ROUTES = {
  authorization: '/oauth2/authorize',
  token: '/oauth2/token',
  userinfo: '/oauth2/userInfo',
  revocation: '/oauth2/revoke',
  // Answered by this server itself; moved where they meet nothing.
  end_session: '/oauth2/unused/logout',
  jwks: '/oauth2/unused/jwks',
};

function clientMetadata(clientId, redirects) {
  return {
    client_id: clientId,
    application_type: 'web',
    grant_types: ['authorization_code', 'refresh_token'],
    redirect_uris: redirects,
    response_types: ['code'],
    token_endpoint_auth_method: 'none',
  };
}

function policy() {
  const prompts = interactionPolicy.base();

  // A pool asks for no consent: an app client is the pool owner's own.
  prompts.remove('consent');
  return prompts;
}

// Every sign-in has a grant of its own, so that revoking one refresh token
// ends that sign-in and no other.
async function grantForSignIn(ctx) {
  const { client, session, provider } = ctx.oidc;
  const grant = new provider.Grant({
    accountId: session.accountId,
    clientId: client.clientId,
  });

  grant.addOIDCScope(SCOPES.join(' '));
  await grant.save();
  return grant;
}

function accountOf(users, sub) {
  const user = users.find(sub);

  return user && {
    accountId: sub,
    claims: () => ({
      sub,
      username: user.username,
      email: user.email,
      email_verified: String(user.emailVerified),
    }),
  };
}

function configuration(pool) {
  const signer = pool.keys.signer('id');
  const jwk = signer.privateKey.export({ format: 'jwk' });

  return {
    adapter: memoryStore(),
    claims: {
      openid: ['sub', 'username'],
      email: ['email', 'email_verified'],
      phone: [],
      profile: [],
    },
    clientBasedCORS: (ctx, origin, client) => client.redirectUris.some(
      (uri) => new URL(uri).origin === origin,
    ),
    clients: pool.clients.map((id) => clientMetadata(id, pool.redirects)),
    cookies: {
      keys: [pool.cookieKey],
      names: {
        session: 'pool-session',
        interaction: 'pool-sign-in',
        resume: 'pool-resume',
      },
    },
    expiresWithSession: () => false,
    extraParams: ['identity_provider', 'lang'],
    features: {
      devInteractions: { enabled: false },
      dPoP: { enabled: false },
      pushedAuthorizationRequests: { enabled: false },
      resourceIndicators: { enabled: false },
      revocation: {
        enabled: true,
        allowedPolicy: (ctx, client, token) => (
          token.clientId === client.clientId
        ),
      },
      rpInitiatedLogout: { enabled: false },
    },
    findAccount: (ctx, sub) => accountOf(pool.users, sub),
    interactions: {
      policy: policy(),
      url: (ctx, interaction) => `/login/${interaction.uid}`,
    },
    issueRefreshToken: () => true,
    jwks: { keys: [{ ...jwk, kid: signer.kid, alg: 'RS256', use: 'sig' }] },
    loadExistingGrant: grantForSignIn,
    pkce: { required: () => true },
    renderError: (ctx, out) => {
      ctx.type = 'html';
      ctx.body = errorPage(out.error_description ?? out.error);
    },
    responseTypes: ['code'],
    rotateRefreshToken: false,
    routes: ROUTES,
    scopes: SCOPES,
    ttl: {
      AccessToken: DAY_S,
      AuthorizationCode: 300,
      Grant: REFRESH_S,
      IdToken: DAY_S,
      Interaction: 3600,
      RefreshToken: REFRESH_S,
      Session: DAY_S,
    },
  };
}

// What the pool's access tokens stand for inside oidc-provider: jti → the
// provider's own token, for as long as the pool's token is valid.
class Handles {
  #entries = new Map();

  put(jti, value, lifetime_s) {
    const now = Date.now();

    for (const [key, entry] of this.#entries) {
      if (entry.expiresAt > now) {
        break;
      }
      this.#entries.delete(key);
    }

    this.#entries.set(jti, { value, expiresAt: now + lifetime_s * 1000 });
  }

  get(jti) {
    const entry = this.#entries.get(jti);
    return entry && entry.expiresAt > Date.now() ? entry.value : undefined;
  }
}

async function replaceTokens(ctx, pool, handles) {
  const { RefreshToken: refresh, Account: account } = ctx.oidc.entities;
  const { body } = ctx;

  const minted = mintTokens(pool, pool.users.find(account.accountId), {
    clientId: ctx.oidc.client.clientId,
    scope: body.scope,
    nonce: refresh.nonce,
    authTime: refresh.authTime,
    id: refresh.jti,
  }, pool.lifetime_s);

  handles.put(minted.accessJti, body.access_token, pool.lifetime_s);

  ctx.body = {
    ...(body.id_token ? { id_token: minted.idToken } : {}),
    access_token: minted.accessToken,
    ...(ctx.oidc.params.grant_type === 'authorization_code'
      ? { refresh_token: body.refresh_token } : {}),
    expires_in: pool.lifetime_s,
    token_type: 'Bearer',
  };
}

// The signature needs no check: the jti of a token that was not issued here
// is unguessable, and one that was is looked up, not believed.
function translateBearer(ctx, handles) {
  const [, payload] = (ctx.get('Authorization') || '').split('.');
  let jti;

  try {
    ({ jti } = JSON.parse(Buffer.from(payload, 'base64url')));
  } catch {
    return;
  }

  ctx.req.headers.authorization = `Bearer ${handles.get(jti) ?? 'unknown'}`;
}

/**
 * The authorization server of a pool: a Koa application, more middleware may
 * be put before it with use(). pool: { issuer, pool, keys, users, clients,
 * redirects, lifetime_s, cookieKey }; lifetime_s may change at any time.
 */
export function authorizationServer(pool) {
  const provider = new Provider(pool.issuer, configuration(pool));
  const handles = new Handles();

  provider.on('authorization.success', (ctx, out) => {
    // Pools do not send RFC 9207's parameter.
    delete out.iss;
  });

  provider.on('server_error', (ctx, error) => {
    console.error('idp: error', ctx.method, ctx.path, error);
  });

  provider.use(async (ctx, next) => {
    if (ctx.path === ROUTES.userinfo) {
      translateBearer(ctx, handles);
    }

    await next();

    if (ctx.path === ROUTES.token && ctx.body?.access_token) {
      await replaceTokens(ctx, pool, handles);
    }
  });

  return provider;
}
