// LiveKit as the torture test has it: RoomService over HTTP with its tokens
// checked, rooms with people in them, signed webhooks. It obeys the rules of
// the real one (only made rooms exist, two participants at most, a second
// connection of an identity evicts the first, empty rooms end) and misbehaves
// by chance: calls are slow, fail, or take effect without an answer; webhooks
// are lost, repeated, late and so out of order.
//
// Users enter by enter(), with exactly the URL and token they were sent.

import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import http from 'node:http';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { Random } from './random.mjs';

const IDENTITY = /^([a-z2-7]{26})-([ab])$/;

// A webhook that is not answered 200 is sent again, as LiveKit does.
const TRIES = 5;
const RETRY_MS = 300;

// A call of the worker's ends after a second.
const IN_TIME_MS = 500;

// Of calls and of webhooks, in percent.
export const MISCHIEF = {
  slow: 4, fail: 4, reset: 2, lostAnswer: 3,
  lose: 5, repeat: 10, late: 15,
};

function encode(value) {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}

export function signToken(secret, claims) {
  const text = `${encode({ alg: 'HS256', typ: 'JWT' })}.${encode(claims)}`;
  const mac = createHmac('sha256', secret).update(text).digest('base64url');
  return `${text}.${mac}`;
}

// The claims of a good token; throws with the reason otherwise.
export function readToken(token, { key, secret }) {
  const [header, claims, mac, ...more] = String(token).split('.');
  const good = createHmac('sha256', secret).update(`${header}.${claims}`)
    .digest();
  const given = Buffer.from(mac ?? '', 'base64url');
  if (more.length || given.length !== good.length
    || !timingSafeEqual(given, good)) {
    throw new Error('bad signature');
  }
  const read = JSON.parse(Buffer.from(claims, 'base64url'));
  const now = Date.now() / 1000;
  if (read.iss !== key) {
    throw new Error('another key');
  }
  if (!(read.exp > now)) {
    throw new Error('expired');
  }
  if (!(read.nbf <= now)) {
    throw new Error('not valid yet');
  }
  return read;
}

class Refusal extends Error {
  constructor(status, code) {
    super(code);
    Object.assign(this, { status, code });
  }
}

export class Media {
  constructor({ seed, key, secret, recording, webhook, mischief }) {
    Object.assign(this, { key, secret, recording, webhook });
    this.mischief = { ...MISCHIEF, ...mischief };
    this.random = new Random(seed, 'media');
    this.rooms = new Map();
    this.numbers = 0;
    this.obedient = false;
    this.pending = new Set();
  }

  async listen(port) {
    this.port = port;
    this.url = `ws://127.0.0.1:${port}`;
    await this.up();
    this.sweeper = setInterval(() => this.endEmptyRooms(), 500);
  }

  up() {
    this.server = http.createServer((request, response) => {
      this.serve(request, response).catch(() => response.destroy());
    });
    return new Promise((resolve, reject) => {
      this.server.on('error', reject);
      this.server.listen(this.port, '127.0.0.1', resolve);
    });
  }

  // Connections are refused and open ones cut; the rooms live on.
  down() {
    const closed = new Promise((resolve) => this.server.close(resolve));
    this.server.closeAllConnections();
    return closed;
  }

  cut() {
    this.server.closeAllConnections();
  }

  // From now on nothing goes wrong by chance.
  obey() {
    this.obedient = true;
  }

  wrong(what) {
    const drawn = this.random.chance(this.mischief[what] / 100);
    return drawn && !this.obedient;
  }

  id(prefix) {
    this.numbers += 1;
    return `${prefix}_${this.numbers.toString(36).padStart(8, '0')}`;
  }

  // --- RoomService

  async serve(request, response) {
    const chunks = [];
    for await (const chunk of request) {
      chunks.push(chunk);
    }
    const method = path.basename(request.url);
    const asked = this.note(method, JSON.parse(Buffer.concat(chunks)));
    if (this.wrong('slow')) {
      await sleep(this.random.between(100, 2500));
    }
    if (this.wrong('reset')) {
      response.destroy();
      return;
    }
    if (this.wrong('fail')) {
      this.answer(response, 503, { code: 'unavailable', msg: 'by chance' });
      return;
    }
    const lost = this.wrong('lostAnswer');
    let status = 200;
    let body;
    try {
      body = this.call(method, request.headers.authorization,
        JSON.parse(Buffer.concat(chunks)));
    } catch (error) {
      if (!(error instanceof Refusal)) {
        this.recording.notes.push(`stand-in: ${method}: ${error.stack}`);
      }
      status = error.status ?? 500;
      body = { code: error.code ?? 'internal', msg: error.message };
    }
    if (lost) {
      response.destroy();
      return;
    }
    asked.told = status === 200 && !response.destroyed
      && Date.now() - asked.at < IN_TIME_MS;
    asked.people = body.participants?.map(({ sid }) => sid);
    this.answer(response, status, body);
  }

  // What is asked about rooms; told when it is surely answered.
  note(method, body) {
    const entry = { at: Date.now(), method, told: false,
      rooms: body.names ?? [body.room] };
    if (method === 'ListRooms' || method === 'ListParticipants') {
      this.recording.asked.push(entry);
    }
    return entry;
  }

  answer(response, status, body) {
    response.writeHead(status, { 'Content-Type': 'application/json' })
      .end(JSON.stringify(body));
  }

  call(method, authorization, body) {
    let claims;
    try {
      claims = readToken(/^Bearer (.+)$/.exec(authorization)?.[1], this);
    } catch (error) {
      this.recording.notes.push(
        `stand-in: ${method} with a token refused: ${error.message}`);
      throw new Refusal(401, 'unauthenticated');
    }
    const need = {
      CreateRoom: 'roomCreate', DeleteRoom: 'roomCreate',
      ListRooms: 'roomList', ListParticipants: 'roomAdmin',
      RemoveParticipant: 'roomAdmin',
    }[method];
    if (!need) {
      throw new Refusal(404, 'bad_route');
    }
    if (!claims.video?.[need]
      || (need === 'roomAdmin' && claims.video.room !== body.room)) {
      this.recording.notes.push(`stand-in: ${method} without ${need}`);
      throw new Refusal(403, 'permission_denied');
    }
    return this[method](body);
  }

  CreateRoom(body) {
    let room = this.rooms.get(body.name);
    if (!room) {
      room = {
        name: body.name, sid: this.id('RM'), people: new Map(),
        emptySince: Date.now(), everUsed: false,
        max: body.max_participants ?? 0,
        emptyS: body.empty_timeout ?? 300,
        departureS: body.departure_timeout ?? 20,
      };
      this.rooms.set(room.name, room);
      this.recording.medium('created', room.name);
      this.tell('room_started', room);
    }
    return this.describe(room);
  }

  describe(room) {
    return {
      sid: room.sid, name: room.name, max_participants: room.max,
      num_participants: room.people.size,
    };
  }

  DeleteRoom(body) {
    const room = this.rooms.get(body.room);
    if (!room) {
      throw new Refusal(404, 'not_found');
    }
    this.end(room, 'deleted');
    return {};
  }

  end(room, what) {
    this.rooms.delete(room.name);
    for (const person of [...room.people.values()]) {
      this.remove(room, person, what);
    }
    this.recording.medium(what, room.name);
    this.tell('room_finished', room);
  }

  ListRooms(body) {
    const names = body.names?.length ? body.names : [...this.rooms.keys()];
    return {
      rooms: names.filter((name) => this.rooms.has(name))
        .map((name) => this.describe(this.rooms.get(name))),
    };
  }

  ListParticipants(body) {
    // the real one lists nobody for a room that it does not have
    const people = this.rooms.get(body.room)?.people ?? new Map();
    return {
      participants: [...people.values()].map((person) => ({
        sid: person.psid, identity: person.identity, state: 'ACTIVE',
        joined_at: String(Math.floor(person.at / 1000)),
        joined_at_ms: String(person.at),
      })),
    };
  }

  RemoveParticipant(body) {
    const room = this.rooms.get(body.room);
    const person = room?.people.get(body.identity);
    if (!person) {
      throw new Refusal(404, 'not_found');
    }
    this.remove(room, person, 'removed');
    return {};
  }

  endEmptyRooms() {
    const now = Date.now();
    for (const room of [...this.rooms.values()]) {
      const allowed = room.everUsed ? room.departureS : room.emptyS;
      if (!room.people.size && now - room.emptySince > 1000 * allowed) {
        this.end(room, 'ended');
      }
    }
  }

  // --- people

  // A connection to the room of the token, or an error that says why not.
  // onClosed() is called when the server ends it.
  enter(url, token, onClosed) {
    let claims;
    try {
      if (url !== this.url) {
        throw new Error(`sent to ${url}`);
      }
      claims = readToken(token, this);
      if (!claims.video?.roomJoin || !IDENTITY.test(claims.sub)
        || claims.video.roomCreate || claims.video.roomAdmin
        || claims.name || claims.metadata) {
        throw new Error('wrong grants');
      }
    } catch (error) {
      this.recording.medium('bad-token', claims?.video?.room ?? '',
        { identity: claims?.sub, why: error.message });
      throw error;
    }
    const identity = claims.sub;
    const room = this.rooms.get(claims.video.room);
    if (!room) {
      this.recording.medium('refused', claims.video.room,
        { identity, why: 'no such room' });
      throw new Error('no such room');
    }
    const old = room.people.get(identity);
    if (old) {
      this.remove(room, old, 'duplicate');
    }
    if (room.max && room.people.size >= room.max) {
      this.recording.medium('refused', room.name, { identity, why: 'full' });
      throw new Error('full');
    }
    const person = {
      room, identity, psid: this.id('PA'), at: Date.now(), onClosed,
      inside: true,
    };
    room.people.set(identity, person);
    room.everUsed = true;
    this.recording.medium('entered', room.name,
      { identity, psid: person.psid });
    this.tell('participant_joined', room, person);
    return person;
  }

  leave(person) {
    if (person.inside) {
      this.remove(person.room, person, 'left');
    }
  }

  remove(room, person, why) {
    room.people.delete(person.identity);
    room.emptySince = Date.now();
    person.inside = false;
    this.recording.medium('left', room.name,
      { identity: person.identity, psid: person.psid, why });
    this.tell('participant_left', room, person);
    if (why !== 'left') {
      person.onClosed?.(why);
    }
  }

  // --- webhooks

  tell(event, room, person) {
    const now = Date.now();
    const body = JSON.stringify({
      event, id: this.id('EV'), createdAt: String(Math.floor(now / 1000)),
      room: { name: room.name, sid: room.sid },
      ...(person && {
        participant: {
          sid: person.psid, identity: person.identity,
          joinedAt: String(Math.floor(person.at / 1000)),
          joinedAtMs: String(person.at),
        },
      }),
    });
    if (this.wrong('lose')) {
      this.recording.medium('webhook-lost', room.name,
        { event, identity: person?.identity, psid: person?.psid });
      return;
    }
    const delays = [this.wrong('late') ? this.random.between(50, 4000) : 0];
    if (this.wrong('repeat')) {
      delays.push(this.random.between(0, 5000));
    }
    for (const delay of delays) {
      const sending = this.deliver(body, delay, { room: room.name, event,
        psid: person?.psid })
        .finally(() => this.pending.delete(sending));
      this.pending.add(sending);
    }
  }

  async deliver(body, delay, what) {
    await sleep(delay);
    for (let i = 0; i < TRIES; i++) {
      if (await this.send(body) === 200) {
        this.recording.webhooks.push({ at: Date.now(), ...what });
        return;
      }
      await sleep(RETRY_MS * 2 ** i);
    }
  }

  send(body) {
    const now = Math.floor(Date.now() / 1000);
    const token = signToken(this.secret, {
      iss: this.key, nbf: now, exp: now + 300,
      sha256: createHash('sha256').update(body).digest('base64'),
    });
    return new Promise((resolve) => {
      const request = http.request(this.webhook, {
        method: 'POST', agent: false, timeout: 3000,
        headers: {
          'Content-Type': 'application/webhook+json', Authorization: token,
          'Content-Length': Buffer.byteLength(body),
        },
      }, (response) => {
        response.resume();
        response.on('end', () => {
          const { statusCode } = response;
          if (statusCode !== 200 && statusCode !== 503) {
            this.recording.notes.push(
              `a webhook was answered ${statusCode}: ${body}`);
          }
          resolve(statusCode);
        });
        response.on('error', () => resolve(0));
      });
      request.on('timeout', () => request.destroy());
      request.on('error', () => resolve(0));
      request.end(body);
    });
  }

  async close() {
    clearInterval(this.sweeper);
    await this.down();
  }
}
