// A wire that can be cut: forwards TCP from a port of its own to another one.
//
//   cut()       every connection is reset; new ones work
//   hold()      nothing passes in either direction, and nobody is told, until
//   release(), as often as it was held

import net from 'node:net';

export class Proxy {
  constructor(target) {
    this.target = target;
    this.pairs = new Set();
    this.holds = 0;
  }

  get held() {
    return this.holds > 0;
  }

  listen(port) {
    this.port = port;
    this.server = net.createServer((near) => this.accept(near));
    return new Promise((resolve, reject) => {
      this.server.on('error', reject);
      this.server.listen(port, '127.0.0.1', resolve);
    });
  }

  accept(near) {
    const pair = { near, far: null };
    this.pairs.add(pair);
    near.setNoDelay(true);
    near.pause();
    const end = () => {
      this.pairs.delete(pair);
      near.destroy();
      pair.far?.destroy();
    };
    near.on('error', end).on('close', end);
    pair.connect = () => {
      const far = net.connect(this.target, '127.0.0.1');
      pair.far = far;
      far.setNoDelay(true);
      far.on('error', end).on('close', end);
      near.on('data', (chunk) => far.write(chunk));
      far.on('data', (chunk) => near.write(chunk));
      if (this.held) {
        far.pause();
      } else {
        near.resume();
      }
    };
    if (!this.held) {
      pair.connect();
    }
  }

  cut() {
    for (const { near, far } of this.pairs) {
      near.resetAndDestroy();
      far?.resetAndDestroy();
    }
  }

  hold() {
    this.holds += 1;
    for (const { near, far } of this.pairs) {
      near.pause();
      far?.pause();
    }
  }

  release() {
    this.holds -= 1;
    if (this.held) {
      return;
    }
    for (const pair of this.pairs) {
      if (pair.far) {
        pair.near.resume();
        pair.far.resume();
      } else {
        pair.connect();
      }
    }
  }

  close() {
    this.cut();
    return new Promise((resolve) => this.server.close(resolve));
  }
}
