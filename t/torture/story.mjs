// A small recording in which every promise held, for tests of the checker to
// spoil: ann and bob talk, carl leaves the queue, dora falls silent, and ann
// and bob are matched again and stay away.

import { Recording } from './recording.mjs';
import { Truth } from './truth.mjs';

export const BEGAN = 1000000000000;
export const SID = 'a'.repeat(26);
export const NO_SHOW = 'b'.repeat(26);

export const settings = {
  points: 3, windowMs: 40000, silentAfterMs: 15000, dropAfterMs: 30000,
  restartGraceMs: 15000, absenceMs: 3000, leastSessions: 1,
};

const JOINED = { points: 3, join_points: 3, join_window: 40000, join_max: 12 };
const WAIT = ['ticket', 'waiting_since', 'seen'];
const IN_SESSION = ['sid', 'side', 'peer', 'committed', 'start', 'ends',
  'reserved'];

function hset(kind, id, fields) {
  return ['HSET', `{default}:${kind}:${id}`,
    ...Object.entries(fields).flat().map(String)];
}

function hdel(kind, id, fields) {
  return ['HDEL', `{default}:${kind}:${id}`, ...fields];
}

export class Story extends Recording {
  constructor() {
    super(settings);
    Object.assign(this, { began: BEGAN, units: [], histories: {}, stored: [], reports: [],
      storedUsers: [], storedBlocks: [],
      version: 0, tickets: new Map() });
    this.dump = { users: {}, queue: [], claims: [], sessions: [], closing: [],
      ended: [], events: [], dead: [], rooms: [], reports: [], dirty: [],
      probes: [] };
  }

  unit(at, ...commands) {
    this.units.push({ at_s: Math.floor((BEGAN + at) / 1000), commands });
  }

  join(at, user) {
    const since = BEGAN + at;
    const ticket = `1.${since}:${user}`;
    this.tickets.set(user, ticket);
    this.unit(at, hset('user', user, { state: 'waiting', version: since,
      ticket, waiting_since: since, seen: since, ...JOINED }));
    this.answer(at, user, 'join', { state: 'waiting',
      waitingSince: Math.floor(since / 1000), isWaitingInQueue: true });
  }

  leaveQueue(at, user) {
    this.unit(at, hset('user', user, { state: 'idle', version: BEGAN + at }),
      hdel('user', user, WAIT));
  }

  // What a worker takes, and the rooms that it means to create.
  claim(at, id, users, sids) {
    this.unit(at, ...users.map((user, i) => ['ZADD', `{default}:claim:${id}`,
      String(i + 1), this.tickets.get(user)]));
    this.unit(at, ...sids.map((sid) => ['ZADD', '{default}:closing',
      String(BEGAN + at + 8000), `default.${sid}`]));
  }

  commit(at, sid, window, { users: [a, b] = ['ann', 'bob'], claim } = {}) {
    const committed = BEGAN + at;
    const end = committed + window;
    if (!claim) {
      this.claim(at, sid, [a, b], [sid]);
    }
    const side = (user, own, peer) => [hset('user', user, {
      state: 'matched', version: committed, sid, side: own, peer, committed,
      reserved: 1, window_end: end, spent: this.spent ?? 0,
    }), hdel('user', user, WAIT)];
    this.unit(at, ...[b, a].map((user) => ['ZREM',
      `{default}:claim:${claim ?? sid}`, this.tickets.get(user)]),
    ...side(a, 'a', b), ...side(b, 'b', a),
    hset('session', sid, { state: 'matched', a, b, committed,
      reserved: 1, max_ms: 12000, window_a: end, window_b: end }));
  }

  live(at, sid) {
    const times = { start: BEGAN + at, ends: BEGAN + at + 12000 };
    this.unit(at, hset('session', sid, { state: 'live', ...times }),
      ...['ann', 'bob'].map((user) => hset('user', user,
        { state: 'live', version: BEGAN + at, ...times })),
      ...[['ann', 'bob'], ['bob', 'ann']].map(([user, other]) => ['ZADD',
        `{default}:met:${user}`, String(BEGAN + at + 40000), other]));
  }

  end(at, sid, points, { reasons, duration, ...fields }) {
    const side = (user, reason) => [
      hset('user', user, { state: 'idle', version: BEGAN + at, last_sid: sid,
        last_reason: reason, last_duration: duration, last_points: points,
        ...fields }), hdel('user', user, IN_SESSION)];
    this.unit(at, hset('session', sid, { state: 'ended', ended: BEGAN + at }),
      ...side('ann', reasons[0]), ...side('bob', reasons[1]));
  }

  document(at, user, fields) {
    return { userId: user, version: BEGAN + at, state: 'idle', pointsLeft: 3,
      lastSessionTimestamp: null, isWaitingInQueue: false, waitingSince: null,
      session: null, last: null, ...fields };
  }

  answer(at, user, what, fields) {
    Object.assign(this.request(user, what), { sent: BEGAN + at - 2,
      answered: BEGAN + at + 2, status: 200,
      body: this.document(at, user, fields) });
  }

  open(at, user, closed = null) {
    Object.assign(this.stream(user), { sent: BEGAN + at, opened: BEGAN + at,
      status: 200, closed: closed === null ? null : BEGAN + closed,
      by: 'user' });
    return this.streams.length - 1;
  }

  tell(at, user, stream, fields) {
    this.told.push({ user, stream, at: BEGAN + at + 3,
      document: this.document(at, user, fields) });
  }

  medium(at, what, identity, psid, sid = SID) {
    this.media.push({ at: BEGAN + at, what, room: `default.${sid}`, identity,
      psid });
  }

  // LiveKit is asked about a room, by both calls.
  ask(at, sid, people, told = true) {
    const rooms = [`default.${sid}`];
    this.asked.push({ at: BEGAN + at, method: 'ListRooms', rooms, told },
      { at: BEGAN + at, method: 'ListParticipants', rooms, told: true,
        people });
  }

  webhook(at, sid, psid) {
    this.webhooks.push({ at: BEGAN + at, room: `default.${sid}`,
      event: 'participant_joined', psid });
  }
}

function talk(story) {
  const streams = ['ann', 'bob'].map((user) => story.open(0, user));
  story.join(10, 'ann');
  story.join(100, 'bob');
  story.commit(200, SID, 40000);
  const room = { sessionId: SID, room: `default.${SID}`, startTime: null,
    endsAt: null, hasToken: true };
  const tell = (at, i, fields) => story.tell(
    at, ['ann', 'bob'][i], streams[i], fields);
  [0, 1].forEach((i) => tell(200, i,
    { state: 'matched', pointsLeft: 2, session: room }));
  story.medium(500, 'entered', `${SID}-a`, 'PA_1');
  story.medium(1000, 'entered', `${SID}-b`, 'PA_2');
  story.live(1000, SID);
  const start = (BEGAN + 1000) / 1000;
  [0, 1].forEach((i) => tell(1000, i, { state: 'live', pointsLeft: 2,
    session: { ...room, startTime: start, endsAt: start + 12 } }));
  story.end(6000, SID, 1, { reasons: ['left', 'peer_left'], duration: 5,
    spent: 1, last_session_s: start });
  const over = (reason) => ({ pointsLeft: 2, lastSessionTimestamp: start,
    last: { sessionId: SID, reason, duration: 5, pointsSpent: 1 } });
  story.answer(6000, 'ann', 'leave', over('left'));
  [0, 1].forEach((i) => tell(6000, i, over(['left', 'peer_left'][i])));
  story.medium(6100, 'left', `${SID}-a`, 'PA_1');
  story.medium(6100, 'left', `${SID}-b`, 'PA_2');
  const row = { sessionId: SID, userA: 'ann', userB: 'bob',
    startTime: start, endTime: start + 5, duration: 5,
    expiresAt: start + 5 + 90 * 86400 };
  story.unit(6000, ['XADD', '{default}:ended', '1-1',
    ...Object.entries(row).flat().map(String)]);
  story.stored.push(row);
  const { sessionId, startTime, endTime, duration } = row;
  for (const user of ['ann', 'bob']) {
    story.histories[user] = [{ sessionId, startTime, endTime, duration,
      pointsSpent: 1, reason: 'left' }];
  }
}

// bob reports ann when they will not meet again.
function report(story, at) {
  const entry = story.request('bob', 'report', { sessionId: SID });
  Object.assign(entry, { sent: BEGAN + at - 2, answered: BEGAN + at + 2,
    status: 200, body: { sessionId: SID, reported: true } });
  story.unit(at, ['SADD', '{default}:blocked:bob', 'ann'],
    ['SADD', '{default}:blocked:ann', 'bob'],
    hset('session', SID, { reported_b: BEGAN + at }));
  const at_s = Math.floor((BEGAN + at) / 1000);
  story.reports.push({ sessionId: SID, reporter: 'bob', reported: 'ann',
    reason: 'bob: rude', pool: 'default', at: at_s,
    expiresAt: at_s + 90 * 86400 });
}

// Matched, and neither comes: nothing is charged and nothing stored.
function stayAway(story) {
  story.spent = 1;
  const start = (BEGAN + 1000) / 1000;
  const last = (reason) => ({ pointsLeft: 2, lastSessionTimestamp: start,
    last: { sessionId: SID, reason, duration: 5, pointsSpent: 1 } });
  ['ann', 'bob'].forEach((user, i) => {
    story.join(9000 + i, user);
    Object.assign(story.requests.at(-1).body,
      last(['left', 'peer_left'][i]));
  });
  // the window that the first commit opened
  story.commit(9200, NO_SHOW, 40000 - 9000);
  story.end(13200, NO_SHOW, 0, { reasons: ['no_show', 'no_show'],
    duration: 0, spent: 1 });
  ['ann', 'bob'].forEach((user, i) => story.tell(13200, user, i, {
    pointsLeft: 2, lastSessionTimestamp: start, last: { sessionId: NO_SHOW,
      reason: 'no_show', duration: 0, pointsSpent: 0 } }));
}

// An operator bans carl for a second, who tries to join.
function banish(story, at) {
  const till = BEGAN + at + 1000;
  story.bans.push({ user: 'carl', seconds: 1, sent: BEGAN + at - 1,
    done: BEGAN + at + 1, status: 0 });
  story.unit(at, hset('user', 'carl', { version: BEGAN + at,
    banned_until: till }));
  Object.assign(story.request('carl', 'join'), { sent: BEGAN + at + 10,
    answered: BEGAN + at + 12, status: 403,
    body: { code: 'banned', bannedUntil: Math.ceil(till / 1000) } });
}

// The records of users, as the story ends.
function store(story) {
  const start = (BEGAN + 1000) / 1000;
  const row = (userId, version, fields) => story.storedUsers.push({
    userId, pool: 'default', state: 'idle', points: 3, pointsLeft: 3, pointsSpent: 0,
    windowEndsAt: 0, lastSessionTimestamp: 0, isWaitingInQueue: 0,
    bannedUntil: 0, version: BEGAN + version, ...fields });
  for (const user of ['ann', 'bob']) {
    row(user, 13200, { pointsLeft: 2, pointsSpent: 1,
      windowEndsAt: Math.ceil((BEGAN + 40200) / 1000),
      lastSessionTimestamp: start });
  }
  row('carl', 20000, { bannedUntil: BEGAN / 1000 + 21 });
  row('dora', 35000);
  story.storedBlocks = [{ userId: 'bob', blocked: 'ann' },
    { userId: 'ann', blocked: 'bob' }];
}

export function goodStory() {
  const story = new Story();
  talk(story);
  story.join(20, 'carl');
  story.leaveQueue(3000, 'carl');
  story.answer(3000, 'carl', 'leave', {});
  story.join(30, 'dora');
  story.open(0, 'dora', 40);
  story.leaveQueue(35000, 'dora');
  stayAway(story);
  report(story, 15000);
  banish(story, 20000);
  story.marks = { settled: BEGAN + 40000 };
  store(story);
  return story;
}

// A second one: it goes on with a loss of Redis's data, at 36 s. The store has
// all of it but that eve waits, which her stream had told her.
export function lossStory() {
  const story = goodStory();
  const stream = story.open(35100, 'eve');
  const waiting = (at) => story.tell(at, 'eve', stream, { state: 'waiting',
    isWaitingInQueue: true, waitingSince: Math.floor((BEGAN + 35200) / 1000) });
  story.join(35200, 'eve');
  story.unit(35200, ['ZADD', '{default}:dirty', String(BEGAN), 'eve']);
  waiting(35200);
  story.units.push({ lost: true, at: BEGAN + 36000 });
  story.faults.push({ kind: 'redis-lose', from: BEGAN + 36000,
    to: BEGAN + 36500 });
  const start = (BEGAN + 1000) / 1000;
  const back = (user, version, fields) => story.unit(37000, hset('user', user,
    { state: 'idle', version: BEGAN + version, points: 3, ...fields }));
  back('ann', 13200, { spent: 1, window_end: BEGAN + 41000,
    last_session_s: start });
  back('bob', 13200, { spent: 1, window_end: BEGAN + 41000,
    last_session_s: start });
  story.unit(37000, ['SADD', '{default}:blocked:bob', 'ann']);
  story.unit(37000, ['SADD', '{default}:blocked:ann', 'bob']);
  back('carl', 20000, {});
  back('dora', 35000, {});
  story.unit(37000, ['SET', '{default}:ready', '1']);
  const ticket = `2.${BEGAN + 38000}:eve`;
  story.unit(38000, hset('user', 'eve', { state: 'waiting',
    version: BEGAN + 38000, ticket, waiting_since: BEGAN + 35200,
    seen: BEGAN + 38000, ...JOINED }));
  waiting(38000);
  story.unit(47000, ['HSET', '{default}:user:eve', 'seen',
    String(BEGAN + 47000)]);
  story.dump.queue.push(ticket);
  story.storedUsers.push({ userId: 'eve', pool: 'default', state: 'waiting',
    points: 3, pointsLeft: 3, pointsSpent: 0, windowEndsAt: 0, lastSessionTimestamp: 0,
    isWaitingInQueue: 1, bannedUntil: 0, version: BEGAN + 38000 });
  story.marks.settled = BEGAN + 50000;
  return story;
}

// What the checker is given.
export function finish(story) {
  const { units, ...recorded } = story;
  const truth = new Truth(units);
  for (const [user, changes] of truth.users) {
    story.dump.users[user] ??= changes.at(-1).after;
  }
  return { ...recorded, truth };
}
