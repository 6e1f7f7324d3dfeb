// The people of the pool.
//
// Two kinds, as in a pool with federation: native users, who signed up with an
// e-mail address and a password, and federated users, who came through an
// outside provider such as Google. The same address through two providers is
// two users.
//
// A user's sub is derived from the pool, the provider and the address, so the
// same person is the same user after every restart, whatever was forgotten.

import {
  createHash, randomInt, scryptSync, timingSafeEqual,
} from 'node:crypto';

/** How a user names the pool's own directory instead of a provider. */
export const NATIVE = 'Cognito';

/** The federated providers, as `identities` names them. */
export const PROVIDERS = [
  'Google', 'Facebook', 'LoginWithAmazon', 'SignInWithApple',
];

const MAX_EMAIL = 254;
const MIN_PASSWORD = 8;
const MAX_PASSWORD = 256;

// Cheap on purpose: these passwords guard nothing but a development machine.
const SCRYPT = { N: 1024, r: 8, p: 1 };

/** A name-based UUID (RFC 9562, version 5 layout) of namespace and name. */
export function nameUuid(namespace, name) {
  const bytes = createHash('sha1').update(`${namespace}\0${name}`).digest();

  bytes[6] = (bytes[6] & 0x0f) | 0x50;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;

  const hex = bytes.toString('hex');

  return [
    hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20),
    hex.slice(20, 32),
  ].join('-');
}

/**
 * The address that a name stands for: itself when it is one, else
 * `name@example.com`. Returns null for what cannot be an address.
 */
export function addressOf(name) {
  const text = String(name ?? '').trim().toLowerCase();
  const email = text.includes('@') ? text : `${text}@example.com`;

  if (email.length > MAX_EMAIL || !/^[^\s@<>"\\,;:]+@[^\s@]+$/.test(email)) {
    return null;
  }

  return email;
}

/** The provider of this name in any case, NATIVE, or null. */
export function providerNamed(name) {
  const wanted = String(name).toLowerCase();

  if (wanted === 'none' || wanted === NATIVE.toLowerCase()) {
    return NATIVE;
  }

  return PROVIDERS.find((known) => known.toLowerCase() === wanted) ?? null;
}

// Outside providers know their users by long decimal ids.
function externalId(sub) {
  const digits = BigInt(`0x${sub.replaceAll('-', '')}`).toString();
  return `1${digits.padStart(20, '0').slice(-20)}`;
}

function hashPassword(password, sub) {
  return scryptSync(password, sub, 32, SCRYPT);
}

/** A refusal whose message a person may read; status is the HTTP answer. */
export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

export class Directory {
  #users = new Map();
  #codes = new Map();

  constructor(pool, saved = []) {
    this.pool = pool;

    for (const user of saved) {
      this.#users.set(user.sub, user);
    }
  }

  find(sub) {
    return this.#users.get(sub);
  }

  #sub(provider, email) {
    return nameUuid(this.pool, `${provider}:${email}`);
  }

  /**
   * The user whom an outside provider vouches for, created at the first
   * sign-in; address and verification are mapped anew at every sign-in.
   */
  federated(provider, name, verified) {
    const email = addressOf(name);

    if (!email) {
      throw new Refused(400, 'Enter a name or an e-mail address.');
    }

    const sub = this.#sub(provider, email);
    const userId = externalId(sub);
    const user = this.#users.get(sub) ?? { sub, dateCreated: Date.now() };

    Object.assign(user, {
      username: `${provider.toLowerCase()}_${userId}`,
      name: email.slice(0, email.indexOf('@')),
      email,
      emailVerified: verified,
      provider,
      userId,
    });

    this.#users.set(sub, user);
    return user;
  }

  /** A new native user; the address is not verified yet. */
  signUp(name, password) {
    const email = addressOf(name);

    if (!email) {
      throw new Refused(400, 'Enter an e-mail address.');
    }

    if (password.length < MIN_PASSWORD || password.length > MAX_PASSWORD) {
      throw new Refused(400,
        `A password has ${MIN_PASSWORD} to ${MAX_PASSWORD} characters.`);
    }

    const sub = this.#sub(NATIVE, email);

    if (this.#users.has(sub)) {
      throw new Refused(409, 'An account with this e-mail already exists.');
    }

    const user = {
      sub,
      username: sub,
      email,
      emailVerified: false,
      provider: NATIVE,
      dateCreated: Date.now(),
      password: hashPassword(password, sub).toString('base64'),
    };

    this.#users.set(sub, user);
    return user;
  }

  /** The native user with this address and password. */
  signIn(name, password) {
    const email = addressOf(name);
    const user = email && this.#users.get(this.#sub(NATIVE, email));

    if (!user || password.length > MAX_PASSWORD
        || !timingSafeEqual(Buffer.from(user.password, 'base64'),
          hashPassword(password, user.sub))) {
      throw new Refused(401, 'Incorrect e-mail or password.');
    }

    return user;
  }

  /** The code that was "sent" to this user and not used yet. */
  code(sub) {
    if (!this.#codes.has(sub)) {
      this.#codes.set(sub, String(randomInt(1e6)).padStart(6, '0'));
    }

    return this.#codes.get(sub);
  }

  /** Marks the address verified when the code is the one that was sent. */
  verify(sub, code) {
    if (this.#codes.get(sub) !== code) {
      throw new Refused(400, 'That is not the code. Try again.');
    }

    this.#codes.delete(sub);
    this.#users.get(sub).emailVerified = true;
  }

  toJSON() {
    return [...this.#users.values()];
  }
}
