// dev/token: prints a token for a development user; see usage below.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

import { signIn } from './client.js';

const HERE = fileURLToPath(new URL('../..', import.meta.url));
const ENV_FILE = join(process.env.CONVO_RUN || join(HERE, '.run'), 'env');

const USAGE = `usage: dev/token NAME [--access] [--unverified] [--provider P]

Prints an ID token (--access: an access token) for the user NAME, a name or an
e-mail address. P is Google (the default), another provider, or "none" for an
account of the pool's own. --unverified leaves the e-mail address unverified.
CONVO_ISSUER and CONVO_CLIENT_ID come from the environment, else from the file
env of a running stack, in .run/ or $CONVO_RUN.`;

class Usage extends Error {}

function readArguments() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      access: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
      provider: { type: 'string', default: 'Google' },
      unverified: { type: 'boolean', default: false },
    },
  });

  if (values.help) {
    console.log(USAGE);
    process.exit(0);
  }

  if (positionals.length !== 1) {
    throw new Usage('one NAME is wanted');
  }

  const native = ['none', 'cognito'].includes(values.provider.toLowerCase());

  return {
    ...values,
    name: positionals[0],
    provider: native ? 'Cognito' : values.provider,
  };
}

// NAME=value lines as a shell writes them, quoted or not.
function stackSettings() {
  let text;

  try {
    text = readFileSync(ENV_FILE, 'utf8');
  } catch {
    return {};
  }

  const lines = text.matchAll(/^(?:export\s+)?(\w+)=(["']?)(.*)\2\s*$/gm);
  return Object.fromEntries([...lines].map(([, k, , v]) => [k, v]));
}

function setting(name, fromFile) {
  const value = process.env[name] || fromFile[name];

  if (!value) {
    throw new Error(`${name} is not set and no stack is running (make up)`);
  }

  return value;
}

async function main() {
  const { access, ...options } = readArguments();
  const { CONVO_ISSUER, CONVO_CLIENT_ID } = process.env;
  const file = CONVO_ISSUER && CONVO_CLIENT_ID ? {} : stackSettings();

  const tokens = await signIn({
    ...options,
    issuer: setting('CONVO_ISSUER', file),
    clientId: setting('CONVO_CLIENT_ID', file),
  });

  console.log(access ? tokens.access_token : tokens.id_token);
}

try {
  await main();
} catch (error) {
  const asked = error instanceof Usage || error.code?.startsWith('ERR_PARSE');
  const reason = error.cause?.code ?? error.cause?.message;

  console.error(`dev/token: ${error.message}${reason ? ` (${reason})` : ''}`);

  if (asked) {
    console.error(USAGE);
  }

  process.exitCode = asked ? 2 : 1;
}
