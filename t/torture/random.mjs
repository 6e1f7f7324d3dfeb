// Chance from a seed: the same seed and name give the same numbers, so that a
// run's schedule can be had again. Not for secrets.

import { createHash } from 'node:crypto';

export class Random {
  // Each part of a run has numbers of its own, by its name: what one draws
  // does not shift what another gets.
  constructor(seed, name) {
    const hash = createHash('sha256').update(`${seed}/${name}`).digest();
    this.state = [0, 4, 8, 12].map((at) => hash.readUInt32LE(at));
  }

  // 32 random bits: xoshiro128**.
  bits() {
    const s = this.state;
    const rotate = (x, n) => (x << n) | (x >>> (32 - n));
    const result = Math.imul(rotate(Math.imul(s[1], 5), 7), 9) >>> 0;
    const t = s[1] << 9;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate(s[3], 11);
    return result;
  }

  // [0, 1)
  next() {
    return this.bits() / 2 ** 32;
  }

  chance(p) {
    return this.next() < p;
  }

  // A number from low to high; integers give integers.
  between(low, high) {
    return Math.floor(low + this.next() * (high - low + 1));
  }

  pick(list) {
    return list[Math.floor(this.next() * list.length)];
  }

  // One of the names, as often as their weights say.
  weighted(weights) {
    const names = Object.keys(weights);
    let left = this.next()
      * names.reduce((sum, name) => sum + weights[name], 0);
    for (const name of names) {
      left -= weights[name];
      if (left < 0) {
        return name;
      }
    }
    return names.at(-1);
  }
}
