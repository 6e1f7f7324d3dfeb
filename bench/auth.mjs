// What it costs NGINX to know who asks: the same bytes from the same content
// handler (empty_gif), to requests with the same headers, with and without
// convo_auth. One NGINX process serves, wrk asks over 16 connections; counted
// is the CPU time of that process by the requests it served (stub_status).
//
// Tokens that were seen cost a hash and the checks of their claims; a new one
// costs an RSA-2048 verification, so that case stands beside the bare handler
// plus one verification by the same OpenSSL (`openssl speed`). There each run
// has a fresh NGINX, to which every token is new.

import { writeFileSync } from 'node:fs';
import path from 'node:path';

import {
  cpuUs, execute, folder, inTurns, load, makeIssuer, row, served, startEdge,
} from './lib.mjs';

export const title = 'Authenticated requests';

const ROUNDS = 7;
const SECONDS = 1;
const NEW_ROUNDS = 5;
const NEW_TOKENS = 6000;
const NEW_SECONDS = 1;                  // or less, when all were sent
const ROTATION = 1000;

function startAuthEdge(issuer) {
  return startEdge({
    http: `${issuer.http}
    convo_auth_cache zone=tokens:16m;`,
    server: `
        location = /bare { empty_gif; }
        location = /auth { convo_auth on; empty_gif; }`,
  });
}

// CPU µs a request.
async function cost(edge, location, tokens, how) {
  const [requests, cpu] = [await served(edge.url), cpuUs(edge.pid)];
  await load(`${edge.url}${location}`, tokens, how);
  const spent = cpuUs(edge.pid) - cpu;
  return spent / (await served(edge.url) - requests - 1);
}

async function seen(edge, tokens) {
  const run = (location, seconds) => cost(edge, location, tokens, { seconds });
  await run('/bare', 1);
  await run('/auth', 1);
  return inTurns(ROUNDS, {
    auth: () => run('/auth', SECONDS), bare: () => run('/bare', SECONDS),
  });
}

async function fresh(issuer, tokens) {
  const run = async (location) => {
    const edge = await startAuthEdge(issuer);
    const spent = await cost(edge, location, tokens,
      { seconds: NEW_SECONDS, once: true });
    await edge.end();
    return spent;
  };
  return inTurns(NEW_ROUNDS, {
    auth: () => run('/auth'), bare: () => run('/bare'), verify: verification,
  });
}

// CPU µs of one RSA-2048 verification: openssl counts its own user time.
async function verification() {
  const { stdout } = await execute('openssl',
    ['speed', '-mr', '-seconds', '1', 'rsa2048']);
  return 1e6 / Number(/^\+F2:\d+:2048:[\d.]+:([\d.]+)$/m.exec(stdout)[1]);
}

export async function measure(progress) {
  const issuer = makeIssuer();
  const dir = folder();
  const file = (name, tokens) => {
    writeFileSync(path.join(dir, name), `${tokens.join('\n')}\n`);
    return path.join(dir, name);
  };
  progress(`signing ${NEW_TOKENS} tokens`);
  const tokens = Array.from({ length: NEW_TOKENS }, issuer.token);

  const edge = await startAuthEdge(issuer);
  progress('one token, again and again');
  const one = await seen(edge, file('one', tokens.slice(0, 1)));
  progress(`${ROTATION} tokens in rotation`);
  const some = await seen(edge, file('some', tokens.slice(0, ROTATION)));
  await edge.end();

  progress('every token new');
  const each = await fresh(issuer, file('each', tokens));
  const floor = each.bare.map((bare, round) => bare + each.verify[round]);

  return {
    text: `
A token of ${tokens[0].length} bytes in the Authorization header, verified
tokens kept in a zone (\`convo_auth_cache\`), keys from a file. The bare handler
gets the same requests. One RSA-2048 verification is \`openssl speed\`'s.`,
    rows: [
      row('`convo_auth on`, one token again and again', 'the bare handler',
        'CPU µs a request', one.auth, one.bare),
      row(`\`convo_auth on\`, ${ROTATION} tokens in rotation`,
        'the bare handler', 'CPU µs a request', some.auth, some.bare),
      row('`convo_auth on`, every token new',
        'the bare handler + one RSA-2048 verification', 'CPU µs a request',
        each.auth, floor),
    ],
  };
}
