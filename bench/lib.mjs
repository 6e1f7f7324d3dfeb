// What the parts share: rounds of pairs and their table, the CPU time and the
// memory of a process, programs that end with us, an NGINX of one process with
// the edge in it, tokens, and wrk.

import { execFile, spawn } from 'node:child_process';
import { createSign, generateKeyPairSync, randomUUID } from 'node:crypto';
import {
  mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

import { freePort, root } from '../t/node/redis.mjs';

const execute = promisify(execFile);

const READY_MS = 10000;
const OUTPUT_MAX = 1024 * 1024;

export const bench = path.join(root, 'bench');

// --- what was started ends

const endings = [];

// Takes what ends a thing; endAll() calls it, the latest first.
export function later(end) {
  endings.push(end);
}

export async function endAll() {
  while (endings.length) {
    try {
      await endings.pop()();
    } catch (error) {
      console.error(`bench: at the end: ${error.message}`);
    }
  }
}

// Waits for what is being started, which ends even when we end meanwhile.
export function owned(starting, end) {
  later(async () => {
    const thing = await starting.catch(() => null);
    if (thing) {
      await end(thing);
    }
  });
  return starting;
}

// A folder that goes at the end.
export function folder() {
  const dir = mkdtempSync(path.join(tmpdir(), 'convo-bench-'));
  later(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

// Starts a program that is told to end when we do, however we do. Gives its
// pid and end(), which returns when it has gone.
export function start(program, ...args) {
  const child = spawn(path.join(root, 'dev/part'), [program, ...args],
    { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.on('data', (text) => {
    said = (said + text).slice(-OUTPUT_MAX);
  });
  const gone = new Promise((resolve) => child.on('close', resolve));
  const end = async () => {
    child.kill('SIGTERM');
    await gone;
  };
  later(end);
  return { pid: child.pid, end, said: () => said };
}

// Waits until check() gives something true, and gives that.
export async function ready(what, check, withinMs = READY_MS) {
  const end = Date.now() + withinMs;
  for (;;) {
    const value = await check();
    if (value) {
      return value;
    }
    if (Date.now() > end) {
      throw new Error(`${what} is not ready after ${withinMs} ms`);
    }
    await sleep(20);
  }
}

// --- pairs

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2
    ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

// Measures the named things in turns, in each round in the other direction.
// Gives an array of results for each name.
export async function inTurns(rounds, things) {
  const results = Object.fromEntries(
    Object.keys(things).map((name) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    const turn = Object.entries(things);
    for (const [name, run] of round % 2 ? turn.reverse() : turn) {
      results[name].push(await run(round));
    }
  }
  return results;
}

// A line of the table: a and b hold one result a round, of the same rounds.
export function row(what, beside, unit, a, b) {
  const ratios = a.map((value, round) => value / b[round]);
  return {
    what, beside, unit, a: median(a), b: median(b), ratio: median(ratios),
    least: Math.min(...ratios), most: Math.max(...ratios),
    rounds: ratios.length,
  };
}

function figure(value) {
  return value >= 100 ? value.toFixed(0)
    : value >= 10 ? value.toFixed(1) : value.toFixed(2);
}

export function table(rows) {
  const lines = rows.map((r) => `| ${r.what} | ${r.beside} | ${r.unit} | ${
    figure(r.a)} | ${figure(r.b)} | **${figure(r.ratio)}** | ${
    figure(r.least)} to ${figure(r.most)} | ${r.rounds} |`);
  return ['| A | B | unit | A | B | ratio A/B | spread | rounds |',
    '| --- | --- | --- | ---: | ---: | ---: | --- | ---: |',
    ...lines].join('\n');
}

// --- processes

// CPU time of a process's threads so far, in µs: user and system, as in
// /proc/PID/stat, but exact where that counts hundredths of a second.
export function cpuUs(pid) {
  const threads = readdirSync(`/proc/${pid}/task`);
  const spent = threads.map((thread) => Number(
    readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8')
      .split(' ')[0]));
  return spent.reduce((sum, ns) => sum + ns, 0) / 1000;
}

// Memory of a process in bytes; pages it shares count in parts.
export function pssBytes(pid) {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  return 1024 * Number(/^Pss: +(\d+) kB$/m.exec(text)[1]);
}

// --- the edge

const EDGE = `${root}/build/ngx_http_convo_module.so`;

// Starts an NGINX of one worker process, with the edge (or other modules) and
// these directives at the top, in "http" and in "server". Gives its URL, the
// process that serves and end().
export async function startEdge({
  modules = [EDGE], main = '', http = '', server = '',
}) {
  const dir = folder();
  const port = await freePort();
  const conf = path.join(dir, 'nginx.conf');
  const temp = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((name) => `${name}_temp_path ${dir}/${name};`).join('\n    ');

  writeFileSync(conf, `
${process.getuid() === 0 ? 'user root;' : ''}
daemon off;
error_log stderr;
pid ${dir}/nginx.pid;
worker_processes 1;
worker_rlimit_nofile 16384;
${modules.map((module) => `load_module ${module};`).join('\n')}
${main}

events {
    worker_connections 12000;
}

http {
    ${temp}
    access_log off;
    client_header_buffer_size 4k;
    keepalive_requests 1000000000;
    keepalive_timeout 600s;
    ${http}

    server {
        listen 127.0.0.1:${port} backlog=4096;
        ${server}
        location = /served { stub_status; }
    }
}
`);
  const nginx = start('nginx', '-c', conf, '-p', dir, '-e', 'stderr');
  const url = `http://127.0.0.1:${port}`;
  try {
    await ready('NGINX', () => served(url).catch(() => 0));
  } catch (error) {
    throw new Error(`${error.message}\n${nginx.said()}`, { cause: error });
  }
  const pid = Number(readFileSync(
    `/proc/${nginx.pid}/task/${nginx.pid}/children`, 'utf8').trim());
  return { url, port, pid, log: nginx.said, end: nginx.end };
}

// How many requests an edge has served, this one included.
export async function served(url) {
  const response = await fetch(`${url}/served`);
  const text = await response.text();
  return Number(/^ \d+ \d+ (\d+)/m.exec(text)[1]);
}

// --- tokens

// An issuer of ID tokens shaped like Cognito's, with a key of its own. `http`
// are the directives by which an edge takes them, `keys` and `pem` the files
// in which others find the key.
export function makeIssuer() {
  const { privateKey, publicKey } = generateKeyPairSync('rsa',
    { modulusLength: 2048 });
  const url = 'https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_A';
  const client = '4example4client4of4cognito';
  const file = path.join(folder(), 'keys.json');
  const jwk = publicKey.export({ format: 'jwk' });
  writeFileSync(file, JSON.stringify(
    { keys: [{ ...jwk, kid: 'bench', use: 'sig', alg: 'RS256' }] }));

  const pem = path.join(folder(), 'key.pem');
  writeFileSync(pem, publicKey.export({ type: 'spki', format: 'pem' }));

  return {
    url, client, keys: file, pem,
    http: `
    convo_auth_issuer ${url};
    convo_auth_client ${client};
    convo_auth_require email_verified=true;
    convo_auth_keys_file ${file};`,
    token: () => sign(privateKey, claims(url, client)),
  };
}

function claims(iss, aud) {
  const now = Math.floor(Date.now() / 1000);
  const sub = randomUUID();
  return {
    at_hash: 'cRxmCVSIGpqSWoEOWlnTHA', sub, iss, aud, token_use: 'id',
    'cognito:groups': ['eu-central-1_A_Google'], email_verified: true,
    'cognito:username': `Google_${sub}`, origin_jti: randomUUID(),
    identities: [{
      userId: '112233445566778899001', providerName: 'Google',
      providerType: 'Google', issuer: null, primary: 'true',
      dateCreated: '1700000000000',
    }],
    auth_time: now, exp: now + 3600, iat: now, jti: randomUUID(),
    email: `${sub}@example.com`,
  };
}

function sign(key, payload) {
  const encode = (value) => Buffer.from(
    JSON.stringify(value).replaceAll('/', '\\/')).toString('base64url');
  const input = `${encode({ kid: 'bench', alg: 'RS256' })}.${encode(payload)}`;
  const signature = createSign('RSA-SHA256').update(input).sign(key);
  return `${input}.${signature.toString('base64url')}`;
}

// --- load

let awake = null;

// The library that keeps wrk awake (awake.c), compiled once a run.
async function awakeLibrary() {
  if (!awake) {
    awake = path.join(folder(), 'awake.so');
    await execute('cc', ['-O2', '-shared', '-fPIC', '-o', awake,
      path.join(bench, 'awake.c')]);
  }
  return awake;
}

// Loads an address by wrk with requests that carry the file's tokens in turn,
// for so many seconds, or with `once` at most until each was sent. Fails when
// an answer is not 200.
export async function load(url, tokens, { seconds, once = false }) {
  const { stdout } = await execute('taskset', ['-c', '1', 'env',
    `LD_PRELOAD=${await awakeLibrary()}`, 'wrk', '-t1',
    '-c16', '--timeout', '10s', `-d${seconds}s`,
    '-s', path.join(bench, 'tokens.lua'), url, '--', tokens,
    once ? 'once' : 'again']);
  const trouble = /Non-2xx.*|Socket errors.*/.exec(stdout);
  if (trouble || !/^ +[1-9]\d* requests in /m.test(stdout)) {
    throw new Error(`wrk on ${url}: ${trouble ?? stdout}`);
  }
}

export { execute, sleep };
