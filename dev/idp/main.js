#!/usr/bin/env node
// Starts the development identity provider; README.md has the options.

import { parseArgs } from 'node:util';

import { startIdp } from './server.js';

const USAGE = `usage: main.js --client ID [--client ID]... --redirect URI...
       [--port 9400] [--pool us-east-1_convoDev] [--data FILE]
       [--lifetime SECONDS]`;

const OPTIONS = {
  client: { type: 'string', multiple: true },
  data: { type: 'string' },
  lifetime: { type: 'string', default: '3600' },
  pool: { type: 'string', default: 'us-east-1_convoDev' },
  port: { type: 'string', default: '9400' },
  redirect: { type: 'string', multiple: true, default: [] },
};

function usage(message) {
  console.error(`idp: ${message}\n${USAGE}`);
  process.exit(2);
}

function number(name, text, min, max) {
  const value = Number(text);

  if (!Number.isInteger(value) || value < min || value > max) {
    usage(`--${name} ${text}: expected ${min} to ${max}`);
  }

  return value;
}

function readOptions() {
  let values;

  try {
    ({ values } = parseArgs({ options: OPTIONS }));
  } catch (error) {
    usage(error.message);
  }

  if (!values.client) {
    usage('--client is missing');
  }

  if (!/^[\w-]+$/.test(values.pool)) {
    usage(`--pool ${values.pool}: expected letters, digits, "_" and "-"`);
  }

  for (const uri of values.redirect) {
    if (!URL.canParse(uri)) {
      usage(`--redirect ${uri}: expected a URI`);
    }
  }

  return {
    clients: values.client,
    data: values.data,
    lifetime_s: number('lifetime', values.lifetime, 1, 86400),
    pool: values.pool,
    port: number('port', values.port, 0, 65535),
    redirects: values.redirect,
  };
}

async function main() {
  const options = readOptions();
  let idp;

  try {
    idp = await startIdp(options);
  } catch (error) {
    console.error(error.code === 'EADDRINUSE'
      ? `idp: port ${options.port} is taken` : `idp: ${error.message}`);
    process.exit(1);
  }

  for (const signal of ['SIGINT', 'SIGTERM']) {
    process.once(signal, async () => {
      await idp.close();
      process.exit(0);
    });
  }

  console.log(`idp: issuer ${idp.issuer}`);
}

await main();
