// The pool's signing keys.
//
// A user pool signs ID tokens and access tokens with different keys, so a
// generation is a pair of RSA keys, each with its own kid. The ring holds the
// generation that signs now and, after a rotation, the one before it: that one
// signs nothing more but stays published, so that tokens it signed still
// verify, until the next rotation pushes it out.
//
// Keys live in memory; toJSON() gives what KeyRing.from() needs to bring the
// same ring back after a restart.

import {
  createPrivateKey, createPublicKey, generateKeyPair, randomBytes,
} from 'node:crypto';
import { promisify } from 'node:util';

const MODULUS_BITS = 2048;
const USES = ['id', 'access'];

const generate = promisify(generateKeyPair);

async function newKey() {
  const { privateKey } = await generate('rsa', {
    modulusLength: MODULUS_BITS,
  });

  // Standard base64, with '+', '/' and '=', is what user pools use.
  return { kid: randomBytes(32).toString('base64'), privateKey };
}

async function newGeneration() {
  const [id, access] = await Promise.all(USES.map(newKey));
  return { id, access };
}

function publicJwk({ kid, privateKey }) {
  const { e, kty, n } = createPublicKey(privateKey).export({ format: 'jwk' });
  return { alg: 'RS256', e, kid, kty, n, use: 'sig' };
}

function keyToJSON({ kid, privateKey }) {
  return {
    kid,
    pem: privateKey.export({ format: 'pem', type: 'pkcs8' }),
  };
}

function keyFromJSON({ kid, pem }) {
  return { kid, privateKey: createPrivateKey(pem) };
}

function mapGeneration(generation, fn) {
  return generation && {
    id: fn(generation.id),
    access: fn(generation.access),
  };
}

export class KeyRing {
  constructor(current, previous = null) {
    this.current = current;
    this.previous = previous;
  }

  /** The ring that toJSON() described, or a new one when saved is absent. */
  static async from(saved) {
    if (!saved) {
      return new KeyRing(await newGeneration());
    }

    return new KeyRing(
      mapGeneration(saved.current, keyFromJSON),
      mapGeneration(saved.previous, keyFromJSON),
    );
  }

  /** The key that signs tokens of this use ('id' or 'access') now. */
  signer(use) {
    return this.current[use];
  }

  /**
   * Starts a new generation. The one that signed until now stays published;
   * with drop it goes at once, and every token it signed becomes unverifiable.
   */
  async rotate({ drop = false } = {}) {
    const next = await newGeneration();

    this.previous = drop ? null : this.current;
    this.current = next;
  }

  /** The public half, as the JWKS document. */
  published() {
    const keys = [this.current, this.previous]
      .filter(Boolean)
      .flatMap((generation) => USES.map((use) => publicJwk(generation[use])));

    return { keys };
  }

  toJSON() {
    return {
      current: mapGeneration(this.current, keyToJSON),
      previous: mapGeneration(this.previous, keyToJSON),
    };
  }
}
