// Redis's own log of what was written, read back: every transition that ever
// was, in the order in which it was, whoever was killed meanwhile. A script's
// writes stand between MULTI and EXEC, so that each unit is one script.
//
// Source: redis.io, "Redis persistence"; the multi-part AOF of Redis 7.

import { readFileSync } from 'node:fs';
import path from 'node:path';

// The files of commands, oldest first. The base is the empty one that Redis
// began with, as the log is never rewritten here.
function files(dir) {
  const folder = path.join(dir, 'appendonlydir');
  const manifest = readFileSync(
    path.join(folder, 'appendonly.aof.manifest'), 'utf8');
  const parts = [...manifest.matchAll(/^file (\S+) seq (\d+) type (\w)/gm)]
    .map(([, name, seq, type]) => ({ name, seq: Number(seq), type }));
  if (parts.some(({ type, seq }) => type === 'b' && seq !== 1)) {
    throw new Error('the log was rewritten: its beginning is lost');
  }
  return parts.filter(({ type }) => type === 'i')
    .sort((a, b) => a.seq - b.seq)
    .map(({ name }) => path.join(folder, name));
}

function* commands(bytes) {
  let at = 0;
  const line = () => {
    const end = bytes.indexOf('\r\n', at);
    const text = bytes.toString('utf8', at, end);
    at = end + 2;
    return text;
  };
  while (at < bytes.length) {
    const head = line();
    if (head[0] === '#') {
      yield { at: Number(head.slice(4)) };
      continue;
    }
    if (head[0] !== '*') {
      throw new Error(`not a command: ${head}`);
    }
    const words = [];
    for (let i = Number(head.slice(1)); i > 0; i--) {
      const length = Number(line().slice(1));
      words.push(bytes.toString('utf8', at, at + length));
      at += length + 2;
    }
    yield { words };
  }
}

// Lists of commands (lists of words), each list one unit that took effect as
// a whole; at_s is Redis's clock when it did.
export function units(stream) {
  const list = [];
  let open = null;
  let at = 0;
  for (const { words, at: seconds } of stream) {
    if (seconds !== undefined) {
      at = seconds;
      continue;
    }
    const name = words[0].toUpperCase();
    if (name === 'MULTI') {
      open = { at_s: at, commands: [] };
    } else if (name === 'EXEC') {
      list.push(open);
      open = null;
    } else if (open) {
      open.commands.push(words);
    } else if (name !== 'SELECT') {
      list.push({ at_s: at, commands: [words] });
    }
  }
  return list;
}

export function readUnits(dir) {
  return units((function* all() {
    for (const file of files(dir)) {
      yield* commands(readFileSync(file));
    }
  })());
}
