// Sign-ins without a provider: tokens as Cognito's, by a key of this run's
// own, whose set the edge reads from a file.

import { createSign, generateKeyPairSync } from 'node:crypto';

export class Tokens {
  constructor({ issuer, client }) {
    Object.assign(this, { issuer, client });
    const { publicKey, privateKey } = generateKeyPairSync('rsa',
      { modulusLength: 2048 });
    this.key = privateKey;
    this.keySet = { keys: [{
      ...publicKey.export({ format: 'jwk' }), kid: 'torture', alg: 'RS256',
      use: 'sig',
    }] };
  }

  mint(sub) {
    const now = Math.floor(Date.now() / 1000);
    const encode = (value) => Buffer.from(JSON.stringify(value))
      .toString('base64url');
    const text = `${encode({ alg: 'RS256', kid: 'torture' })}.${encode({
      iss: this.issuer, aud: this.client, token_use: 'id', sub,
      iat: now, exp: now + 86400,
    })}`;
    return `${text}.${createSign('RSA-SHA256').update(text)
      .sign(this.key, 'base64url')}`;
  }
}
