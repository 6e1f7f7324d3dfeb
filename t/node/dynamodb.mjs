// Amazon's DynamoDB Local for a test: the real store without its cloud.
//
// startDynamo() starts one on a free port, with its tables in memory, or in a
// folder when they are to outlive a stop(). It listens on every interface, as
// it cannot be told otherwise, and keeps nothing but what the test wrote. It
// takes any key; another key or region is another set of tables.

import { spawn } from 'node:child_process';
import { createHash, createHmac } from 'node:crypto';
import http from 'node:http';
import path from 'node:path';

import {
  DynamoDBClient, ListTablesCommand, ScanCommand,
} from '@aws-sdk/client-dynamodb';

import { freePort, root, sleep } from './redis.mjs';

const library = path.join(root, '.deps/dynamodb');

export const REGION = 'eu-central-1';

// What a worker finds in its environment; the client below has the same.
export const KEY = {
  AWS_ACCESS_KEY_ID: 'AKIDCONVOTEST',
  AWS_SECRET_ACCESS_KEY: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY',
};

// { a: { S: 'x' }, b: { N: '1' } } -> { a: 'x', b: 1 }
export function plain(item) {
  return Object.fromEntries(Object.entries(item).map(([name, value]) => {
    const [[type, inner]] = Object.entries(value);
    return [name, type === 'N' ? Number(inner) : inner];
  }));
}

class Dynamo {
  constructor(port, options) {
    Object.assign(this, { port, options });
    this.endpoint = `http://127.0.0.1:${port}`;
    this.client = this.clientOf(this.endpoint);
  }

  // Amazon's own SDK, the second opinion on everything we write.
  clientOf(endpoint) {
    return new DynamoDBClient({
      endpoint, region: REGION, maxAttempts: 1,
      credentials: {
        accessKeyId: KEY.AWS_ACCESS_KEY_ID,
        secretAccessKey: KEY.AWS_SECRET_ACCESS_KEY,
      },
    });
  }

  async start() {
    this.log = '';
    this.process = spawn('setpriv', ['--pdeathsig', 'KILL', 'java',
      '-Xmx256m', '-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC',
      `-Djava.library.path=${library}`, '-cp', path.join(library, '*'),
      'com.amazonaws.services.dynamodbv2.local.main.ServerRunner',
      '-port', String(this.port), '-disableTelemetry',
      ...(this.options.dir ? ['-dbPath', this.options.dir] : ['-inMemory']),
    ], { stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [this.process.stdout, this.process.stderr]) {
      stream.on('data', (chunk) => {
        this.log += chunk;
      });
    }
    this.exited = new Promise((resolve) => {
      this.process.on('error', resolve).on('exit', resolve);
    });
    await this.answers();
    return this;
  }

  async answers() {
    let gone = false;
    this.exited.then(() => {
      gone = true;
    });
    for (let i = 0; i < 600; i += 1) {
      try {
        return await this.client.send(new ListTablesCommand({}));
      } catch (error) {
        if (gone) {
          throw new Error(`DynamoDB Local has ended: ${this.log}`);
        }
        if (i === 599) {
          throw error;
        }
      }
      await sleep(100);
    }
    return undefined;
  }

  // All items of a table, plain.
  async items(table) {
    const all = [];
    let from;
    do {
      const page = await this.client.send(new ScanCommand({
        TableName: table, ExclusiveStartKey: from, ConsistentRead: true,
      }));
      all.push(...page.Items.map(plain));
      from = page.LastEvaluatedKey;
    } while (from);
    return all;
  }

  async stop() {
    this.process?.kill('SIGKILL');
    await this.exited;
    this.process = undefined;
  }
}

// An address at which nothing listens until start().
export async function newDynamo(options = {}) {
  return new Dynamo(options.port ?? await freePort(), options);
}

export async function startDynamo(options = {}) {
  return (await newDynamo(options)).start();
}

const sha256 = (text) => createHash('sha256').update(text).digest('hex');
const hmac = (key, text) => createHmac('sha256', key).update(text);

// The Authorization that a request must have as it came in (SigV4), of the
// headers that it says are signed.
function authorizationOf({ headers, method, url }, body) {
  const date = headers['x-amz-date'];
  const signed = /SignedHeaders=([^,]*)/.exec(headers.authorization)?.[1] ?? '';
  const scope = `${date.slice(0, 8)}/${REGION}/dynamodb/aws4_request`;
  const canonical = [method, url, '',
    ...signed.split(';').map((name) => `${name}:${headers[name]}`), '',
    signed, sha256(body)].join('\n');
  const key = scope.split('/').reduce((last, part) => (
    hmac(last, part).digest()), `AWS4${KEY.AWS_SECRET_ACCESS_KEY}`);
  const signature = hmac(key,
    ['AWS4-HMAC-SHA256', date, scope, sha256(canonical)].join('\n'))
    .digest('hex');
  return `AWS4-HMAC-SHA256 Credential=${KEY.AWS_ACCESS_KEY_ID}/${scope}, `
    + `SignedHeaders=${signed}, Signature=${signature}`;
}

// What DynamoDB itself insists on, and its Local does not look at.
function isSigned(request, body) {
  const { headers } = request;
  const needed = ['host', 'x-amz-date', 'x-amz-target', ...(
    'x-amz-security-token' in headers ? ['x-amz-security-token'] : [])];
  const off = Date.now() - Date.parse((headers['x-amz-date'] ?? '').replace(
    /^(....)(..)(..T..)(..)/, '$1-$2-$3:$4:'));
  return Math.abs(off) < 300000
    && needed.every((name) => new RegExp(`SignedHeaders=[^,]*\\b${name}\\b`)
      .test(headers.authorization))
    && headers.authorization === authorizationOf(request, body);
}

// Stands before a DynamoDB, refuses what is not signed as AWS wants it, and
// injects the faults that a test asks for:
//
//   faults.on('PutItem', ({ body, forward, request, response }) => answer);
//
// where an answer is { status, body, headers }, body an object or a text, and
// none means that the response has been dealt with. forward(body) asks the
// real one and resolves to its answer.
class Faults {
  constructor(target) {
    Object.assign(this, { target, faults: new Map(), calls: [] });
  }

  async start() {
    this.server = http.createServer((request, response) => {
      this.serve(request, response).catch(() => response.destroy());
    });
    await new Promise((resolve) => {
      this.server.listen(0, '127.0.0.1', resolve);
    });
    this.endpoint = `http://127.0.0.1:${this.server.address().port}`;
    return this;
  }

  async serve(request, response) {
    const chunks = [];
    for await (const chunk of request) {
      chunks.push(chunk);
    }
    const operation = request.headers['x-amz-target'].split('.')[1];
    const text = Buffer.concat(chunks);
    const body = JSON.parse(text);
    const forward = (changed = body) => this.forward(request, changed);
    const fault = this.faults.get(operation) ?? this.faults.get('*');

    this.calls.push({ operation, body, headers: request.headers });
    if (!isSigned(request, text)) {
      this.send(response, refusal('InvalidSignatureException'));
      return;
    }
    const answer = fault
      ? await fault({ operation, body, forward, request, response })
      : await forward();
    if (answer) {
      this.send(response, answer);
    }
  }

  send(response, { status = 200, headers, body }) {
    response.writeHead(status, headers).end(
      typeof body === 'string' ? body : JSON.stringify(body));
  }

  forward(request, body) {
    return new Promise((resolve, reject) => {
      const { 'content-length': length, ...headers } = request.headers;
      const out = http.request(`${this.target}/`, { method: 'POST', headers },
        (answer) => {
          const chunks = [];
          answer.on('data', (chunk) => chunks.push(chunk));
          answer.on('end', () => resolve({
            status: answer.statusCode,
            body: JSON.parse(Buffer.concat(chunks)),
          }));
        });
      out.on('error', reject);
      out.end(JSON.stringify(body));
    });
  }

  on(operation, fault) {
    this.faults.set(operation, fault);
  }

  off() {
    this.faults.clear();
    this.calls = [];
  }

  of(operation) {
    return this.calls.filter((call) => call.operation === operation);
  }

  async stop() {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

export function startFaults(target) {
  return new Faults(target).start();
}

// An error as DynamoDB tells it.
export function refusal(name, status = 400, message = 'as the test wants it') {
  return {
    status,
    body: { __type: `com.amazonaws.dynamodb.v20120810#${name}`, message },
  };
}
