// The system under torture: a Redis that writes to disk before it answers, an
// NGINX of two processes, three workers and their store, each of which can be
// killed, paused, stopped and started, with wires between them that can be cut.
//
// A part that ends without having been told to is a finding.

import { spawn } from 'node:child_process';
import {
  closeSync, existsSync, mkdirSync, mkdtempSync, openSync, readFileSync, renameSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { Redis } from 'ioredis';

import { root } from '../node/redis.mjs';
import { readUnits } from './aof.mjs';
import { Media } from './media.mjs';
import { Proxy } from './proxy.mjs';
import { newStore } from './stores.mjs';

const BUILD = process.env.CONVO_BUILD ?? path.join(root, 'build');

// A build directory has an NGINX with the edge inside, or the module.
const isStatic = existsSync(`${BUILD}/nginx`);

export const KEY = 'torture';
export const SECRET = 'torture-secret-0123456789abcdef0123456789';
export const WORKERS = 3;

const PORTS = ['edge', 'longEdge', 'redis', 'edgeWire', 'workerWire', 'media',
  'store'];

function isFree(port) {
  return new Promise((resolve) => {
    const server = createServer();
    server.on('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}

// Below the range that outgoing connections take theirs from, or one of these
// could stand on the port of a part that is away for a moment.
async function findPorts() {
  for (let i = 0; i < 100; i++) {
    const base = 12000 + 10 * Math.floor(Math.random() * 700);
    const ports = PORTS.map((name, offset) => base + offset);
    const free = await Promise.all(ports.map(isFree));
    if (free.every(Boolean)) {
      return Object.fromEntries(PORTS.map((name, j) => [name, ports[j]]));
    }
  }
  throw new Error('no free ports');
}

async function until(what, check, ms = 20000) {
  const end = Date.now() + ms;
  while (!await check()) {
    if (Date.now() > end) {
      throw new Error(`in vain for ${ms} ms: ${what}`);
    }
    await sleep(20);
  }
}

// A program that we may kill, and that is not to end otherwise.
class Part {
  constructor(house, name, command, options = {}) {
    Object.assign(this, { house, name, command, options });
    this.child = null;
    this.endings = [];
    this.log = path.join(house.dir, `${name}.log`);
  }

  get pid() {
    return this.child?.pid;
  }

  // Ends with us, however we end.
  launch() {
    const log = openSync(this.log, 'a');
    const child = spawn('setpriv',
      ['--pdeathsig', this.options.deathSignal ?? 'KILL', ...this.command],
      { stdio: ['ignore', log, log], cwd: this.house.dir,
        env: { ...process.env, ...this.options.env } });
    closeSync(log);
    this.child = child;
    this.exited = new Promise((resolve) => child.on('exit', (code, signal) => {
      if (this.child === child) {
        this.child = null;
        if (!child.told) {
          this.house.recording.deaths.push({ at: Date.now(), part: this.name,
            how: signal ?? `status ${code}` });
        }
      }
      resolve(signal ?? code);
    }));
  }

  // How it ended.
  async end(signal) {
    const { child } = this;
    if (!child) {
      return null;
    }
    child.told = true;
    this.endings.push({ at: Date.now(), signal });
    child.kill(signal);
    // a process that is paused would not hear of it
    child.kill('SIGCONT');
    return this.exited;
  }

  pause() {
    this.child?.kill('SIGSTOP');
  }

  resume() {
    this.child?.kill('SIGCONT');
  }
}

export class House {
  constructor({ seed, settings, recording, store, mischief }) {
    Object.assign(this, { seed, settings, recording, mischief });
    this.dir = mkdtempSync(path.join(tmpdir(), 'convo-torture-'));
    this.redisDir = path.join(this.dir, 'redis');
    this.lostDir = path.join(this.dir, 'redis-lost');
    this.store = newStore(store, { seed, dir: this.dir });
  }

  async start(keySet) {
    this.ports = await findPorts();
    this.store.port = this.ports.store;
    await this.store.start();
    this.writeFiles(keySet);
    this.makeParts();
    this.redis.launch();
    this.client = new Redis(this.ports.redis, '127.0.0.1',
      { retryStrategy: () => 50, maxRetriesPerRequest: null });
    this.client.on('error', () => {});
    await this.client.ping();
    this.edgeWire = new Proxy(this.ports.redis);
    this.workerWire = new Proxy(this.ports.redis);
    await this.edgeWire.listen(this.ports.edgeWire);
    await this.workerWire.listen(this.ports.workerWire);
    this.media = new Media({
      seed: this.seed, key: KEY, secret: SECRET, recording: this.recording,
      webhook: `http://127.0.0.1:${this.ports.edge}/webhooks/livekit`,
      mischief: this.mischief,
    });
    await this.media.listen(this.ports.media);
    await this.store.init((...words) => this.command(...words));
    this.edge.launch();
    this.workers.forEach((worker) => worker.launch());
    await until('the pool is served', () => this.client.exists(
      '{default}:ready'));
    await until('NGINX serves', () => this.answers());
  }

  async answers() {
    return fetch(`http://127.0.0.1:${this.ports.edge}/healthz`)
      .then((response) => response.status === 200, () => false);
  }

  // Redis is killed, and starts again with nothing. What it had written is
  // kept for the checker.
  async loseRedis(ms) {
    await until('Redis is up', () => this.redis.child
      && !this.redis.child.told);
    const at = Date.now();
    await this.redis.end('SIGKILL');
    mkdirSync(this.lostDir);
    renameSync(`${this.redisDir}/appendonlydir`,
      `${this.lostDir}/appendonlydir`);
    await sleep(ms);
    this.redis.launch();
    this.lost = { lost: true, at };
  }

  // All that was written to Redis, and between it the loss, if there was one.
  units() {
    return [...this.lost ? [...readUnits(this.lostDir), this.lost] : [],
      ...readUnits(this.redisDir)];
  }

  makeParts() {
    const { dir } = this;
    const nginx = isStatic ? `${BUILD}/nginx` : 'nginx';
    this.redis = new Part(this, 'redis', ['redis-server', `${dir}/redis.conf`]);
    this.edge = new Part(this, 'edge',
      [nginx, '-c', `${dir}/nginx.conf`, '-e', `${dir}/edge-error.log`],
      { deathSignal: 'TERM' });
    this.workers = Array.from({ length: WORKERS }, (_, i) => new Part(this,
      `worker${i}`, [`${BUILD}/convo-worker`, '-c', `${dir}/worker.conf`],
      { env: this.store.env }));
  }

  get parts() {
    return [...this.workers, this.edge, this.redis];
  }

  // --- configuration

  writeFiles(keySet) {
    mkdirSync(this.redisDir);
    const write = (name, text) => writeFileSync(
      path.join(this.dir, name), text);
    write('keys.json', JSON.stringify(keySet));
    write('livekit.secret', `${SECRET}\n`);
    write('redis.conf', this.redisConf());
    write('nginx.conf', this.nginxConf());
    write('worker.conf', this.workerConf());
  }

  // The log of writes is never rewritten: it is the checker's truth.
  redisConf() {
    return `bind 127.0.0.1
port ${this.ports.redis}
dir ${this.dir}/redis
daemonize no
save ""
appendonly yes
appendfsync always
auto-aof-rewrite-percentage 0
aof-timestamp-enabled yes
maxmemory-policy noeviction
`;
  }

  workerConf() {
    const s = this.settings;
    const directives = {
      redis: `redis://127.0.0.1:${this.ports.workerWire} timeout=300ms`,
      livekit: `url=http://127.0.0.1:${this.ports.media} key=${KEY} `
        + 'secret_file=livekit.secret timeout=1s',
      history: this.store.history,
      match_interval: '100ms',
      batch: '32',
      lease: `${s.leaseMs}ms`,
      silent_after: `${s.silentAfterMs}ms`,
      drop_after: `${s.dropAfterMs}ms`,
      restart_grace: `${s.restartGraceMs}ms`,
      no_show: `${s.noShowMs}ms`,
      absence: `${s.absenceMs}ms`,
      probe_interval: '1s',
      sweep_interval: '5s',
      log_level: 'debug',
    };
    return Object.entries(directives)
      .map(([name, value]) => `${name} ${value}\n`).join('');
  }

  // Two doors to one pool: some users may talk for longer than others.
  nginxConf() {
    const s = this.settings;
    const server = (port, sessionMaxS) => `
    server {
        listen 127.0.0.1:${port};
        convo_session_max ${sessionMaxS}s;
        location /api/ {
            convo_auth on;
            location = /api/join { convo_join; }
            location = /api/leave { convo_leave; }
            location = /api/session { convo_session; }
            location = /api/events { convo_events; }
            location = /api/history { convo_history; }
            location = /api/report { convo_report; }
        }
        location = /webhooks/livekit { convo_livekit_webhook; }
        location = /healthz { convo_health live; }
        location = /metrics { convo_metrics; }
    }
`;
    const module = isStatic ? ''
      : `load_module ${BUILD}/ngx_http_convo_module.so;`;
    const user = process.getuid() === 0 ? 'user root;' : '';
    const folders = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
      .map((name) => `    ${name}_temp_path ${this.dir}/tmp-${name};\n`);
    return `${user}
daemon off;
pid ${this.dir}/nginx.pid;
error_log ${this.dir}/edge-error.log notice;
worker_processes 2;
worker_shutdown_timeout 5s;
${module}
events { worker_connections 4096; }
http {
    access_log off;
${folders.join('')}
    convo_auth_issuer ${s.issuer};
    convo_auth_client ${s.client};
    convo_auth_keys_file ${this.dir}/keys.json;
    convo_auth_cache zone=tokens:1m;
    convo_redis redis://127.0.0.1:${this.ports.edgeWire} timeout=1s;
    convo_points ${s.points} window=${s.windowMs / 1000}s;
    convo_livekit url=ws://127.0.0.1:${this.ports.media} key=${KEY}
                  secret_file=${this.dir}/livekit.secret;
${server(this.ports.edge, s.sessionMaxS)}
${server(this.ports.longEdge, s.longSessionMaxS)}
}
`;
  }

  // --- what the injector uses

  // NGINX's processes without their master, as the kernel knows them.
  edgePids() {
    try {
      const { pid } = this.edge;
      return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
        .trim().split(' ').filter(Boolean).map(Number);
    } catch {
      return [];
    }
  }

  signal(pid, name) {
    try {
      process.kill(pid, name);
    } catch {
      // it is gone already
    }
  }

  // One of the worker's commands: its exit status.
  async command(...words) {
    const log = openSync(path.join(this.dir, 'commands.log'), 'a');
    const child = spawn('setpriv', ['--pdeathsig', 'KILL',
      `${BUILD}/convo-worker`, '-c', `${this.dir}/worker.conf`, ...words],
    { stdio: ['ignore', log, log],
      env: { ...process.env, ...this.store.env } });
    closeSync(log);
    return new Promise((resolve) => child.on('exit', resolve));
  }

  async stop() {
    this.client?.disconnect();
    await Promise.all((this.workers ?? []).map((worker) => worker.end(
      'SIGKILL')));
    await this.edge?.end('SIGTERM');
    await this.redis?.end('SIGTERM');
    await this.media?.close();
    await this.edgeWire?.close();
    await this.workerWire?.close();
    await this.store.stop();
  }
}

export { until };
