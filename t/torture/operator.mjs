// Who runs the service: now and then they ban a user for some seconds, or lift
// a ban, with the worker's own command.

import { setTimeout as sleep } from 'node:timers/promises';

import { Random } from './random.mjs';

export class Operator {
  constructor(house, seed, users) {
    Object.assign(this, { house, users });
    this.random = new Random(seed, 'operator');
    this.last = null;
  }

  async work(world) {
    while (!world.over) {
      await sleep(this.random.between(1000, 6000));
      const lift = this.last !== null && this.random.chance(0.3);
      const user = lift ? this.last : this.random.pick(this.users).sub;
      const seconds = this.random.between(2, 9);
      if (!world.over) {
        await this.ban(user, lift ? 0 : seconds);
      }
      this.last = user;
    }
  }

  // 0 seconds: the ban is lifted.
  async ban(user, seconds) {
    const entry = { user, seconds, sent: Date.now(), done: null, status: null };
    this.house.recording.bans.push(entry);
    entry.status = await this.house.command('ban', user,
      ...seconds ? ['--for', `${seconds}s`] : ['--lift']);
    entry.done = Date.now();
  }
}
