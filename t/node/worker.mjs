// convo-worker for a test, with what it works on: a real Redis, a real
// livekit-server, and between the worker and LiveKit a proxy that injects the
// faults a test asks for.
//
//   const stage = await startStage();           // Redis, LiveKit, proxy
//   const worker = await stage.worker({ no_show: '1s' });
//   ...
//   await stage.stop();                         // and everything with it

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import {
  cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync,
} from 'node:fs';
import http from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { AccessToken, RoomServiceClient } from 'livekit-server-sdk';

import { Pool } from './pool.mjs';
import { freePort, root, sleep, startRedis } from './redis.mjs';

const KEY = 'testkey';
export const SECRET = 'worker-test-secret-0123456789abcdef';

export const binary = path.join(
  process.env.CONVO_BUILD ?? path.join(root, 'build'), 'convo-worker');

// The first value of fn() that is true, asked for until ms have passed.
export async function until(fn, what, ms = 15000) {
  const end = Date.now() + ms;
  for (;;) {
    const value = await fn();
    if (value) {
      return value;
    }
    assert.ok(Date.now() < end, `in vain for ${ms} ms: ${what}`);
    await sleep(30);
  }
}

function exitOf(child) {
  return new Promise((resolve) => child.on('exit',
    (code, signal) => resolve(signal ?? code)));
}

class LiveKit {
  async start(dir) {
    this.port ??= await freePort();
    this.udp ??= await freePort();
    this.file = path.join(dir, 'livekit.yaml');
    writeFileSync(this.file, JSON.stringify({
      port: this.port, bind_addresses: ['127.0.0.1'],
      keys: { [KEY]: SECRET },
      rtc: {
        node_ip: '127.0.0.1', udp_port: this.udp, tcp_port: 0,
        enable_loopback_candidate: true, interfaces: { includes: ['lo'] },
      },
      room: { auto_create: false }, logging: { level: 'error' },
    }));
    this.child = spawn('livekit-server', ['--config', this.file],
      { stdio: 'ignore' });
    this.exited = exitOf(this.child);
    this.child.on('error', (error) => {
      this.missing = error;
    });
    this.client = new RoomServiceClient(
      `http://127.0.0.1:${this.port}`, KEY, SECRET);
    await until(() => {
      assert.ifError(this.missing);
      return this.rooms().then(() => true, () => false);
    }, 'LiveKit answers', 20000);
  }

  async rooms() {
    return this.client.listRooms();
  }

  async roomNames() {
    return (await this.rooms()).map((room) => room.name).sort();
  }

  // What a user is sent to come to the room of a session as one side.
  async credentials(room, identity) {
    const token = new AccessToken(KEY, SECRET, { identity });
    token.addGrant({ roomJoin: true, room });
    return {
      livekit: {
        url: `ws://127.0.0.1:${this.port}`, token: await token.toJwt(),
      },
    };
  }

  async stop(signal = 'SIGTERM') {
    if (this.child?.pid) {
      this.child.kill(signal);
      await this.exited;
    }
  }
}

// Forwards to LiveKit. on(method, fault): what happens to calls of a method of
// RoomService from now on; a fault is an async function of { body, forward,
// request, response } that answers, or returns without an answer.
class Proxy {
  async start(target) {
    this.target = target;
    this.faults = new Map();
    this.calls = [];
    this.port ??= await freePort();
    await this.listen();
  }

  listen() {
    this.server = http.createServer((request, response) => {
      this.serve(request, response).catch(() => response.destroy());
    });
    return new Promise((resolve) => this.server.listen(
      this.port, '127.0.0.1', resolve));
  }

  async serve(request, response) {
    const chunks = [];
    for await (const chunk of request) {
      chunks.push(chunk);
    }
    const method = path.basename(request.url);
    const text = Buffer.concat(chunks);
    const body = JSON.parse(text);
    const forward = () => this.forward(request, text);
    const fault = this.faults.get(method);

    this.calls.push({ method, body });
    if (fault) {
      await fault({ body, forward, request, response });
      return;
    }
    const answer = await forward();
    response.writeHead(answer.status, answer.headers).end(answer.text);
  }

  forward(request, text) {
    return new Promise((resolve, reject) => {
      const out = http.request({
        host: '127.0.0.1', port: this.target, path: request.url,
        method: request.method, headers: request.headers,
      }, (answer) => {
        const chunks = [];
        answer.on('data', (chunk) => chunks.push(chunk));
        answer.on('end', () => resolve({
          status: answer.statusCode, text: Buffer.concat(chunks),
          headers: { 'Content-Type': 'application/json' },
        }));
      });
      out.on('error', reject);
      out.end(text);
    });
  }

  on(method, fault) {
    this.faults.set(method, fault);
  }

  off() {
    this.faults.clear();
  }

  count(method) {
    return this.calls.filter((call) => call.method === method).length;
  }

  // Nobody listens: connections are refused, open ones cut.
  async down() {
    this.server?.closeAllConnections();
    return this.server && new Promise((resolve) => this.server.close(resolve));
  }
}

class Worker {
  constructor(file) {
    this.log = '';
    this.child = spawn(binary, ['-c', file],
      { stdio: ['ignore', 'ignore', 'pipe'] });
    this.child.stderr.on('data', (chunk) => {
      this.log += chunk;
    });
    this.exited = exitOf(this.child);
  }

  logged(pattern, ms) {
    return until(() => pattern.exec(this.log), `log has ${pattern}`, ms);
  }

  async serving() {
    await this.logged(/convo worker: serving/);
    return this;
  }

  // The most memory it has held so far, in kB.
  peakMemory() {
    const status = readFileSync(`/proc/${this.child.pid}/status`, 'utf8');
    return Number(/VmHWM:\s+(\d+)/.exec(status)[1]);
  }

  // The exit code, or the name of the signal that ended it.
  async end(signal = 'SIGTERM') {
    this.child.kill(signal);
    return this.exited;
  }
}

class Stage {
  constructor() {
    this.dir = mkdtempSync(path.join(tmpdir(), 'convo-worker-'));
    this.livekit = new LiveKit();
    this.proxy = new Proxy();
    this.workers = [];
    this.files = 0;
  }

  async start(redisOptions) {
    try {
      return await this.startParts(redisOptions);
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  async startParts(redisOptions) {
    writeFileSync(path.join(this.dir, 'secret'), `${SECRET}\n`);
    this.redis = await startRedis(...redisOptions);
    this.client = this.redis.client();
    this.pool = new Pool(this.client);
    // as its workers see it, who then have nothing to read again
    this.pool.runId = /run_id:(\w+)/.exec(await this.client.info('server'))[1];
    await this.pool.open();
    await this.startLiveKit();
    return this;
  }

  async startLiveKit() {
    await this.livekit.start(this.dir);
    await this.proxy.start(this.livekit.port);
  }

  // A configuration of short times; settings replace or add directives.
  configure(settings = {}) {
    const directives = {
      redis: `redis://127.0.0.1:${this.redis.port} timeout=100ms`,
      livekit: `url=http://127.0.0.1:${this.proxy.port} key=${KEY} `
        + 'secret_file=secret timeout=1s',
      history: 'sqlite history.db',
      match_interval: '50ms',
      lease: '4s',
      restart_grace: '0s',
      // who is said to come by a test is not there for LiveKit
      probe_interval: 'off',
      log_level: 'debug',
      ...settings,
    };
    const file = path.join(this.dir, `worker-${this.files += 1}.conf`);
    writeFileSync(file, Object.entries(directives)
      .map(([name, value]) => `${name} ${value}\n`).join(''));
    return file;
  }

  launch(settings) {
    const worker = new Worker(this.configure(settings));
    this.workers.push(worker);
    return worker;
  }

  worker(settings) {
    return this.launch(settings).serving();
  }

  // Ends the workers and forgets all of Redis and LiveKit; the pool is open.
  async clear() {
    await Promise.all(this.workers.map((worker) => worker.end('SIGKILL')));
    this.workers = [];
    this.proxy.off();
    this.proxy.calls = [];
    await this.client.flushall();
    await this.pool.open();
    await this.clearLiveKit();
    for (const end of ['', '-wal', '-shm']) {
      rmSync(path.join(this.dir, `history.db${end}`),
        { recursive: true, force: true });
    }
  }

  async clearLiveKit() {
    for (const room of await this.livekit.roomNames()) {
      // LiveKit may be about to delete it itself, for a worker just ended
      await this.livekit.client.deleteRoom(room).catch((error) => {
        assert.match(error.message, /does not exist/);
      });
    }
  }

  async join(...subs) {
    for (const sub of subs) {
      const view = await this.pool.join(sub);
      assert.equal(view.status, 'ok');
    }
  }

  // The user's hash once its state is this.
  state(sub, state, ms) {
    return until(async () => {
      const user = await this.pool.user(sub);
      return (user.state ?? 'idle') === state && user;
    }, `${sub} is ${state}`, ms);
  }

  async states(...subs) {
    const users = await Promise.all(subs.map((sub) => this.pool.user(sub)));
    return users.map((user) => user.state ?? 'idle');
  }

  // What a session's side comes to its room with (see call.mjs).
  credentials(sid, side) {
    return this.livekit.credentials(this.pool.room(sid), `${sid}-${side}`);
  }

  // What a webhook leaves in the stream.
  async event(sid, event, side = '', psid = '', at = undefined) {
    this.events = (this.events ?? 0) + 1;
    return this.pool.run('livekit_event',
      [this.pool.key('event', `EV_${this.events}`), this.pool.key('livekit')],
      [3600, event, sid, side, psid, at ?? await this.pool.now()]);
  }

  // Keeps the store as it is; what is returned puts it back.
  copyStore() {
    const file = path.join(this.dir, 'history.db');
    cpSync(file, `${file}.copy`);
    return () => {
      ['', '-wal', '-shm'].forEach((end) => rmSync(file + end,
        { force: true }));
      cpSync(`${file}.copy`, file);
    };
  }

  async stop() {
    await Promise.all(this.workers.map((worker) => worker.end('SIGKILL')));
    await this.proxy.down();
    await this.livekit.stop();
    this.client?.disconnect();
    await this.redis?.stop();
    rmSync(this.dir, { recursive: true, force: true });
  }
}

// Without a LiveKit: nobody is matched, and what is kept is all there is.
class BareStage extends Stage {
  async startLiveKit() {
    Object.assign(this.proxy,
      { port: await freePort(), faults: new Map(), calls: [] });
  }

  async clearLiveKit() {}
}

export function startStage(...redisOptions) {
  return new Stage().start(redisOptions);
}

export function startBareStage(...redisOptions) {
  return new BareStage().start(redisOptions);
}

export { sleep };
