// Keys and tokens for the tests of sign-in: made by node's own crypto, of any
// algorithm, and of any bytes.

import {
  constants, createHmac, generateKeyPairSync, sign as cryptoSign,
} from 'node:crypto';

export const ISSUER
  = 'https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_A';
export const CLIENT = 'client1';

const KINDS = {
  RS: () => generateKeyPairSync('rsa', { modulusLength: 2048 }),
  ES: () => generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  Ed: () => generateKeyPairSync('ed25519'),
};

// A key pair with its JWK: alg is RS256, ES256 or EdDSA.
export function makeKey(kid, alg) {
  const { publicKey, privateKey } = KINDS[alg.slice(0, 2)]();
  const jwk = {
    ...publicKey.export({ format: 'jwk' }), kid, alg, use: 'sig',
  };
  return { kid, alg, publicKey, privateKey, jwk };
}

export function base64url(bytes) {
  return Buffer.from(bytes).toString('base64url');
}

// Signs bytes as the algorithm says, whatever the key is called.
export function sign(key, input, alg = key.alg) {
  const hash = `sha${alg.slice(2)}`;
  switch (alg.slice(0, 2)) {
    case 'RS':
      return cryptoSign(hash, input, key.privateKey);
    case 'PS':
      return cryptoSign(hash, input, {
        key: key.privateKey, padding: constants.RSA_PKCS1_PSS_PADDING,
        saltLength: constants.RSA_PSS_SALTLEN_DIGEST,
      });
    case 'ES':
      return cryptoSign(hash, input,
        { key: key.privateKey, dsaEncoding: 'ieee-p1363' });
    case 'Ed':
      return cryptoSign(null, input, key.privateKey);
    default:
      throw new Error(`no algorithm ${alg}`);
  }
}

export function hmac(secret, input) {
  return createHmac('sha256', secret).update(input).digest();
}

// header "." payload "." signature of these bytes.
export function compact(header, payload, key, alg) {
  const input = `${base64url(header)}.${base64url(payload)}`;
  return `${input}.${base64url(sign(key, Buffer.from(input), alg))}`;
}

// What Cognito says of a user, in an ID token.
export function claims(now, more = {}) {
  return {
    sub: 'user-1', iss: ISSUER, aud: CLIENT, token_use: 'id',
    auth_time: now, iat: now, exp: now + 3600, email: 'ann@example.com',
    email_verified: true, 'cognito:username': 'ann',
    'cognito:groups': ['pool_Google'], origin_jti: 'origin-1', jti: 'jti-1',
    ...more,
  };
}

export function header(key, more = {}) {
  return { alg: key.alg, kid: key.kid, ...more };
}

export function idToken(key, now, more) {
  return compact(JSON.stringify(header(key)),
    JSON.stringify(claims(now, more)), key);
}
