// Where the worker finds its AWS credentials: real files, real servers in the
// place of the container's and the instance's endpoint, and botocore's word
// for the same environment.  Clocks are put forward, never waited for.
//
// CONVO_SEED repeats the random files.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { after, afterEach, before, test } from 'node:test';

import { Random } from '../node/random.mjs';
import { freePort, root } from '../node/redis.mjs';

const seed = Number(process.env.CONVO_SEED ?? Date.now() % 1e9);
const binary = path.join(
  process.env.CONVO_BUILD ?? path.join(root, 'build'), 't/aws/credentials');

let dir;
let botocore;
const children = [];
const servers = [];

// A program that answers each line with a line of JSON.
class Program {
  constructor(command, args, env) {
    this.log = '';
    this.child = spawn(command, args, { env, stdio: 'pipe' });
    this.child.stderr.on('data', (chunk) => {
      this.log += chunk;
    });
    this.closed = new Promise((resolve) => this.child.on('close', resolve));
    this.lines = createInterface({ input: this.child.stdout })[
      Symbol.asyncIterator]();
    children.push(this);
  }

  async ask(line) {
    this.child.stdin.write(`${line}\n`);
    const { value, done } = await this.lines.next();
    assert.ok(!done, this.log);
    return JSON.parse(value);
  }

  async end() {
    this.child.stdin.end();
    await this.closed;
  }
}

const home = () => path.join(dir, 'home');

// Nothing of the machine's own environment counts, and no real endpoint.
function environment(env) {
  return {
    HOME: home(), AWS_CONFIG_FILE: '/dev/null',
    AWS_EC2_METADATA_DISABLED: 'true', ...env,
  };
}

function worker(env) {
  const { ASAN_OPTIONS } = process.env;
  return new Program(binary, [], {
    ...environment(env), ...(ASAN_OPTIONS && { ASAN_OPTIONS }),
  });
}

// What is found at once, by us and by botocore.
async function found(env, profile = '') {
  const program = worker(env);
  const answer = await program.ask(`key ${profile}`.trim());
  await program.end();
  return { ...answer, log: program.log };
}

function theirs(env, profile = null) {
  return botocore.ask(
    JSON.stringify({ env: environment(env), profile: profile || null }));
}

const only = ({ id, secret, session }) => ({ id, secret, session });

// A server whose answer(request) gives [status, body, headers], or nothing.
async function serve(answer) {
  const requests = [];
  const server = http.createServer(async (request, response) => {
    requests.push(request);
    const [status, body, headers] = await answer(request) ?? [];
    if (status) {
      response.writeHead(status, headers).end(body);
    }
  });
  const port = await freePort();
  await new Promise((done) => server.listen(port, '127.0.0.1', done));
  servers.push(server);
  return { port, requests, url: `http://127.0.0.1:${port}` };
}

const later = (seconds) => `${new Date(Date.now() + seconds * 1000)
  .toISOString().slice(0, 19)}Z`;

function answerOf(id, seconds = 3600) {
  return {
    AccessKeyId: id, SecretAccessKey: `${id}/secret`, Token: `${id}/token==`,
    Expiration: later(seconds),
  };
}

const keyOf = (id) => (
  { id, secret: `${id}/secret`, session: `${id}/token==` });

function writeFile(text) {
  mkdirSync(path.join(home(), '.aws'), { recursive: true });
  writeFileSync(path.join(home(), '.aws/credentials'), text);
}

const section = (name, id) => `[${name}]\naws_access_key_id = ${id}\n`
  + `aws_secret_access_key = ${id}/secret\naws_session_token = ${id}/token==\n`;

const variables = (id) => ({
  AWS_ACCESS_KEY_ID: id, AWS_SECRET_ACCESS_KEY: `${id}/secret`,
  AWS_SESSION_TOKEN: `${id}/token==`,
});

before(() => {
  dir = mkdtempSync(path.join(tmpdir(), 'convo-credentials-'));
  botocore = new Program(path.join(root, '.deps/botocore/bin/python3'),
    [path.join(root, 't/aws/botocore_credentials.py')], process.env);
});

afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
  rmSync(home(), { recursive: true, force: true });
});

after(async () => {
  for (const { child } of children) {
    child.kill();
  }
  rmSync(dir, { recursive: true });
});

// --- the order

test('each source gives way to the one before it', async () => {
  const container = await serve(() => [200, JSON.stringify(answerOf('CON'))]);
  const instance = await serve(imds('INS'));
  writeFile(section('default', 'FILE'));
  const env = {
    ...variables('ENV'),
    AWS_CONTAINER_CREDENTIALS_FULL_URI: `${container.url}/c`,
    AWS_EC2_METADATA_DISABLED: 'false',
    AWS_EC2_METADATA_SERVICE_ENDPOINT: instance.url,
  };

  for (const [id, source, leave] of [
    ['ENV', 'the environment', () => delete env.AWS_ACCESS_KEY_ID],
    ['FILE', `${home()}/.aws/credentials, profile default,`,
      () => writeFile('[default]\nregion = x\n')],
    ['CON', "the container's endpoint at 127.0.0.1",
      () => delete env.AWS_CONTAINER_CREDENTIALS_FULL_URI],
    ['INS', "the instance's role the-role", () => {}],
  ]) {
    const ours = await found(env);
    assert.deepEqual(only(ours), keyOf(id));
    assert.deepEqual(await theirs(env), keyOf(id));
    assert.match(ours.log, new RegExp(`credentials from ${source} are used`));
    assert.doesNotMatch(ours.log, /secret|token==/);
    leave();
  }
});

test('nothing at all is told', async () => {
  const { why } = await found({});
  assert.equal(why, 'neither the environment nor a file nor an endpoint is '
    + 'set up for them');
  assert.deepEqual(await theirs({}), { why: 'none' });
});

test('half a key ends the search', async () => {
  const { AWS_ACCESS_KEY_ID } = variables('ENV');
  writeFile(section('default', 'FILE'));
  assert.deepEqual(only(await found({})), keyOf('FILE'));
  assert.match((await found({ AWS_ACCESS_KEY_ID })).why,
    /^the environment holds only a part of an access key$/);
  assert.match((await theirs({ AWS_ACCESS_KEY_ID })).why, /Partial/);
});

// --- the file

test('a named profile is that one or none', async () => {
  writeFile(section('default', 'FILE') + section('p', 'P'));
  for (const [env, profile, id] of [
    [{ AWS_PROFILE: 'p' }, '', 'P'],
    [{ AWS_PROFILE: 'p' }, 'default', 'FILE'],
    [variables('ENV'), 'p', 'P'],
    [{ ...variables('ENV'), AWS_PROFILE: 'p' }, '', 'ENV'],
    [{ HOME: '/nonexistent' }, 'p', null],
    [{ AWS_PROFILE: 'q' }, '', null],
    [variables('ENV'), 'q', null],
  ]) {
    const [ours, other] = await Promise.all(
      [found(env, profile), theirs(env, profile)]);
    assert.deepEqual(only(ours), id ? keyOf(id) : only({}));
    assert.deepEqual(only(other), only(ours));
  }
  assert.match((await found({ AWS_PROFILE: 'q' })).why,
    /credentials, profile q, has no such profile$/);
});

test('a file that cannot be read is told', async () => {
  const env = { AWS_SHARED_CREDENTIALS_FILE: dir };
  assert.match((await found(env)).why, /cannot be read: Is a directory$/);
  writeFile(`${section('default', 'FILE')}${'#'.repeat(256 * 1024)}`);
  assert.match((await found({})).why, /cannot be read: File too large$/);
});

// As the SDKs take it, in all the ways in which it can be written.
function someFile(random) {
  const word = () => random.some(1, 20, () => random.pick(
    [...'abcXYZ019/+=:#;[]%$"\'{}'])).join('');
  const blanks = (least) => ' '.repeat(least + random.below(3));
  const cased = (text) => [...text].map((c) => (random.below(3) ? c
    : c.toUpperCase())).join('');
  const end = random.pick(['\n', '\n', '\r\n']);

  const option = (name) => {
    const lines = [cased(name) + blanks(0) + random.pick(['=', '=', ':'])
      + blanks(0) + word() + blanks(0)];
    if (name === 's3') {
      lines.push(...random.some(0, 3, () => `${blanks(1)}${word()} = 1`));
    }
    return lines;
  };
  const noise = () => random.pick([
    '', `${blanks(0)}# ${word()} = ${word()}`, `; [${word()}]`, blanks(1)]);

  return ['default', 'p', 'q w'].filter(() => random.below(5)).flatMap(
    (name) => [
      ...random.some(0, 2, noise), `[${name}]`,
      ...['aws_access_key_id', 'aws_secret_access_key', 'aws_session_token',
        'region', 's3', 'x']
        .filter(() => random.below(8))
        .sort(() => random.below(3) - 1)
        .flatMap((option_) => [...option(option_),
          ...random.some(0, 1, noise)]),
    ]).join(end) + random.pick(['', end]);
}

test(`300 files at random are read as by botocore, seed ${seed}`, async () => {
  const random = new Random(seed);
  let keys = 0;

  for (let i = 0; i < 300; i += 1) {
    const text = someFile(random);
    const profile = random.pick(['', '', 'default', 'p', 'q w']);
    const env = random.pick([{}, {}, {}, { AWS_PROFILE: 'p' },
      { AWS_ACCESS_KEY_ID: 'ENV' }, variables('ENV')]);
    writeFile(text);
    const [ours, other] = await Promise.all(
      [found(env, profile), theirs(env, profile)]);
    assert.deepEqual(only(ours), only(other),
      `${JSON.stringify({ env, profile, ours, other })}\n${text}`);
    keys += ours.id ? 1 : 0;
  }
  assert.ok(keys > 50 && keys < 290, `${keys} keys`);
});

// --- the container

test("a container's endpoint is asked with its token", async () => {
  const server = await serve(({ headers }) => [200,
    JSON.stringify({ RoleArn: 'r', ...answerOf(headers.authorization) })]);
  const file = path.join(dir, 'token');
  writeFileSync(file, 'FILE.TOKEN');
  const env = {
    AWS_CONTAINER_CREDENTIALS_FULL_URI: `${server.url}/a/b?id=c`,
    AWS_CONTAINER_AUTHORIZATION_TOKEN: 'Basic.TOKEN',
  };

  for (const id of ['Basic.TOKEN', 'FILE.TOKEN']) {
    assert.deepEqual(only(await found(env)), keyOf(id));
    assert.deepEqual(await theirs(env), keyOf(id));
    env.AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE = file;
  }
  for (const { method, url } of server.requests) {
    assert.deepEqual([method, url], ['GET', '/a/b?id=c']);
  }

  writeFileSync(file, 'FILE.TOKEN\r\nX-Forged: 1');
  assert.match((await found(env)).why, /its token is too long, or of several/);
  writeFileSync(file, 'x'.repeat(8193));
  assert.match((await found(env)).why, /its token is too long, or of several/);
  rmSync(file);
  assert.match((await found(env)).why, /the file of its token: No such file/);
  assert.equal(server.requests.length, 4);
});

test('a relative address is that of ECS', async () => {
  const server = await serve(() => [200, JSON.stringify(answerOf('ECS'))]);
  const ours = await found({
    AWS_CONTAINER_CREDENTIALS_RELATIVE_URI: '/v2/credentials/0-1',
    AWS_CONTAINER_CREDENTIALS_FULL_URI: 'http://127.0.0.1:1/',
    CONVO_CONTAINER_PORT: server.port,
  });
  assert.deepEqual(only(ours), keyOf('ECS'));
  assert.equal(server.requests[0].url, '/v2/credentials/0-1');
  assert.equal(server.requests[0].headers.host, '169.254.170.2');
  // the path is a secret of the container's
  assert.doesNotMatch(ours.log, /v2|0-1/);
});

test('without TLS only this machine, ECS or EKS is asked', async () => {
  const why = async (url) => (await found(
    { AWS_CONTAINER_CREDENTIALS_FULL_URI: url })).why;
  const port = await freePort();

  for (const host of ['192.0.2.1', 'example.invalid', '169.254.170.3',
    '127.0.0.1.example.invalid', '127.0.0.1@192.0.2.1', '[fd00:ec2::24]',
    '10.127.0.1', '0.0.0.0']) {
    assert.match(await why(`http://${host}:${port}/`), /expected https/, host);
    assert.match((await theirs({ AWS_CONTAINER_CREDENTIALS_FULL_URI:
      `http://${host}:${port}/` })).why, /Unsupported host/, host);
  }
  for (const url of ['file:///etc/passwd', 'ftp://127.0.0.1/']) {
    assert.match(await why(url), /expected (https|a URL)/, url);
  }
  assert.match(await why('http://[::1/'), /expected a URL/);
  assert.match(await why(`http://127.0.0.1/${'a'.repeat(2048)}`),
    /expected a shorter URL/);

  for (const host of ['127.0.0.1', '127.1.2.3', 'localhost', '[::1]',
    'LOCALHOST']) {
    assert.match(await why(`http://${host}:${port}/`), /connect/i, host);
  }
  assert.match(await why(`https://127.0.0.1:${port}/`), /connect/i);
});

test('an endpoint that fails is told', async () => {
  const good = answerOf('GOOD');
  let answer;
  const server = await serve(() => answer);
  const env = { AWS_CONTAINER_CREDENTIALS_FULL_URI: server.url };

  for (const [given, pattern] of [
    [[500, JSON.stringify(good)], /: status 500$/],
    [[302, '', { location: `${server.url}/elsewhere` }], /: status 302$/],
    [[200, ''], /: its answer is not understood$/],
    [[200, '<html>secret</html>'], /: its answer is not understood$/],
    [[200, JSON.stringify({ ...good, SecretAccessKey: undefined })],
      /: its answer holds only a part of an access key$/],
    [[200, JSON.stringify({ ...good, Token: 'a\r\nb: c' })],
      /: its answer holds an access key that cannot be one$/],
    [[200, JSON.stringify({ ...good, Expiration: undefined })],
      /: its answer does not say until when its access key is good$/],
    [[200, JSON.stringify(answerOf('OLD', -1))],
      /^the container's endpoint at 127.0.0.1 gives a key that has expired$/],
    [[200, JSON.stringify({ Code: 'Failed', Message: 'secret' })],
      /: its answer says that there is no access key$/],
    [[200, ' '.repeat(32769)], /: an answer of more than 32768 bytes$/],
    [[200, ' '.repeat(2 ** 24)], /: an answer of more than 32768 bytes$/],
    [undefined, /timed out/],
  ]) {
    answer = given;
    const ours = await found(env);
    assert.match(ours.why, pattern);
    assert.doesNotMatch(ours.why + ours.log, /secret/);
  }
  assert.ok(server.requests.every(({ url }) => url === '/'));
});

// --- the instance

const METADATA = '/latest/meta-data/iam/security-credentials/';

// A metadata service that takes no request without its token.
function imds(id, faults = {}) {
  return ({ method, url, headers }) => {
    if (faults[url]) {
      return faults[url];
    }
    if (url === '/latest/api/token' && method === 'PUT') {
      const ttl = Number(headers['x-aws-ec2-metadata-token-ttl-seconds']);
      return ttl > 0 && ttl <= 21600 ? [200, 'v2/TOKEN=='] : [400];
    }
    if (headers['x-aws-ec2-metadata-token'] !== 'v2/TOKEN==') {
      return [401];
    }
    return {
      [METADATA]: [200, 'the-role'],
      [`${METADATA}the-role`]: [200, JSON.stringify({
        Code: 'Success', LastUpdated: later(0), Type: 'AWS-HMAC',
        ...answerOf(id) })],
    }[url] ?? [404];
  };
}

const instanceOf = (server) => ({
  AWS_EC2_METADATA_DISABLED: 'false',
  AWS_EC2_METADATA_SERVICE_ENDPOINT: `${server.url}/`,
});

test("the instance's service is asked for a token, a role, a key", async () => {
  const server = await serve(imds('INS'));
  const ours = await found(instanceOf(server));
  assert.deepEqual(only(ours), keyOf('INS'));
  assert.deepEqual(server.requests.map(({ method, url }) => [method, url]),
    [['PUT', '/latest/api/token'], ['GET', METADATA],
      ['GET', `${METADATA}the-role`]]);
  assert.deepEqual(await theirs(instanceOf(server)), keyOf('INS'));
});

test('it is at its own address', async () => {
  const server = await serve(imds('INS'));
  assert.deepEqual(only(await found({
    AWS_EC2_METADATA_DISABLED: '', CONVO_INSTANCE_PORT: server.port,
  })), keyOf('INS'));
  assert.equal(server.requests[0].headers.host, '169.254.169.254');
});

test('it can be switched off', async () => {
  const server = await serve(imds('INS'));
  const env = { ...instanceOf(server), AWS_EC2_METADATA_DISABLED: 'True' };
  assert.match((await found(env)).why, /^neither the environment/);
  assert.deepEqual(await theirs(env), { why: 'none' });
  assert.equal(server.requests.length, 0);
});

test('an instance that fails is told, and never asked without a token',
  async () => {
    for (const [url, answer, pattern, asked] of [
      ['/latest/api/token', [405], /: status 405$/, 1],
      ['/latest/api/token', [200, ''], /: its token is no token$/, 1],
      ['/latest/api/token', [200, 'a\r\nb: c'], /: its token is no token$/, 1],
      [METADATA, [404], /: status 404$/, 2],
      [METADATA, [200, '\n'], /: it names no role$/, 2],
      [METADATA, [200, 'a b'], /: it names no role$/, 2],
      [METADATA, [200, '../../x'], /: it names no role$/, 2],
      [METADATA, [200, 'x'.repeat(65)], /: it names no role$/, 2],
      [`${METADATA}the-role`, [200, '{"Code":"Failed"}'],
        /^the instance's role the-role: its answer says that there is no/, 3],
    ]) {
      const server = await serve(imds('INS', { [url]: answer }));
      const { why } = await found(instanceOf(server));
      assert.match(why, pattern);
      assert.equal(server.requests.length, asked);
    }
  });

// --- as time goes by

// A container whose keys are K1, K2, ... good for an hour; "later" is told.
async function rotating() {
  const state = { offset: 0, fault: null, count: 0 };
  state.server = await serve(() => {
    state.count += 1;
    return state.fault ?? [200, JSON.stringify(
      answerOf(`K${state.count}`, state.offset + 3600))];
  });
  state.program = worker(
    { AWS_CONTAINER_CREDENTIALS_FULL_URI: state.server.url });
  state.key = () => state.program.ask('key');
  state.later = async (seconds) => {
    state.offset += seconds;
    await state.program.ask(`later ${seconds}`);
  };
  return state;
}

test('a key is replaced before it expires, and not long before', async () => {
  const stage = await rotating();

  assert.equal((await stage.key()).id, 'K1');
  await stage.later(3600 - 901);
  assert.equal((await stage.key()).id, 'K1');
  await stage.later(901 - 599);
  assert.equal((await stage.key()).id, 'K2');
  await stage.later(2600);
  assert.equal((await stage.key()).id, 'K2');
  assert.equal(stage.count, 2);
  await stage.program.end();
  assert.equal(stage.program.log.match(/are used until 20/g).length, 2);
});

test('not all replace theirs at the same moment', async () => {
  const seen = new Set();
  for (let i = 0; i < 20 && seen.size < 2; i += 1) {
    const stage = await rotating();
    await stage.key();
    await stage.later(3600 - 750);
    seen.add((await stage.key()).id);
    await stage.program.end();
  }
  assert.equal(seen.size, 2);
});

test('a key is used as long as it is good, and others are tried for',
  async () => {
    const stage = await rotating();
    const { expires } = await stage.key();

    stage.fault = [500];
    await stage.later(3600 - 500);
    const start = Date.now();
    for (let i = 0; i < 50; i += 1) {
      assert.equal((await stage.key()).id, 'K1');
    }
    // between two attempts lies a pause, of half a second at first
    assert.ok(stage.count <= 2 + Math.ceil((Date.now() - start) / 500),
      `${stage.count} requests`);
    const first = stage.count;

    await stage.later(61);
    assert.equal((await stage.key()).id, 'K1');
    assert.equal(stage.count, first + 1);

    await stage.later(500);
    const answer = await stage.key();
    assert.match(answer.why, /: status 500$/);
    assert.ok(Date.now() / 1000 + stage.offset >= expires);

    stage.fault = null;
    await stage.later(61);
    assert.equal((await stage.key()).id, `K${stage.count}`);
    await stage.program.end();
    assert.match(stage.program.log,
      /\[warn\] convo aws: no fresh credentials, the old ones are good for/);
  });

test('the same key given again is no reason to hurry', async () => {
  const expiration = later(3600);
  const server = await serve(() => [200, JSON.stringify(
    { ...answerOf('SAME'), Expiration: expiration })]);
  const program = worker({ AWS_CONTAINER_CREDENTIALS_FULL_URI: server.url });

  for (let i = 0; i < 36; i += 1) {
    await program.ask('key');
    await program.ask('later 99');
  }
  // at 15 minutes, 7 minutes, 4 minutes ... before its end
  assert.ok(server.requests.length > 2 && server.requests.length < 12,
    `${server.requests.length} requests`);
  await program.end();
});

test('a refused key is looked for again, in its file too', async () => {
  writeFile(section('default', 'OLD'));
  const program = worker({});

  assert.deepEqual(only(await program.ask('key')), keyOf('OLD'));
  writeFile(section('default', 'NEW'));
  assert.deepEqual(only(await program.ask('key')), keyOf('OLD'));
  await program.ask('refused');
  assert.deepEqual(only(await program.ask('key')), keyOf('NEW'));

  await program.ask('refused');
  assert.deepEqual(only(await program.ask('key')), keyOf('NEW'));
  await program.ask('refused');
  await program.ask('later 2');
  assert.deepEqual(only(await program.ask('key')), keyOf('NEW'));
  await program.ask('refused');
  rmSync(home(), { recursive: true });
  await program.ask('later 60');
  assert.match((await program.ask('key')).why, /^neither the environment/);
  await program.end();
});
