// What it costs NGINX to know who asks: the same bytes from the same content
// handler (empty_gif), to requests with the same headers, with and without
// convo_auth. One NGINX process serves on the first core, wrk asks over 16
// connections from the second and never sleeps (awake.c); counted is the CPU
// time of that process by the requests it served (stub_status).
//
// A new token costs an RSA-2048 verification, so that case stands beside the
// bare handler plus one verification by the same OpenSSL (`openssl speed`).
// There every token is sent once in all, to a process whose memory of tokens
// was full before.
//
// In the same rounds run what people use instead, each beside the same bare
// handler: NGINX's Lua (contenders/verify.lua), and Node with aws-jwt-verify
// (contenders/node.mjs).

import { writeFileSync } from 'node:fs';
import path from 'node:path';

import { freePort } from '../t/node/redis.mjs';
import {
  bench, cpuUs, execute, folder, inTurns, load, makeIssuer, ready, row,
  served, start, startEdge,
} from './lib.mjs';

export const title = 'Authenticated requests';

const ROUNDS = 9;
const SECONDS = 1;
const NEW_ROUNDS = 7;
const NEW_TOKENS = 4000;                // a round: more than a front holds
const NEW_SECONDS = 1;                  // or less, when all were sent
const ROTATION = 1000;

const LUA = ['ndk_http', 'ngx_http_lua']
  .map((name) => `/usr/lib/nginx/modules/${name}_module.so`);

function startConvo(issuer) {
  return startEdge({
    main: 'worker_cpu_affinity 01;',
    http: `${issuer.http}
    convo_auth_cache zone=tokens:16m;`,
    server: `
        location = /bare { empty_gif; }
        location = /auth { convo_auth on; empty_gif; }`,
  });
}

function startLua(issuer) {
  const options = `pem = "${issuer.pem}", issuer = "${issuer.url}",
            client = "${issuer.client}", kid = "bench"`;
  return startEdge({
    main: 'worker_cpu_affinity 01;',
    modules: LUA,
    http: `
    lua_package_path "${bench}/contenders/?.lua;;";
    init_by_lua_block {
        local verify = require "verify"
        cached = verify.new{${options}, tokens = 10000}
        uncached = verify.new{${options}}
    }`,
    server: `
        location = /cached {
            access_by_lua_block { cached:check() }
            empty_gif;
        }
        location = /uncached {
            access_by_lua_block { uncached:check() }
            empty_gif;
        }`,
  });
}

async function startNode(issuer) {
  const port = await freePort();
  const server = start('taskset', '-c', '0', 'node',
    path.join(bench, 'contenders/node.mjs'), port, issuer.keys, issuer.url,
    issuer.client);
  const url = `http://127.0.0.1:${port}`;
  await ready('Node', () => served(url).catch(() => 0));
  return { url, pid: server.pid, end: server.end };
}

// CPU µs a request.
async function cost(server, location, tokens, how) {
  const [requests, cpu] = [await served(server.url), cpuUs(server.pid)];
  await load(`${server.url}${location}`, tokens, how);
  const spent = cpuUs(server.pid) - cpu;
  return spent / (await served(server.url) - requests - 1);
}

// Tokens that were seen: each thing runs once before it counts.
async function seen({ convo, lua, node }, tokens) {
  const run = (server, location) => () =>
    cost(server, location, tokens, { seconds: SECONDS });
  const things = {
    convo: run(convo, '/auth'), bare: run(convo, '/bare'),
    cached: run(lua, '/cached'), uncached: run(lua, '/uncached'),
    node: run(node, '/'),
  };
  await inTurns(1, things);
  return inTurns(ROUNDS, things);
}

// Tokens that were never seen, from a file a round; the last is for the start.
async function fresh(convo, files) {
  const run = (location) => (round) => cost(convo, location, files[round],
    { seconds: NEW_SECONDS, once: true });
  await run('/auth')(NEW_ROUNDS);
  const each = await inTurns(NEW_ROUNDS, {
    convo: run('/auth'), bare: run('/bare'), verify: verification,
  });
  each.floor = each.bare.map((bare, round) => bare + each.verify[round]);
  return each;
}

// CPU µs of one RSA-2048 verification: openssl counts its own user time.
async function verification() {
  const { stdout } = await execute('taskset', ['-c', '0',
    'openssl', 'speed', '-mr', '-seconds', '1', 'rsa2048']);
  return 1e6 / Number(/^\+F2:\d+:2048:[\d.]+:([\d.]+)$/m.exec(stdout)[1]);
}

function rows(one, some, each) {
  const of = (what, a, b, beside = 'the bare handler') =>
    row(what, beside, 'CPU µs a request', a, b);
  const floor = 'the bare handler + one RSA-2048 verification';
  const any = some.bare.map(
    (bare, round) => bare + each.verify[round % each.verify.length]);
  const rotation = `${ROTATION} tokens in rotation`;
  return [
    of('`convo_auth on`, one token again and again', one.convo, one.bare),
    of('Lua that remembers tokens, one token', one.cached, one.bare),
    of('Lua that does not, one token', one.uncached, one.bare),
    of('Node with aws-jwt-verify, one token', one.node, one.bare),
    of(`\`convo_auth on\`, ${rotation}`, some.convo, some.bare),
    of(`Lua that remembers tokens, ${rotation}`, some.cached, some.bare),
    of('`convo_auth on`, every token new', each.convo, each.floor, floor),
    of('Lua that does not, any token', some.uncached, any, floor),
    of('Node with aws-jwt-verify, any token', some.node, any, floor),
  ];
}

export async function measure(progress) {
  const issuer = makeIssuer();
  const dir = folder();
  const file = (name, tokens) => {
    writeFileSync(path.join(dir, name), `${tokens.join('\n')}\n`);
    return path.join(dir, name);
  };
  const sign = (n) => Array.from({ length: n }, issuer.token);
  progress('signing tokens');
  const tokens = sign(ROTATION);
  const files = Array.from({ length: NEW_ROUNDS + 1 }, (_, round) =>
    file(`new-${round}`, sign(NEW_TOKENS)));

  const servers = {
    convo: await startConvo(issuer), lua: await startLua(issuer),
    node: await startNode(issuer),
  };
  progress('one token, again and again');
  const one = await seen(servers, file('one', tokens.slice(0, 1)));
  progress(`${ROTATION} tokens in rotation`);
  const some = await seen(servers, file('some', tokens));
  progress('every token new');
  const each = await fresh(servers.convo, files);
  for (const server of Object.values(servers)) {
    await server.end();
  }

  return {
    text: `
A token of ${tokens[0].length} bytes in the Authorization header, verified
tokens kept in a zone (\`convo_auth_cache\`), keys from a file. The bare handler
gets the same requests, and so do the others: NGINX's Lua with luaossl and
lua-cjson, which remembers verified tokens in lua-resty-lrucache or does not,
and Node with AWS's own aws-jwt-verify, which never does. All check signature,
issuer, client, use, times and \`email_verified\`. One RSA-2048 verification is
\`openssl speed\`'s.`,
    rows: rows(one, some, each),
  };
}
