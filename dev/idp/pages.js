// The pages of the hosted UI: plain forms, no script.

const ESCAPES = {
  '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;',
};

class Markup {
  constructor(text) {
    this.text = text;
  }
}

function escape(value) {
  if (value instanceof Markup) {
    return value.text;
  }

  return String(value ?? '').replace(/[&<>"']/g, (c) => ESCAPES[c]);
}

// Every value put into the template is escaped unless it is markup itself.
function html(strings, ...values) {
  return new Markup(String.raw({ raw: strings }, ...values.map(escape)));
}

export const STYLE = `
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; }
main { width: min(24rem, calc(100vw - 3rem)); }
h1 { font-size: 1.4rem; margin: 0 0 1rem; }
hr { border: 0; border-top: 1px solid #8884; margin: 1.5rem 0; }
form { display: grid; gap: .75rem; }
label { display: grid; gap: .25rem; }
label.check { display: flex; gap: .5rem; align-items: baseline; }
input:not([type=checkbox]), button, a.button {
  font: inherit; padding: .6rem .8rem; border-radius: .5rem;
  border: 1px solid #8888; box-sizing: border-box; width: 100%;
}
button, a.button {
  background: #2456c8; border-color: #2456c8; color: #fff; cursor: pointer;
  text-align: center; text-decoration: none; display: block;
}
button.plain { background: none; color: inherit; border-color: #8888; }
.error { color: #c22; }
.note { font-size: .875rem; opacity: .75; }
code { font-size: 1.25rem; letter-spacing: .1em; }
`;

function page(title, body) {
  return html`<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title>
<link rel="stylesheet" href="/style.css">
<main>
<h1>${title}</h1>
${body}
<p class="note">Development sign-in. “Continue with Google” takes any name, and
asks for no password.</p>
</main>
`.text;
}

function errorLine(message) {
  return message ? html`<p class="error" role="alert">${message}</p>` : '';
}

const UNVERIFIED = html`
<label class="check"><input type="checkbox" name="unverified" value="1">
Leave the e-mail address unverified</label>`;

/** The choice between a provider and the pool's own accounts. */
export function signInPage(uid, { hint, email = hint, error } = {}) {
  return page('Sign in', html`
<a class="button" id="google" href="/login/${uid}/with/Google">Continue with
Google</a>
<hr>
<form method="post" action="/login/${uid}">
${errorLine(error)}
<label>E-mail
<input name="email" type="text" autocomplete="username" required
value="${email}"></label>
<label>Password
<input name="password" type="password" autocomplete="current-password"
required></label>
${UNVERIFIED}
<button name="action" value="sign-in">Sign in</button>
<button name="action" value="sign-up" class="plain">Create an account</button>
</form>`);
}

/** The stand-in for an outside provider: asks who you are and believes it. */
export function federationPage(uid, provider, { hint, error } = {}) {
  return page(`Continue with ${provider}`, html`
<form method="post" action="/login/${uid}/with/${provider}">
${errorLine(error)}
<label>Your name or e-mail address
<input name="name" type="text" autocomplete="username" required autofocus
value="${hint}"></label>
${UNVERIFIED}
<button>Continue</button>
</form>`);
}

/** Asks for the code that a real pool would have sent by e-mail. */
export function verifyPage(uid, email, code, { error } = {}) {
  return page('Verify your e-mail', html`
<p>A real pool would now send a code to ${email}. It is
<code id="code">${code}</code></p>
<form method="post" action="/login/${uid}/verify">
${errorLine(error)}
<label>Code
<input name="code" inputmode="numeric" autocomplete="one-time-code" required
autofocus></label>
<button>Verify</button>
</form>`);
}

export function errorPage(message) {
  return page('That did not work', html`<p class="error">${message}</p>`);
}

/** Where a program without a web server takes its code from. */
export function callbackPage({ code, error }) {
  return page(error ? 'Sign-in failed' : 'Signed in', html`
<p>${error ?? 'You can close this window.'}</p>
${code ? html`<p class="note">Code: ${code}</p>` : ''}`);
}
