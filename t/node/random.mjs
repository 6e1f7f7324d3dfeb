// Numbers at random that a seed repeats.

export class Random {
  constructor(seed) {
    this.state = seed;
  }

  // From 0 up to 1; mulberry32.
  next() {
    this.state = (this.state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  }

  // A whole number from 0 to n - 1.
  below(n) {
    return Math.floor(this.next() * n);
  }

  pick(list) {
    return list[this.below(list.length)];
  }

  // As many of fn() as least to most.
  some(least, most, fn) {
    return Array.from({ length: least + this.below(most - least + 1) }, fn);
  }
}
