// The conversation page in a real browser with a made-up camera: people sign
// in at the hosted UI, join, see each other, and leave.
//
// It starts a stack of its own, or uses the one whose address CONVO_URL is.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, afterEach, before, test } from 'node:test';

import { chromium } from 'playwright-core';

import { startStack, until } from '../node/stack.mjs';

const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';
const ARGUMENTS = [
  '--disable-background-networking', '--disable-component-update',
  '--disable-quic', '--disable-sync', '--headless=new', '--no-first-run',
  '--no-sandbox', '--use-fake-device-for-media-stream',
  '--use-fake-ui-for-media-stream',
];
const TIMEOUT_MS = 30_000;

let stack;
let browser;
let url;
const people = [];

before(async () => {
  if (!process.env.CONVO_URL) {
    stack = await startStack();
  }
  url = process.env.CONVO_URL ?? stack.env.CONVO_URL;
  browser = await chromium.launch({
    executablePath: CHROMIUM, args: ARGUMENTS,
  });
});

afterEach(async () => {
  for (const person of people.splice(0)) {
    await person.context.close();
  }
});

after(async () => {
  await browser?.close();
  await stack?.down();
});

// A person with a browser profile of their own.
class Visitor {
  constructor(name) {
    this.name = `${name}-${randomBytes(4).toString('hex')}`;
    this.faults = [];
    people.push(this);
  }

  async arrive() {
    this.context = await browser.newContext();
    await this.open();
    return this;
  }

  // Another window of the same profile.
  async open() {
    this.page = await this.context.newPage();
    this.page.setDefaultTimeout(TIMEOUT_MS);
    this.page.on('pageerror', (error) => this.faults.push(error.message));
    this.page.on('console', (message) => {
      if (/Content Security Policy/.test(message.text())) {
        this.faults.push(message.text());
      }
    });
    await this.page.goto(url);
  }

  async signIn({ unverified = false } = {}) {
    await this.page.click('#sign-in');
    await this.page.click('#google');
    await this.page.fill('input[name=name]', this.name);
    if (unverified) {
      await this.page.check('input[name=unverified]');
    }
    await this.page.click('button');
    return this;
  }

  async ready() {
    await this.page.waitForSelector('#join:not([disabled])');
    return this;
  }

  join() {
    return this.page.click('#join');
  }

  leave() {
    return this.page.click('#leave');
  }

  text(id) {
    return this.page.textContent(`#${id}`);
  }

  async saw(state) {
    await this.page.waitForSelector(`body[data-state=${state}]`);
  }

  async reads(id, pattern) {
    await until(`${this.name} reads ${pattern} in #${id}`,
      async () => pattern.test(await this.text(id)), TIMEOUT_MS);
  }

  // Waits until the video has a picture that moves.
  async sees(id) {
    await this.page.waitForSelector(`#${id}:visible`);
    const look = () => this.page.$eval(`#${id}`, (video) => ({
      width: video.videoWidth, time: video.currentTime,
    }));
    const first = await until(`#${id} of ${this.name} has a picture`,
      async () => {
        const now = await look();
        return now.width > 0 && now.time > 0 && now;
      }, TIMEOUT_MS);
    await until(`#${id} of ${this.name} moves`,
      async () => (await look()).time > first.time + 0.5, TIMEOUT_MS);
  }

  clock() {
    return this.page.$eval('#clock', (clock) => {
      const [minutes, seconds] = clock.textContent.split(':').map(Number);
      return minutes * 60 + seconds;
    });
  }
}

async function arrive(...names) {
  const visitors = await Promise.all(names.map(
    (name) => new Visitor(name).arrive()));
  await Promise.all(visitors.map((visitor) => visitor.signIn()));
  return Promise.all(visitors.map((visitor) => visitor.ready()));
}

async function talk(...visitors) {
  await Promise.all(visitors.map((visitor) => visitor.join()));
  await Promise.all(visitors.map((visitor) => visitor.saw('live')));
}

test('two people sign in, join, see each other and part', async () => {
  const [ann, bob] = await arrive('ann', 'bob');
  assert.equal(await ann.text('points'), '15 points left');
  assert.match(await ann.text('status'), /Ready/);

  await ann.join();
  await ann.saw('waiting');
  await ann.reads('detail', /You are number 1/);
  await ann.sees('self');
  await bob.join();

  for (const visitor of [ann, bob]) {
    await visitor.saw('live');
    await visitor.sees('self');
    await visitor.sees('peer');
    await visitor.page.waitForSelector('#clock:visible');
  }

  const before = await ann.clock();
  assert.ok(before > 13 * 60 && before <= 15 * 60, `${before} s`);
  await until('the clock runs', async () => await ann.clock() < before);
  assert.equal(await ann.text('points'), '14 points left');

  await ann.leave();

  for (const visitor of [ann, bob]) {
    await visitor.saw('idle');
    assert.equal(await visitor.text('points'), '14 points left');
    assert.match(await visitor.text('detail'), /that cost 1 point\./);
    assert.equal(await visitor.page.isVisible('#stage'), false);
    assert.equal(await visitor.page.isVisible('#clock'), false);
    assert.deepEqual(visitor.faults, []);
  }

  assert.match(await ann.text('detail'), /You left the conversation/);
  assert.match(await bob.text('detail'), /The other person left/);
});

test('who waits may leave, and joins again', async () => {
  const [ann] = await arrive('ann');

  for (let i = 0; i < 2; i++) {
    await ann.join();
    await ann.saw('waiting');
    await ann.sees('self');
    await ann.leave();
    await ann.saw('idle');
    assert.equal(await ann.text('points'), '15 points left');
    assert.equal(await ann.page.isVisible('#self'), false);
  }
});

test('a reload in the middle of a conversation comes back to it', async () => {
  const [ann, bob] = await arrive('ann', 'bob');

  await talk(ann, bob);
  await bob.sees('peer');
  await ann.page.reload();
  await ann.saw('live');
  await ann.sees('peer');
  await bob.sees('peer');
  await bob.saw('live');
  await bob.leave();
  await ann.saw('idle');
});

test('two windows of one profile may be two people', async () => {
  const [ann] = await arrive('ann');
  const bob = new Visitor('bob');
  bob.context = ann.context;
  people.pop();
  await bob.open();
  await bob.signIn();
  await bob.ready();

  await talk(ann, bob);
  await ann.sees('peer');
  await bob.sees('peer');

  // The hosted UI knows the second person only: the first one's window must
  // not become theirs.
  await ann.page.reload();
  await ann.saw('signed-out');
  assert.deepEqual([...ann.faults, ...bob.faults], []);
});

test('a call is in one of two windows, and goes where it is wanted', async () => {
  const [ann, bob] = await arrive('ann', 'bob');
  const other = new Visitor('ann');
  other.name = ann.name;
  other.context = ann.context;
  people.pop();
  await other.open();
  await other.signIn();
  await other.ready();

  await talk(ann, bob);
  await other.saw('live');
  await other.reads('status', /another window/);
  await ann.sees('peer');
  await bob.sees('peer');

  // ... until the person says that they want to go on there
  await other.page.click('#here');
  await other.sees('self');
  await other.sees('peer');
  await ann.reads('status', /another window/);
  for (const id of ['self', 'peer']) {
    await ann.page.waitForSelector(`#${id}`, { state: 'hidden' });
  }
  await bob.sees('peer');
  await ann.page.click('#here');
  await ann.sees('self');
  await ann.sees('peer');
  await other.reads('status', /another window/);
  assert.equal(await bob.page.getAttribute('body', 'data-state'), 'live');

  await other.leave();
  await ann.saw('idle');
  assert.deepEqual([...ann.faults, ...other.faults], []);
});

test('signing out while waiting leaves the queue', async () => {
  const [ann] = await arrive('ann');

  await ann.join();
  await ann.saw('waiting');
  await ann.page.click('#sign-out');
  await ann.saw('signed-out');
  await ann.page.reload();
  await ann.saw('signed-out');
  await ann.signIn();
  await ann.ready();
  await ann.saw('idle');
});

test('an unverified address is told so in words', async () => {
  const ann = await new Visitor('ann').arrive();

  await ann.signIn({ unverified: true });
  await ann.reads('problem', /e-mail address is not verified/);
  assert.ok(await ann.page.isVisible('#sign-in'));
});

test('without a camera nobody is put into the queue', async () => {
  const [ann] = await arrive('ann');

  for (const [name, words] of [
    ['NotFoundError', /No camera was found/],
    ['NotAllowedError', /may not use your camera/],
    ['NotReadableError', /in use by another program/],
  ]) {
    await ann.page.evaluate((error) => {
      navigator.mediaDevices.getUserMedia = () => Promise.reject(
        new DOMException('made up', error));
    }, name);
    await ann.join();
    await ann.reads('problem', words);
    await ann.saw('idle');
  }
});

test('an unavailable service is said, and found again', async () => {
  const [ann] = await arrive('ann');
  const answer = (status, code) => (route) => route.fulfill({
    status,
    contentType: 'application/problem+json',
    body: JSON.stringify({ code }),
  });

  await ann.page.route('**/api/join', answer(503, 'redis_unavailable'));
  await ann.join();
  await ann.reads('problem', /unavailable/);
  await ann.page.unroute('**/api/join');

  await ann.page.route('**/api/join', answer(429, 'no_points'));
  await ann.join();
  await ann.reads('problem', /no points left/);
  await ann.page.unroute('**/api/join');

  await ann.context.setOffline(true);
  await ann.join();
  await ann.reads('problem', /connection is lost/);
  await ann.context.setOffline(false);

  await ann.join();
  await ann.saw('waiting');
  await ann.leave();
  await ann.saw('idle');
});
