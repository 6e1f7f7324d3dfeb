// What a listening user costs: the memory of the NGINX process for each open
// and idle event stream, beside that of a bare idle keep-alive connection
// which has had one answer.
//
// A fresh NGINX of one process takes COUNT connections; counted is the growth
// of its PSS (what it shares with the master process counts in parts) once
// every stream has sent its first document, divided by their number. Each
// stream is another user's, idle, with a token of their own. What the kernel
// keeps for a socket is the same for both and not counted.

import net from 'node:net';
import { writeFileSync } from 'node:fs';
import path from 'node:path';

import { Pool } from '../t/node/pool.mjs';
import { startRedis } from '../t/node/redis.mjs';
import {
  folder, inTurns, later, makeIssuer, owned, pssBytes, row, sleep, startEdge,
} from './lib.mjs';

export const title = 'Memory of an idle event stream';

const COUNT = 5000;
const AT_ONCE = 50;             // connections that are being opened
const ROUNDS = 2;
const SETTLE_MS = 500;
const ANSWER_MS = 20000;

async function startPool() {
  const redis = await owned(startRedis(), (server) => server.stop());
  const client = redis.client();
  later(() => client.disconnect());
  await new Pool(client).open();
  return redis;
}

function startStreamEdge(issuer, redis) {
  const secret = path.join(folder(), 'secret');
  writeFileSync(secret, `${'s'.repeat(32)}\n`);
  return startEdge({
    http: `${issuer.http}
    convo_redis redis://127.0.0.1:${redis.port};
    convo_livekit url=ws://127.0.0.1:7880 key=bench secret_file=${secret};`,
    server: `
        location = /bare { empty_gif; }
        location = /events { convo_auth on; convo_events; }`,
  });
}

// Opens a connection, sends a GET, and gives the socket once the answer has
// the mark in it.
function open(port, location, token, mark) {
  return new Promise((resolve, reject) => {
    const socket = net.connect(port, '127.0.0.1');
    const timer = setTimeout(() => socket.destroy(
      new Error(`no ${mark} from ${location}: ${text}`)), ANSWER_MS);
    let text = '';
    socket.setEncoding('latin1');
    socket.on('error', reject);
    socket.on('close', () => reject(new Error(`${location} closed: ${text}`)));
    socket.on('data', (chunk) => {
      text = (text + chunk).slice(-4096);
      if (text.includes(mark)) {
        clearTimeout(timer);
        resolve(socket);
      }
    });
    socket.write(`GET ${location} HTTP/1.1\r\nHost: bench\r\n`
      + `Authorization: Bearer ${token}\r\n\r\n`);
  });
}

async function openAll(port, location, tokens, mark) {
  const sockets = [];
  for (let i = 0; i < tokens.length; i += AT_ONCE) {
    sockets.push(...await Promise.all(tokens.slice(i, i + AT_ONCE).map(
      (token) => open(port, location, token, mark))));
  }
  return sockets;
}

// Bytes of NGINX for each connection.
async function growth(startIt, location, tokens, mark) {
  const edge = await startIt();
  // What a first request makes for all that follow does not count.
  (await open(edge.port, location, tokens[0], mark)).destroy();
  await sleep(SETTLE_MS);
  const before = pssBytes(edge.pid);

  const sockets = await openAll(edge.port, location, tokens, mark);
  await sleep(SETTLE_MS);
  const grown = pssBytes(edge.pid) - before;
  if (sockets.some((socket) => socket.destroyed)) {
    throw new Error(`${location}: not all connections stayed\n${edge.log()}`);
  }

  sockets.forEach((socket) => socket.destroy());
  await edge.end();
  return grown / tokens.length;
}

export async function measure(progress) {
  const issuer = makeIssuer();
  const redis = await startPool();
  const startIt = () => startStreamEdge(issuer, redis);

  progress(`signing ${COUNT} tokens`);
  const tokens = Array.from({ length: COUNT }, issuer.token);
  progress(`${COUNT} streams and ${COUNT} connections, ${ROUNDS} times`);
  const { stream, bare } = await inTurns(ROUNDS, {
    stream: () => growth(startIt, '/events', tokens, 'event: state'),
    bare: () => growth(startIt, '/bare', tokens, 'GIF89a'),
  });

  return {
    text: `
${COUNT} users' streams in one NGINX process, each idle after its first
document, beside ${COUNT} idle keep-alive connections to it that had one answer
from a bare handler. Only the process's own memory (PSS) is counted; the token
of a stream has ${tokens[0].length} bytes.`,
    rows: [row('an idle event stream', 'an idle keep-alive connection',
      'bytes of NGINX each', stream, bare)],
  };
}
