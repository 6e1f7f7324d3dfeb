// Signing in at the hosted UI: authorization code flow with PKCE (RFC 7636).
//
// Tokens live in this page's memory and nowhere else. The session storage,
// which each tab has for itself, holds two things: verifier and state while
// the person is away at the hosted UI, and whose id was signed in, so that a
// reloaded page can ask the hosted UI for the same person without a form. Two
// tabs may be two people: if the hosted UI by now knows the other one, the
// answer is dropped and the page is signed out.

const PENDING = 'convo.sign-in';
const WHO = 'convo.who';

const SCOPE = 'openid email profile';
const EARLY_MS = 30_000;
const TIMEOUT_MS = 10_000;

/** The person has to sign in (again). */
export class SignedOut extends Error {}

/** The hosted UI could not be reached; the person is still signed in. */
export class SignInUnavailable extends Error {}

function base64url(bytes) {
  return btoa(String.fromCharCode(...new Uint8Array(bytes)))
    .replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}

function random() {
  return base64url(crypto.getRandomValues(new Uint8Array(32)));
}

async function challengeOf(verifier) {
  const bytes = new TextEncoder().encode(verifier);
  return base64url(await crypto.subtle.digest('SHA-256', bytes));
}

// Read, never trusted: the edge verifies what this page only displays.
function claimsOf(token) {
  const text = token.split('.')[1].replaceAll('-', '+').replaceAll('_', '/');
  const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));

  return JSON.parse(new TextDecoder().decode(bytes));
}

function takePending() {
  const text = sessionStorage.getItem(PENDING);

  sessionStorage.removeItem(PENDING);

  try {
    return JSON.parse(text) ?? {};
  } catch {
    return {};
  }
}

export class Auth {
  #config;
  #tokens = null;
  #refreshing = null;

  /** config: { hostedUI, clientId }. */
  constructor(config) {
    this.#config = config;
  }

  get signedIn() {
    return this.#tokens !== null;
  }

  get #home() {
    return new URL('.', location.href).href;
  }

  /** Goes to the hosted UI's form; does not return. */
  signIn() {
    return this.#leaveFor({ prompt: 'login' });
  }

  async #leaveFor(extra) {
    const verifier = random();
    const state = random();

    sessionStorage.setItem(PENDING, JSON.stringify({
      verifier, state, silent: extra.prompt === 'none',
    }));
    location.assign(`${this.#config.hostedUI}/oauth2/authorize?${
      new URLSearchParams({
        response_type: 'code',
        client_id: this.#config.clientId,
        redirect_uri: this.#home,
        scope: SCOPE,
        state,
        code_challenge: await challengeOf(verifier),
        code_challenge_method: 'S256',
        ...extra,
      })}`);

    return new Promise(() => {});
  }

  /**
   * What a page does first: finishes a sign-in that brought it here, or tries
   * to renew one that a reload has cut off. Throws SignedOut with a code
   * when a sign-in has failed; signedIn tells the rest.
   */
  async start() {
    const query = new URLSearchParams(location.search);
    const who = sessionStorage.getItem(WHO);

    if (!query.has('code') && !query.has('error')) {
      if (who) {
        await this.#leaveFor({ prompt: 'none' });
      }
      return;
    }

    history.replaceState(null, '', this.#home);

    const pending = takePending();

    if (!pending.verifier || pending.state !== query.get('state')) {
      throw new SignedOut('stale_sign_in');
    }

    if (query.has('error')) {
      sessionStorage.removeItem(WHO);

      if (!pending.silent) {
        throw new SignedOut(query.get('error'));
      }
      return;
    }

    await this.#request({
      grant_type: 'authorization_code',
      code: query.get('code'),
      code_verifier: pending.verifier,
      redirect_uri: this.#home,
    });

    const { sub } = claimsOf(this.#tokens.id);

    if (pending.silent && who !== sub) {
      this.forget();
      return;
    }

    sessionStorage.setItem(WHO, sub);
  }

  async #request(parameters) {
    let answer;

    try {
      answer = await fetch(`${this.#config.hostedUI}/oauth2/token`, {
        method: 'POST',
        body: new URLSearchParams({
          client_id: this.#config.clientId, ...parameters,
        }),
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
    } catch {
      throw new SignInUnavailable('sign_in_unavailable');
    }

    if (answer.status >= 500) {
      throw new SignInUnavailable('sign_in_unavailable');
    }

    if (!answer.ok) {
      this.forget();
      throw new SignedOut('sign_in_ended');
    }

    const body = await answer.json();

    this.#tokens = {
      id: body.id_token,
      refresh: body.refresh_token ?? this.#tokens?.refresh,
      until: Date.now() + body.expires_in * 1000,
    };
  }

  /**
   * A valid ID token, renewed when it is about to expire or when force says
   * that the edge refused it. Throws SignedOut or SignInUnavailable.
   */
  async token({ force = false } = {}) {
    if (!this.#tokens) {
      throw new SignedOut('sign_in_ended');
    }

    if (force || Date.now() > this.#tokens.until - EARLY_MS) {
      this.#refreshing ??= this.#request({
        grant_type: 'refresh_token', refresh_token: this.#tokens.refresh,
      }).finally(() => {
        this.#refreshing = null;
      });
      await this.#refreshing;
    }

    return this.#tokens.id;
  }

  /** Forgets the person on this page only. */
  forget() {
    this.#tokens = null;
    sessionStorage.removeItem(WHO);
  }

  /** Ends the sign-in everywhere and goes through the hosted UI's logout. */
  async signOut() {
    const { clientId, hostedUI } = this.#config;
    const refresh = this.#tokens?.refresh;

    this.forget();

    if (refresh) {
      await fetch(`${hostedUI}/oauth2/revoke`, {
        method: 'POST',
        body: new URLSearchParams({ client_id: clientId, token: refresh }),
        signal: AbortSignal.timeout(TIMEOUT_MS),
      }).catch(() => {});
    }

    location.assign(`${hostedUI}/logout?${new URLSearchParams({
      client_id: clientId, logout_uri: this.#home,
    })}`);
  }
}
