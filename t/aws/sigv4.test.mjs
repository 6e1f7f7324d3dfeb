// libconvo's signatures against those of botocore, byte for byte: requests at
// random, and what botocore's own client sends for each call that is used.
//
// CONVO_SEED repeats a run.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { test } from 'node:test';

import { Random } from '../node/random.mjs';
import { root } from '../node/redis.mjs';

const seed = Number(process.env.CONVO_SEED ?? Date.now() % 1e9);
const random = new Random(seed);
const signer = path.join(
  process.env.CONVO_BUILD ?? path.join(root, 'build'), 't/aws/sign');
const python = path.join(root, '.deps/botocore/bin/python3');
const botocore = path.join(root, 't/aws/botocore_sign.py');

// Runs a program on lines of JSON.
function run(program, args, lines) {
  const { status, stdout, stderr, error } = spawnSync(program, args, {
    input: lines.map((line) => `${JSON.stringify(line)}\n`).join(''),
    encoding: 'utf8', maxBuffer: 2 ** 28, timeout: 120000,
  });
  assert.ifError(error);
  assert.equal(status, 0, stderr);
  return stdout.trimEnd().split('\n').map((line) => JSON.parse(line));
}

const letters = [...'abcXYZ019'];
const marks = [...'-._~'];
const others = [...'!"$&\'()*,:;<=>@[\\]^`{|}'];
const foreign = [...'éßжا日本😀'];

const word = (alphabet, least, most) => random.some(
  least, most, () => random.pick(alphabet)).join('');

// As a client sends it: most of it encoded, some of it not.
function urlText(least, most) {
  return random.some(least, most, () => {
    const character = random.pick(
      [letters, letters, letters, marks, others, foreign][random.below(6)]);
    return random.below(4) > 0 ? encodeURIComponent(character) : character;
  }).join('');
}

function somePath() {
  if (random.below(3) === 0) {
    return '/';
  }
  const segments = random.some(1, 6, () => random.pick(
    ['', '.', '..', '...', '.a', urlText(1, 8), urlText(1, 8)]));
  return `/${segments.join('/')}`;
}

function order(a, b) {
  return a < b ? -1 : Number(a > b);
}

// Sorted by name, then by value, as the signer takes it.
function someQuery() {
  const encoded = () => encodeURIComponent(urlText(1, 5));
  return random.some(0, 4, () => [encoded(), random.below(3) ? encoded() : ''])
    .sort((a, b) => order(a[0], b[0]) || order(a[1], b[1]))
    .map((pair) => pair.join('=')).join('&');
}

function someValue() {
  const alphabet = [...letters, ...marks, ...others, ...foreign,
    ' ', ' ', ' ', ' ', '\t'];
  return word(alphabet, 0, 40);
}

function someHeaders() {
  const names = new Set(random.some(0, 8,
    () => `x-${word([...'abcxyz019-'], 1, 12)}`));
  return [...names].map((name) => [
    random.below(2) ? name : name.toUpperCase(), someValue()]);
}

const printable = Array.from({ length: 94 },
  (_, i) => String.fromCharCode(33 + i));

function someKey() {
  return {
    id: `AKIA${word(letters, 12, 124)}`,
    secret: word(printable, 1, 128),
    session: random.below(2) ? word(printable, 1, 3000) : '',
  };
}

function someRequest() {
  return {
    method: random.pick(['GET', 'POST', 'PUT', 'DELETE']),
    host: random.pick(['dynamodb.eu-central-1.amazonaws.com', '127.0.0.1:8000',
      'meetings-chime.us-east-1.amazonaws.com', '[::1]:8000']),
    path: somePath(),
    query: someQuery(),
    headers: someHeaders(),
    body: random.pick(['', '{}', urlText(1, 300), '\0\u0001é']),
    region: random.pick(['eu-central-1', 'us-gov-west-1', 'local']),
    service: random.pick(['dynamodb', 's3', 'chime']),
    time: random.below(4102444800), // before 2100
    key: someKey(),
  };
}

test(`3,000 requests at random, seed ${seed}`, () => {
  const requests = random.some(3000, 3000, someRequest);
  const expected = run(python, [botocore, 'requests'], requests);
  const signed = run(signer, [], requests);

  assert.equal(signed.length, requests.length);
  requests.forEach((request, i) => {
    assert.deepEqual(signed[i], expected[i], JSON.stringify(request));
  });
});

// Parameters need not make sense, only be taken by the client.
const item = { sessionId: { S: 'é "quoted"' }, expiresAt: { N: '1' } };
const operations = {
  BatchGetItem: { RequestItems: { t: { Keys: [item] } } },
  BatchWriteItem: { RequestItems: { t: [{ PutRequest: { Item: item } }] } },
  CreateTable: {
    TableName: 'table',
    AttributeDefinitions: [{ AttributeName: 'a', AttributeType: 'S' }],
    KeySchema: [{ AttributeName: 'a', KeyType: 'HASH' }],
    BillingMode: 'PAY_PER_REQUEST',
  },
  DescribeTable: { TableName: 'table' },
  PutItem: {
    TableName: 'table', Item: item,
    ConditionExpression: 'attribute_not_exists(sessionId)',
  },
  Query: { TableName: 'table', KeyConditionExpression: 'a = b' },
  Scan: { TableName: 'table' },
  TransactWriteItems: {
    TransactItems: [{ Put: { TableName: 'table', Item: item } }],
  },
  UpdateItem: { TableName: 'table', Key: item },
  UpdateTimeToLive: {
    TableName: 'table',
    TimeToLiveSpecification: { Enabled: true, AttributeName: 'expiresAt' },
  },
};

test("what botocore's own client of DynamoDB sends", () => {
  const calls = Object.entries(operations).flatMap(
    ([operation, parameters]) => [
      'https://dynamodb.eu-central-1.amazonaws.com', 'http://127.0.0.1:8000',
      'http://127.0.0.1:8000/a//b/../c%20d',
    ].map((endpoint) => ({
      operation, parameters, endpoint, key: someKey(),
      region: 'eu-central-1', time: random.below(4102444800),
    })));
  const sent = run(python, [botocore, 'dynamodb'], calls);
  const signed = run(signer, [], sent.map(({ request }) => request));

  sent.forEach(({ request, signature }, i) => {
    const names = request.headers.map(([name]) => name.toLowerCase());
    assert.equal(request.method, 'POST');
    assert.ok(names.includes('content-type') && names.includes('x-amz-target'));
    assert.deepEqual(signed[i], signature, calls[i].operation);
  });
});
