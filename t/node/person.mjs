// A person as the edge knows one: a token, the API, and an open event stream
// that keeps every document it was sent.

import { randomBytes } from 'node:crypto';

export class Person {
  constructor(stack, name) {
    this.stack = stack;
    this.name = `${name}-${randomBytes(4).toString('hex')}`;
    this.documents = [];
    this.comments = 0;
    this.waiters = new Set();
  }

  async signIn() {
    this.token = await this.stack.token(this.name);
    const payload = Buffer.from(this.token.split('.')[1], 'base64url');
    this.sub = JSON.parse(payload).sub;
    return this;
  }

  async call(method, path, body) {
    const response = await fetch(`${this.stack.env.CONVO_URL}${path}`, {
      method,
      headers: {
        Authorization: `Bearer ${this.token}`,
        ...(body && { 'Content-Type': 'application/json' }),
      },
      body: body && JSON.stringify(body),
    });
    const text = await response.text();
    return { status: response.status, body: text && JSON.parse(text) };
  }

  join() {
    return this.call('POST', '/api/join');
  }

  leave() {
    return this.call('POST', '/api/leave');
  }

  async session() {
    return (await this.call('GET', '/api/session')).body;
  }

  async history() {
    return (await this.call('GET', '/api/history')).body.sessions;
  }

  // Opens the stream and follows it, again and again, until close().
  listen() {
    this.closed = new AbortController();
    this.following = this.follow();
    return this;
  }

  async follow() {
    while (!this.closed.signal.aborted) {
      try {
        await this.readStream();
      } catch {
        // cut off: the next turn opens another
      }
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  async readStream() {
    const response = await fetch(`${this.stack.env.CONVO_URL}/api/events`, {
      headers: { Authorization: `Bearer ${this.token}` },
      signal: this.closed.signal,
    });
    if (response.status !== 200) {
      await response.arrayBuffer();
      return;
    }
    this.streams = (this.streams ?? 0) + 1;
    let text = '';
    for await (const chunk of response.body.pipeThrough(
      new TextDecoderStream())) {
      text += chunk;
      const events = text.split('\n\n');
      text = events.pop();
      events.forEach((event) => this.take(event));
    }
  }

  take(event) {
    if (event.startsWith(':')) {
      this.comments++;
    }
    const data = /^data: ?(.*)$/m.exec(event);
    if (!data) {
      return;
    }
    const document = JSON.parse(data[1]);
    const last = this.documents.at(-1);
    if (last && document.version < last.version) {
      this.fellBack = [last.version, document.version];
    }
    this.documents.push(document);
    this.waiters.forEach((waiter) => waiter(document));
  }

  // The first document told, from now on or the latest, that fits.
  told(what, fits, timeoutMs = 20000) {
    const last = this.documents.at(-1);
    if (last && fits(last)) {
      return Promise.resolve(last);
    }
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.waiters.delete(waiter);
        reject(new Error(`${this.name} was not told ${what}; last: ${
          JSON.stringify(this.documents.at(-1))}`));
      }, timeoutMs);
      const waiter = (document) => {
        if (fits(document)) {
          clearTimeout(timer);
          this.waiters.delete(waiter);
          resolve(document);
        }
      };
      this.waiters.add(waiter);
    });
  }

  toldState(state, timeoutMs) {
    return this.told(state, (doc) => doc.state === state, timeoutMs);
  }

  async close() {
    this.closed?.abort();
    await this.following;
  }
}

export async function signInAll(stack, ...names) {
  return Promise.all(names.map((name) => new Person(stack, name).signIn()));
}
