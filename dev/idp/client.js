// A browser's part of a sign-in, done by a program: follows the redirects,
// keeps the cookies, fills in the forms, and exchanges the code. It uses
// nothing that a person with a browser could not.

import { createHash, randomBytes } from 'node:crypto';

import { CALLBACK, PASSWORD } from './contract.js';

const MAX_HOPS = 10;
const TIMEOUT_MS = 10_000;

class CookieJar {
  #cookies = new Map();

  take(response) {
    for (const line of response.headers.getSetCookie()) {
      const [pair, ...attributes] = line.split(/;\s*/);
      const at = pair.indexOf('=');
      const path = attributes
        .find((text) => text.toLowerCase().startsWith('path='))
        ?.slice(5) ?? '/';
      const [name, value] = [pair.slice(0, at), pair.slice(at + 1)];

      this.#cookies.set(`${path} ${name}`, { path, name, value });
    }
  }

  for(url) {
    const { pathname } = new URL(url);

    return [...this.#cookies.values()]
      .filter(({ path, value }) => value && (path === '/'
        || pathname === path || pathname.startsWith(`${path}/`)))
      .map(({ name, value }) => `${name}=${value}`)
      .join('; ');
  }
}

/** A PKCE pair (RFC 7636): { verifier, challenge }. */
export function pkcePair() {
  const verifier = randomBytes(32).toString('base64url');
  const challenge = createHash('sha256').update(verifier).digest('base64url');

  return { verifier, challenge };
}

/** One person at one browser. */
export class Browser {
  #jar = new CookieJar();

  async #request(url, options) {
    const response = await fetch(url, {
      ...options,
      headers: { cookie: this.#jar.for(url), accept: 'text/html' },
      redirect: 'manual',
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });

    this.#jar.take(response);
    return response;
  }

  /**
   * Opens url, posting the form if one is given, and follows redirects until
   * a page or until one leads to stopAt. Returns { url, status, text }; at
   * stopAt only url is set.
   */
  async open(url, { form, stopAt } = {}) {
    let options = form && { method: 'POST', body: new URLSearchParams(form) };
    let here = url;

    for (let hop = 0; hop < MAX_HOPS; hop++) {
      const response = await this.#request(here, options);
      const location = response.headers.get('location');
      const text = await response.text();

      if (!location) {
        return { url: here, status: response.status, text };
      }

      here = new URL(location, here).href;
      options = undefined;

      if (stopAt && here.startsWith(stopAt)) {
        return { url: here };
      }
    }

    throw new Error(`too many redirects from ${url}`);
  }
}

function authorizeUrl(origin, parameters) {
  return `${origin}/oauth2/authorize?${new URLSearchParams(parameters)}`;
}

function failure(page) {
  const text = /class="error"[^>]*>([^<]*)</.exec(page.text ?? '')?.[1];
  return new Error(text ?? `unexpected answer ${page.status} at ${page.url}`);
}

async function signInFederated(browser, page, { name, unverified, stopAt }) {
  return browser.open(page.url, {
    form: { name, ...(unverified ? { unverified: '1' } : {}) }, stopAt,
  });
}

async function signInNative(browser, page, { name, unverified, stopAt }) {
  const form = {
    email: name, password: PASSWORD, ...(unverified ? { unverified: '1' } : {}),
  };
  let next = await browser.open(page.url, {
    form: { ...form, action: 'sign-up' }, stopAt,
  });

  if (next.status === 409) {
    next = await browser.open(page.url, {
      form: { ...form, action: 'sign-in' }, stopAt,
    });
  }

  const code = /<code id="code">(\d+)</.exec(next.text ?? '')?.[1];

  return code
    ? browser.open(next.url, { form: { code }, stopAt }) : next;
}

/** Posts to the token endpoint; returns the answer or throws its error. */
export async function requestTokens(origin, parameters) {
  const response = await fetch(`${origin}/oauth2/token`, {
    method: 'POST',
    body: new URLSearchParams(parameters),
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  const answer = await response.json();

  if (!response.ok) {
    throw new Error(`${answer.error}: ${answer.error_description ?? ''}`);
  }

  return answer;
}

/**
 * Signs a person in and returns the token endpoint's answer.
 *
 * issuer: of the pool; clientId: of the app; name: a name or an address;
 * provider: a federated one, or 'Cognito' for a native account, which is
 * created when it is missing; unverified: leave the address unverified.
 */
export async function signIn({
  issuer, clientId, name, provider = 'Google', unverified = false,
  browser = new Browser(),
}) {
  const { origin } = new URL(issuer);
  const { verifier, challenge } = pkcePair();
  const stopAt = origin + CALLBACK;
  const native = provider === 'Cognito';

  const page = await browser.open(authorizeUrl(origin, {
    response_type: 'code',
    client_id: clientId,
    redirect_uri: stopAt,
    scope: 'openid email profile',
    code_challenge: challenge,
    code_challenge_method: 'S256',
    prompt: 'login',
    ...(native ? {} : { identity_provider: provider }),
  }), { stopAt });

  if (page.status !== undefined && page.status !== 200) {
    throw failure(page);
  }

  const done = await (native ? signInNative : signInFederated)(
    browser, page, { name, unverified, stopAt },
  );
  const query = new URL(done.url).searchParams;

  if (!query.has('code')) {
    throw query.has('error')
      ? new Error(query.get('error_description')) : failure(done);
  }

  return requestTokens(origin, {
    grant_type: 'authorization_code',
    client_id: clientId,
    code: query.get('code'),
    code_verifier: verifier,
    redirect_uri: stopAt,
  });
}
