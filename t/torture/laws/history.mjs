// Promise 5: every session that started is in the history exactly once, with
// the seven attributes, and is what both users were told and read.

import { isPending } from './loss.mjs';
import { documentsOf } from './states.mjs';
import { chargeOf, durationOf } from './points.mjs';

const KEPT_S = 90 * 86400;
const MOST = 50;
const ATTRIBUTES = ['duration', 'endTime', 'expiresAt', 'sessionId',
  'startTime', 'userA', 'userB'];

// The row that a session should have, or null when it never started.
function rowOf(sid, session) {
  if (!session.start) {
    return null;
  }
  const startTime = Math.floor(Number(session.start) / 1000);
  const duration = durationOf(session);
  return {
    sessionId: sid, userA: session.a, userB: session.b, startTime,
    endTime: startTime + duration, duration,
    expiresAt: startTime + duration + KEPT_S,
  };
}

function final(run) {
  return new Map([...run.truth.sessions].map(
    ([sid, changes]) => [sid, changes.at(-1).after]));
}

// Lost before the store had it.
function isLost({ truth }, sid) {
  const { lost, sessions } = truth;
  const last = sessions.get(sid)?.at(-1);
  return lost !== null && last?.index < lost.index
    && (last.after.state !== 'ended' || lost.ended.has(sid));
}

export function stored(run, object) {
  const rows = new Map();
  for (const row of run.stored) {
    if (rows.has(row.sessionId)) {
      object('history', 'stored twice', { session: row.sessionId });
    }
    rows.set(row.sessionId, row);
  }
  for (const [sid, session] of final(run)) {
    const want = rowOf(sid, session);
    const have = rows.get(sid);
    const say = (text) => object('history', text,
      { session: sid, user: session.a, at: Number(session.ended) });
    rows.delete(sid);
    if (want && !have && isLost(run, sid)) {
      continue;
    }
    if (want && !have) {
      say('started, and is not in the store');
    } else if (!want && have) {
      say('never started, and is in the store');
    } else if (want) {
      compare(want, have).forEach(say);
    }
  }
  for (const sid of rows.keys()) {
    object('history', 'stored, and never was', { session: sid });
  }
}

function compare(want, have) {
  const names = Object.keys(have).sort().join(' ');
  const wrong = ATTRIBUTES.filter((name) => want[name] !== have[name])
    .map((name) => `${name} is ${have[name]}, should be ${want[name]}`);
  return names === ATTRIBUTES.join(' ') ? wrong
    : [...wrong, `its attributes are ${names}`];
}

// What the store has of users is what Redis has in the end.
export function usersStored(run, object) {
  const rows = new Map(run.storedUsers.map((row) => [row.userId, row]));
  for (const [user, hash] of Object.entries(run.dump.users)) {
    const row = asRestored(run, user, rows.get(user), hash);
    const wrong = !row ? ['not in the store']
      : wasUnderWay(run, user, row, hash) ? [] : staleIn(run, row, hash);
    wrong.forEach((text) => object('record', text, { user }));
  }
  const blocked = new Set(run.storedBlocks.map(
    (row) => `${row.userId} ${row.blocked}`));
  for (const { index, sub, other } of run.truth.blocks) {
    if (!blocked.has(`${sub} ${other}`)
      && !isPending(run.truth, index, sub, other)) {
      object('record', `the store does not keep ${other} away`, { user: sub });
    }
  }
}

// Whoever was idle when they were restored, and has done nothing since: the
// record tells of a ban that is over, until their next change.
function asRestored({ truth, marks }, user, row, hash) {
  const last = truth.users.get(user)?.at(-1);
  const first = truth.lost && truth.users.get(user)?.find(
    ({ index }) => index > truth.lost.index);
  const isOver = row && first && first === last && !hash.banned_until
    && 1000 * row.bannedUntil < marks.settled;
  return isOver ? { ...row, bannedUntil: 0 } : row;
}

// A record of before the loss, which was under way to the store then, may reach
// it when Redis has been filled already: it is ahead until the user's next
// change, or their first join.
function wasUnderWay({ truth }, user, row, hash) {
  const { lost } = truth;
  return Boolean(lost?.dirty.has(user))
    && (row.version > Number(hash.version ?? 0) || !hash.points)
    && truth.users.get(user).some(({ index, after }) => index < lost.index
      && row.version === Number(after.version));
}

// A window that has ended by now may have been open when it was written.
function staleIn(run, row, hash) {
  const end = Number(hash.window_end ?? 0);
  const spent = Number(hash.spent ?? 0);
  const points = Number(hash.points ?? 0);
  const open = { pointsSpent: spent, windowEndsAt: Math.ceil(end / 1000),
    pointsLeft: points - spent - Number(hash.reserved ?? 0) };
  const none = { pointsSpent: 0, windowEndsAt: 0, pointsLeft: points };
  const windows = [...end ? [open] : [], ...end < run.marks.settled
    ? [none] : []];
  const want = { pool: 'default', state: hash.state ?? 'idle', points, version: Number(hash.version ?? 0),
    // which the store keeps when Redis has lost it
    lastSessionTimestamp: Number(hash.last_session_s
      ?? (run.truth.lost && row.lastSessionTimestamp) ?? 0),
    isWaitingInQueue: hash.state === 'waiting' ? 1 : 0,
    bannedUntil: Math.ceil(Number(hash.banned_until ?? 0) / 1000) };
  const wrong = Object.keys(want).filter((name) => row[name] !== want[name])
    .map((name) => `${name} is ${row[name]}, should be ${want[name]}`);
  return windows.some((window) => Object.keys(window).every(
    (name) => row[name] === window[name])) ? wrong
    : [...wrong, `its window is ${JSON.stringify(row)}`];
}

// Written to the stream once each.
export function handedOver(run, object) {
  const seen = new Set();
  for (const { sessionId } of run.truth.ended) {
    if (seen.has(sessionId)) {
      object('history', 'handed over twice', { session: sessionId });
    }
    seen.add(sessionId);
  }
}

// What was told as "last" is what is stored.
export function toldLast(run, object) {
  const rows = new Map(run.stored.map((row) => [row.sessionId, row]));
  const sessions = final(run);
  for (const { user, at, document } of documentsOf(run)) {
    const { last } = document;
    if (!last?.sessionId) {
      continue;
    }
    const row = rows.get(last.sessionId);
    const session = sessions.get(last.sessionId);
    const duration = row?.duration ?? (isLost(run, last.sessionId)
      ? durationOf(session) ?? 0 : 0);
    const points = session ? chargeOf(session) : 0;
    if (last.duration !== duration || last.pointsSpent !== points) {
      object('history', `told ${last.duration} s and ${last.pointsSpent
      } points, the store has ${duration} s, which is ${points}`,
      { user, at, session: last.sessionId });
    }
    if (row && ![row.userA, row.userB].includes(user)) {
      object('history', 'told of a session of others',
        { user, at, session: last.sessionId });
    }
  }
}

// A session of before a loss that is in the store alone: it came too late to be
// read there when Redis was filled, or the user's record did. Whom neither
// knows gets no history.
function isForgotten({ lost, sessions, users, ready }, user, sid) {
  const filled = ready.find(({ index }) => index > lost?.index);
  return lost !== null && sessions.get(sid)?.at(-1).index < lost.index
    && (lost.ended.has(sid) || (lost.dirty.has(user)
      && !users.get(user).some(({ index }) => index > lost.index
        && index < filled?.index)));
}

// GET /api/history in the end: the user's own sessions, newest first.
export function read(run, object) {
  for (const [user, sessions] of Object.entries(run.histories)) {
    const ids = new Set(sessions.map(({ sessionId }) => sessionId));
    const own = run.stored.filter(({ userA, userB, sessionId }) => (
      [userA, userB].includes(user) && (ids.has(sessionId)
        || !isForgotten(run.truth, user, sessionId))));
    const say = (text, session) => object('history', text, { user, session });
    if (ids.size !== sessions.length) {
      say('the same session twice in the answer');
    }
    if (sessions.length !== Math.min(MOST, own.length)) {
      say(`${sessions.length} sessions in the answer, ${own.length} stored`);
    }
    for (const row of own.length <= MOST ? own : []) {
      const entry = sessions.find(
        ({ sessionId }) => sessionId === row.sessionId);
      const wrong = entry ? ['startTime', 'endTime', 'duration'].filter(
        (name) => entry[name] !== row[name]) : ['missing'];
      if (wrong.length) {
        say(`in the answer wrong: ${wrong.join(' ')}`, row.sessionId);
      }
    }
    if (sessions.some(({ endTime }, i) => i > 0
      && endTime > sessions[i - 1].endTime)) {
      say('the answer is not newest first');
    }
    const text = JSON.stringify(sessions);
    if (own.some(({ userA, userB }) => text.includes(`"${
      userA === user ? userB : userA}"`))) {
      say('the answer tells who the other was');
    }
  }
}
