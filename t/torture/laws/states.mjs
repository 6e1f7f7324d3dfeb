// Promise 1: a user is in exactly one state; every transition is one script
// and raises the version; what users are told is what was.

import { lossOf } from './faults.mjs';

const NEXT = {
  idle: ['waiting'],
  waiting: ['matched', 'idle'],
  matched: ['live', 'idle', 'waiting'],
  live: ['idle'],
};

export const stateOf = (hash) => hash.state ?? 'idle';
export const versionOf = (hash) => Number(hash.version ?? 0);
const seconds = (ms) => (ms ? Math.floor(Number(ms) / 1000) : null);

// Every change in Redis's log.
export function transitions(run, object) {
  for (const [user, changes] of run.truth.users) {
    for (const { before, after, at } of changes) {
      const from = stateOf(before);
      const to = stateOf(after);
      const say = (text) => object('transition', text,
        { user, at, session: after.sid ?? before.sid });
      if (!(to in NEXT)) {
        say(`a state that is none: ${to}`);
      } else if (from !== to && !NEXT[from]?.includes(to)) {
        say(`from ${from} to ${to}`);
      }
      if (!(versionOf(after) > versionOf(before))) {
        say(`changed ${changed(before, after)} under version ${
          before.version} -> ${after.version}`);
      }
      misfits(after).forEach(say);
    }
  }
}

function changed(before, after) {
  return Object.keys({ ...before, ...after })
    .filter((name) => before[name] !== after[name]).sort().join(' ');
}

// What belongs to a state is there, and nothing of another one.
function misfits(hash) {
  const need = { waiting: ['ticket', 'waiting_since'],
    matched: ['sid', 'side', 'peer', 'reserved', 'committed'],
    live: ['sid', 'side', 'peer', 'reserved', 'start', 'ends'] };
  const state = stateOf(hash);
  const missing = (need[state] ?? []).filter((name) => !hash[name])
    .map((name) => `${state} without ${name}`);
  const foreign = [...new Set(Object.values(need).flat())]
    .filter((name) => hash[name] && !need[state]?.includes(name)
      && !(state === 'live' && name === 'committed'))
    .map((name) => `${state} with ${name}`);
  return [...missing, ...foreign];
}

// The documents of a user with where they came from; those of requests that
// were answered 200 and of streams.
export function documentsOf(run) {
  const answers = run.requests
    .filter(({ status, body }) => status === 200 && body?.version !== undefined)
    .map(({ user, what, sent, answered, body }) => ({
      user, from: what, sent, at: answered, document: body,
    }));
  const told = run.told.map(({ user, stream, at, document }) => ({
    user, from: `stream ${stream}`, stream, sent: null, at, document,
  }));
  return [...answers, ...told].sort((a, b) => a.at - b.at);
}

// Each document is the user as they were at its version.
export function documents(run, object) {
  const versions = new Map();
  for (const [user, changes] of run.truth.users) {
    // after a loss the store's version is there again, in another state
    const byVersion = new Map();
    changes.forEach(({ after }) => byVersion.set(versionOf(after),
      [...byVersion.get(versionOf(after)) ?? [], after]));
    versions.set(user, byVersion);
  }
  for (const { user, from, at, document } of documentsOf(run)) {
    const hashes = versions.get(user)?.get(document.version)
      ?? (document.version === 0 ? [{}] : []);
    const wrong = hashes.length ? hashes.map((hash) => differences(run, user,
      document, hash, at)).reduce((least, one) => (
      one.length < least.length ? one : least)) : ['a version that never was'];
    wrong.forEach((text) => object('document',
      `${from} told version ${document.version}: ${text}`,
      { user, at, session: document.session?.sessionId }));
  }
}

function differences(run, user, document, hash, at) {
  const state = stateOf(hash);
  const waiting = state === 'waiting';
  const inSession = state === 'matched' || state === 'live';
  const pairs = {
    userId: [document.userId, user],
    state: [document.state, state],
    isWaitingInQueue: [document.isWaitingInQueue, waiting],
    waitingSince: [document.waitingSince,
      waiting ? seconds(hash.waiting_since) : null],
    sessionId: [document.session?.sessionId ?? null,
      inSession ? hash.sid : null],
    room: [document.session?.room ?? null,
      inSession ? `default.${hash.sid}` : null],
    startTime: [document.session?.startTime ?? null,
      state === 'live' ? seconds(hash.start) : null],
    token: [document.session?.hasToken ?? false, inSession],
    lastSessionTimestamp: [document.lastSessionTimestamp,
      hash.last_session_s ? Number(hash.last_session_s) : null],
    last: [JSON.stringify(document.last), JSON.stringify(lastOf(hash))],
  };
  const wrong = Object.entries(pairs).filter(([, [told, was]]) => told !== was)
    .map(([name, [told, was]]) => `${name} is ${told}, was ${was}`);
  const left = pointsOf(run, hash, at);
  if (!left.includes(document.pointsLeft)) {
    wrong.push(`pointsLeft is ${document.pointsLeft}, was ${
      left.join(' or ')}`);
  }
  return wrong;
}

function lastOf(hash) {
  return hash.last_reason ? {
    sessionId: hash.last_sid || null, reason: hash.last_reason,
    duration: Number(hash.last_duration), pointsSpent: Number(hash.last_points),
  } : null;
}

// All points are back once the window has ended, which is no transition.
function pointsOf(run, hash, at) {
  const { points } = run.settings;
  const end = Number(hash.window_end ?? 0);
  const left = points - Number(hash.spent ?? 0) - Number(hash.reserved ?? 0);
  if (!end) {
    return [points];
  }
  return at < end ? [left] : [left, points];
}

// No stream falls back, and nobody is answered with less than they had been
// told before they asked; of what was told before a loss only a stream knows.
export function versionsRise(run, object) {
  const streams = new Map();
  const known = new Map();
  const forgotten = lossOf(run)?.to ?? -Infinity;
  for (const entry of documentsOf(run)) {
    const { user, stream, sent, at, document } = entry;
    if (stream !== undefined) {
      if (document.version < (streams.get(stream) ?? 0)) {
        object('version', `stream ${stream} fell back from ${
          streams.get(stream)} to ${document.version}`, { user, at });
      }
      streams.set(stream, document.version);
    } else {
      const before = (known.get(user) ?? []).findLast(
        (told) => told.at < sent && told.version > document.version
          && (told.at > forgotten || sent < forgotten));
      if (before) {
        object('version', `${entry.from} answered ${document.version} after ${
          before.version} had been told`, { user, at });
      }
    }
    if (!known.has(user)) {
      known.set(user, []);
    }
    known.get(user).push({ at, version: document.version });
  }
}

// What Redis had in the end is what its log says.
export function logIsWhole(run, object) {
  for (const [user, hash] of Object.entries(run.dump.users)) {
    const last = run.truth.users.get(user)?.at(-1)?.after;
    if (!last || versionOf(last) !== versionOf(hash)
      || stateOf(last) !== stateOf(hash)) {
      object('log', `in the end ${stateOf(hash)} ${hash.version}, by the log ${
        last && stateOf(last)} ${last?.version}`, { user });
    }
  }
}
