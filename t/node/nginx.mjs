// A real NGINX of one process with the module, for a test: on free ports of
// 127.0.0.1, with its files in a folder that goes with it.

import { spawn } from 'node:child_process';
import {
  mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync,
} from 'node:fs';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { freePort, root } from './redis.mjs';

const START_MS = 10000;
const PARTS = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];

function modules() {
  const paths = process.env.TEST_NGINX_LOAD_MODULES
    ?? path.join(root, 'build/test/ngx_http_convo_module.so');
  return paths.split(/\s+/).filter(Boolean)
    .map((module) => `load_module ${module};`).join('\n');
}

function configuration({ dir, level, http }) {
  return `${modules()}
daemon off;
master_process off;
pid ${dir}/nginx.pid;
error_log ${dir}/logs/error.log ${level};
events { worker_connections 512; }
http {
    access_log off;
${PARTS.map((part) => `    ${part}_temp_path ${dir}/${part};`).join('\n')}
${http}
}
`;
}

function answers(port) {
  return new Promise((resolve) => {
    const socket = createConnection(port, '127.0.0.1');
    socket.on('connect', () => resolve(true)).on('error', () => resolve(false));
    socket.unref().on('connect', () => socket.destroy());
  });
}

export class Nginx {
  constructor(dir, port) {
    Object.assign(this, { dir, port, url: `http://127.0.0.1:${port}` });
  }

  async start(text) {
    const file = path.join(this.dir, 'nginx.conf');
    writeFileSync(file, text);
    this.process = spawn(path.join(root, 'dev/part'),
      [process.env.TEST_NGINX_BINARY || 'nginx', '-p', this.dir, '-c', file],
      { stdio: ['ignore', 'ignore', 'pipe'] });
    let said = '';
    this.process.stderr.on('data', (bytes) => { said += bytes; });
    this.exited = new Promise((resolve) => this.process.on('close', resolve));
    for (let waited = 0; !await answers(this.port); waited += 20) {
      if (this.process.exitCode !== null || waited > START_MS) {
        await this.end();
        throw new Error(`nginx does not start: ${said}`);
      }
      await sleep(20);
    }
  }

  // Ends it; its logs stay until remove().
  async end(signal = 'SIGQUIT') {
    this.process.kill(signal);
    const code = await this.exited;
    return code;
  }

  remove() {
    rmSync(this.dir, { recursive: true, force: true });
  }

  // All that it has logged, by file.
  logs() {
    const dir = path.join(this.dir, 'logs');
    return Object.fromEntries(readdirSync(dir).map(
      (name) => [name, readFileSync(path.join(dir, name))]));
  }
}

// Starts one. http is the text of http {}, or a function of { dir, port } that
// gives it; files are texts by name, in the folder html; level is that of
// error.log.
export async function startNginx({ http, files = {}, level = 'info' }) {
  const dir = mkdtempSync(path.join(tmpdir(), 'convo-nginx-'));
  const port = await freePort();
  const nginx = new Nginx(dir, port);
  for (const part of ['logs', 'html']) {
    mkdirSync(path.join(dir, part));
  }
  for (const [name, text] of Object.entries(files)) {
    writeFileSync(path.join(dir, 'html', name), text);
  }
  try {
    await nginx.start(configuration({
      dir, level, http: typeof http === 'function' ? http({ dir, port }) : http,
    }));
  } catch (error) {
    nginx.remove();
    throw error;
  }
  return nginx;
}
