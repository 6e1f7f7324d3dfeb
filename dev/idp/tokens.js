// ID and access tokens in the exact shape of a user pool's.
//
// oidc-provider runs the protocol and decides who gets tokens; what it then
// would send is replaced by these two, because a pool's tokens differ in ways
// that a generic provider cannot be told: two signing keys, no `aud` and no
// `typ` in access tokens, `token_use`, `origin_jti`, and a serialiser that
// escapes every slash ("https:\/\/…"), on which naive comparisons of `iss`
// break.

import {
  createHash, randomUUID, sign as signBytes,
} from 'node:crypto';

import { NATIVE, nameUuid } from './users.js';

function base64urlJSON(value) {
  const text = JSON.stringify(value).replaceAll('/', '\\/');
  return Buffer.from(text).toString('base64url');
}

function signJwt({ kid, privateKey }, payload) {
  const head = base64urlJSON({ kid, alg: 'RS256' });
  const input = `${head}.${base64urlJSON(payload)}`;
  const signature = signBytes('sha256', Buffer.from(input), privateKey);

  return `${input}.${signature.toString('base64url')}`;
}

function leftHalfHash(text) {
  const digest = createHash('sha256').update(text).digest();
  return digest.subarray(0, digest.length / 2).toString('base64url');
}

function groupsOf(user, pool) {
  return user.provider === NATIVE
    ? {} : { 'cognito:groups': [`${pool}_${user.provider}`] };
}

function identitiesOf(user) {
  return user.provider === NATIVE ? {} : {
    identities: [{
      userId: user.userId,
      providerName: user.provider,
      providerType: user.provider,
      issuer: null,
      primary: 'true',
      dateCreated: String(user.dateCreated),
    }],
  };
}

/**
 * Signs both tokens of one sign-in.
 *
 * keys: the KeyRing; pool: its id; issuer: the exact `iss`; user: of the
 * Directory; signIn: { clientId, scope, nonce, authTime (epoch seconds),
 * id (stable over refreshes: it names the sign-in) }; lifetime_s: of both.
 * Returns { idToken, accessToken, accessJti }.
 */
export function mintTokens({ keys, pool, issuer }, user, signIn, lifetime_s) {
  const iat = Math.floor(Date.now() / 1000);
  const accessJti = randomUUID();

  const common = {
    sub: user.sub,
    ...groupsOf(user, pool),
    iss: issuer,
    origin_jti: nameUuid('origin', signIn.id),
    event_id: nameUuid('event', signIn.id),
    auth_time: signIn.authTime,
    iat,
    exp: iat + lifetime_s,
  };

  const accessToken = signJwt(keys.signer('access'), {
    ...common,
    version: 2,
    client_id: signIn.clientId,
    token_use: 'access',
    scope: signIn.scope,
    jti: accessJti,
    username: user.username,
  });

  const idToken = signJwt(keys.signer('id'), {
    at_hash: leftHalfHash(accessToken),
    ...common,
    email_verified: user.emailVerified,
    'cognito:username': user.username,
    ...(signIn.nonce === undefined ? {} : { nonce: signIn.nonce }),
    aud: signIn.clientId,
    ...identitiesOf(user),
    token_use: 'id',
    ...(user.name === undefined ? {} : { name: user.name }),
    jti: randomUUID(),
    email: user.email,
  });

  return { idToken, accessToken, accessJti };
}
