// The hosted UI's sign-in: which page is shown, and what its forms do.
//
// oidc-provider sends a browser here, to /login/UID, when an authorization
// request needs a person; finishing the interaction sends it back. An unknown
// or expired UID ends in an error page.

import { federationPage, signInPage, verifyPage } from './pages.js';
import { NATIVE, Refused, providerNamed } from './users.js';

const MAX_FORM_BYTES = 8 * 1024;

/** The fields of a posted form; refuses anything large or of other type. */
export async function readForm(ctx) {
  if (!ctx.is('application/x-www-form-urlencoded')) {
    throw new Refused(415, 'Expected a form.');
  }

  const chunks = [];
  let size = 0;

  for await (const chunk of ctx.req) {
    size += chunk.length;

    if (size > MAX_FORM_BYTES) {
      throw new Refused(413, 'The form is too large.');
    }

    chunks.push(chunk);
  }

  return new URLSearchParams(Buffer.concat(chunks).toString());
}

/**
 * The handler of everything below /login/UID: takes (ctx, interaction, path),
 * path being what follows the UID. changed() is called when a user's record
 * has changed.
 */
export function signInPages(provider, users, changed) {
  // Native users between password and verification: interaction → sub.
  const pending = new Map();

  async function finish(ctx, interaction, user) {
    pending.delete(interaction.uid);
    changed();
    ctx.redirect(await provider.interactionResult(ctx.req, ctx.res, {
      login: { accountId: user.sub },
    }));
    ctx.status = 303;
  }

  function show(ctx, markup, status = 200) {
    ctx.status = status;
    ctx.type = 'html';
    ctx.body = markup;
  }

  // Runs a form's action; a refusal shows the page again with its reason.
  async function attempt(ctx, render, action) {
    try {
      await action(await readForm(ctx));
    } catch (error) {
      if (!(error instanceof Refused)) {
        throw error;
      }
      show(ctx, render(error.message), error.status);
    }
  }

  async function choice(ctx, interaction) {
    const { uid, params } = interaction;
    const hint = params.login_hint;

    if (ctx.method === 'GET') {
      const wanted = params.identity_provider;

      if (wanted && providerNamed(wanted) !== NATIVE) {
        ctx.redirect(`/login/${uid}/with/${encodeURIComponent(wanted)}`);
        return;
      }

      show(ctx, signInPage(uid, { hint }));
      return;
    }

    let email;

    await attempt(ctx,
      (error) => signInPage(uid, { email, error }),
      async (form) => {
        const password = form.get('password') ?? '';
        const unverified = form.has('unverified');

        email = form.get('email');

        const user = form.get('action') === 'sign-up'
          ? users.signUp(email, password) : users.signIn(email, password);

        if (unverified) {
          user.emailVerified = false;
        }

        if (user.emailVerified || unverified) {
          await finish(ctx, interaction, user);
          return;
        }

        pending.set(uid, user.sub);
        ctx.redirect(`/login/${uid}/verify`);
        ctx.status = 303;
      });
  }

  async function verify(ctx, interaction) {
    const { uid } = interaction;
    const user = users.find(pending.get(uid));

    if (!user) {
      ctx.redirect(`/login/${uid}`);
      return;
    }

    const render = (error) => verifyPage(
      uid, user.email, users.code(user.sub), { error },
    );

    if (ctx.method === 'GET') {
      console.error(`idp: code for ${user.email}: ${users.code(user.sub)}`);
      show(ctx, render());
      return;
    }

    await attempt(ctx, render, async (form) => {
      users.verify(user.sub, form.get('code')?.trim());
      await finish(ctx, interaction, user);
    });
  }

  async function federation(ctx, interaction, name) {
    const { uid, params } = interaction;
    const federated = providerNamed(name);
    const hint = params.login_hint;

    if (!federated || federated === NATIVE) {
      throw new Refused(404, `There is no provider ${name}.`);
    }

    if (ctx.method === 'GET') {
      show(ctx, federationPage(uid, federated, { hint }));
      return;
    }

    await attempt(ctx,
      (error) => federationPage(uid, federated, { hint, error }),
      async (form) => {
        const user = users.federated(
          federated, form.get('name'), !form.has('unverified'),
        );

        await finish(ctx, interaction, user);
      });
  }

  return async (ctx, interaction, path) => {
    const provided = /^\/with\/([^/]+)$/.exec(path);

    if (path === '') {
      await choice(ctx, interaction);
    } else if (path === '/verify') {
      await verify(ctx, interaction);
    } else if (provided) {
      await federation(ctx, interaction, decodeURIComponent(provided[1]));
    } else {
      throw new Refused(404, 'There is no such page.');
    }
  };
}
