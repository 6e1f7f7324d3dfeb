// What is done to the system, and when: a schedule made from the seed alone,
// and the injector that carries it out.
//
// A fault ends by itself before the run does, so that the system is whole
// again then. Those of different parts overlap.

import { setTimeout as sleep } from 'node:timers/promises';

import { Random } from './random.mjs';
import { WORKERS } from './house.mjs';

// How often each comes, and how long it lasts, in ms; the store adds its own.
const KINDS = {
  'worker-kill': { weight: 14, from: 100, to: 3000 },
  'worker-pause': { weight: 10, from: 300, to: 14000 },
  'worker-stop': { weight: 4, from: 100, to: 2000 },
  'edge-kill': { weight: 10, from: 0, to: 0 },
  'edge-pause': { weight: 7, from: 200, to: 6000 },
  'edge-reload': { weight: 6, from: 0, to: 0 },
  'edge-restart': { weight: 4, from: 100, to: 1500 },
  'redis-kill': { weight: 10, from: 50, to: 4000 },
  'redis-pause': { weight: 7, from: 100, to: 3000 },
  'redis-forget': { weight: 4, from: 0, to: 0 },
  'edge-cut': { weight: 7, from: 0, to: 0 },
  'worker-cut': { weight: 7, from: 0, to: 0 },
  'edge-hold': { weight: 4, from: 200, to: 3000 },
  'worker-hold': { weight: 4, from: 200, to: 3000 },
  'media-cut': { weight: 5, from: 0, to: 0 },
  'media-down': { weight: 5, from: 200, to: 5000 },
};

// The mean pause between two, ms: some seeds are angrier than others.
const EVERY_MS = [400, 800, 1200, 2000];

// A list of { at, kind, ms, target }: at since the start of the run.
export function schedule(seed, seconds, more = {}) {
  const kinds = { ...KINDS, ...more };
  const random = new Random(seed, 'faults');
  const weights = Object.fromEntries(Object.entries(kinds)
    .map(([kind, { weight }]) => [kind, weight]));
  const every = random.pick(EVERY_MS);
  const faults = [];
  const end = seconds * 1000;
  for (let at = random.between(1000, 3000); at < end;
    at += random.between(0, 2 * every)) {
    const kind = random.weighted(weights);
    const { from, to } = kinds[kind];
    // short ones are as likely as long ones
    const ms = Math.round(from * (Math.max(to, 1) / Math.max(from, 1))
      ** random.next());
    const target = random.between(0, WORKERS - 1);
    faults.push({ at, kind, ms: to ? Math.min(ms, end - at) : 0, target });
  }
  return faults;
}

// Once in the run, in its middle, Redis loses all that it has.
export function loss(seed, seconds) {
  const random = new Random(seed, 'loss');
  return { kind: 'redis-lose', target: 0, ms: random.between(100, 2000),
    at: Math.round(seconds * random.between(400, 600)) };
}

export class Injector {
  constructor(house, faults) {
    Object.assign(this, { house, faults });
  }

  // Until all of them are over.
  async run() {
    const began = Date.now();
    const going = [];
    for (const fault of this.faults) {
      await sleep(Math.max(0, began + fault.at - Date.now()));
      const entry = this.house.recording.fault(fault.kind, fault.target);
      going.push(this.does(fault).then(() => {
        entry.to = Date.now();
      }));
    }
    await Promise.all(going);
  }

  does(fault) {
    return fault.kind in this.house.store.faults
      ? this.house.store.inject(fault.kind, fault.ms)
      : this[fault.kind](fault);
  }

  // A part that is down already is left so.
  async crash(part, signal, { ms }) {
    if (!part.child || part.child.told) {
      return;
    }
    await part.end(signal);
    await sleep(ms);
    part.launch();
  }

  async freeze(pid, { ms }) {
    if (pid) {
      this.house.signal(pid, 'SIGSTOP');
      await sleep(ms);
      this.house.signal(pid, 'SIGCONT');
    }
  }

  edgePid({ target }) {
    const pids = this.house.edgePids();
    return pids[target % Math.max(1, pids.length)];
  }

  async 'worker-kill'(fault) {
    await this.crash(this.house.workers[fault.target], 'SIGKILL', fault);
  }

  async 'worker-stop'(fault) {
    await this.crash(this.house.workers[fault.target], 'SIGTERM', fault);
  }

  async 'worker-pause'(fault) {
    await this.freeze(this.house.workers[fault.target].pid, fault);
  }

  async 'edge-kill'(fault) {
    const pid = this.edgePid(fault);
    if (pid) {
      this.house.signal(pid, 'SIGKILL');
    }
  }

  async 'edge-pause'(fault) {
    await this.freeze(this.edgePid(fault), fault);
  }

  async 'edge-reload'() {
    this.house.edge.child?.kill('SIGHUP');
  }

  async 'edge-restart'(fault) {
    await this.crash(this.house.edge, fault.target ? 'SIGQUIT' : 'SIGTERM',
      fault);
  }

  async 'redis-kill'(fault) {
    await this.crash(this.house.redis, 'SIGKILL', fault);
  }

  async 'redis-pause'(fault) {
    await this.freeze(this.house.redis.pid, fault);
  }

  async 'redis-lose'({ ms }) {
    await this.house.loseRedis(ms);
  }

  // Its scripts, as at a failover.
  async 'redis-forget'() {
    await this.house.client.script('FLUSH');
  }

  async 'edge-cut'() {
    this.house.edgeWire.cut();
  }

  async 'worker-cut'() {
    this.house.workerWire.cut();
  }

  async 'edge-hold'({ ms }) {
    this.house.edgeWire.hold();
    await sleep(ms);
    this.house.edgeWire.release();
  }

  async 'worker-hold'({ ms }) {
    this.house.workerWire.hold();
    await sleep(ms);
    this.house.workerWire.release();
  }

  async 'media-cut'() {
    this.house.media.cut();
  }

  // Two that overlap are one.
  async 'media-down'({ ms }) {
    const { media } = this.house;
    if (media.isDown) {
      return;
    }
    media.isDown = true;
    await media.down();
    await sleep(ms);
    await media.up();
    media.isDown = false;
  }
}
