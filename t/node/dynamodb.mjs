// Amazon's DynamoDB Local for a test: the real store without its cloud.
//
// startDynamo() starts one on a free port, with its tables in memory, or in a
// folder when they are to outlive a stop(). It listens on every interface, as
// it cannot be told otherwise, and keeps nothing but what the test wrote. It
// takes any key; another key or region is another set of tables.

import { spawn } from 'node:child_process';
import path from 'node:path';

import { DynamoDBClient, ListTablesCommand } from '@aws-sdk/client-dynamodb';

import { freePort, root, sleep } from './redis.mjs';

const library = path.join(root, '.deps/dynamodb');

export const REGION = 'eu-central-1';

// What a worker finds in its environment; the client below has the same.
export const KEY = {
  AWS_ACCESS_KEY_ID: 'AKIDCONVOTEST',
  AWS_SECRET_ACCESS_KEY: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY',
};

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
    this.process = spawn('java', [
      '-Xmx256m', '-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC',
      `-Djava.library.path=${library}`, '-cp', path.join(library, '*'),
      'com.amazonaws.services.dynamodbv2.local.main.ServerRunner',
      '-port', String(this.port), '-disableTelemetry',
      ...(this.options.dir ? ['-dbPath', this.options.dir] : ['-inMemory']),
      ...(this.options.delays ? ['-delayTransientStatuses'] : []),
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

  async stop() {
    this.process?.kill('SIGKILL');
    await this.exited;
    this.process = undefined;
  }
}

// An address at which nothing listens until start().
export async function newDynamo(options = {}) {
  return new Dynamo(await freePort(), options);
}

export async function startDynamo(options = {}) {
  return (await newDynamo(options)).start();
}
