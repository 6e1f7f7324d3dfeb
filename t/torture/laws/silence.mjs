// Promise 2, where it is about silence: a user who waits with an open stream
// is never silent, but for what was done to the edge or to Redis, and nobody
// is dropped whom Redis had heard of. Together: nobody with an open stream is
// dropped, unless no touch of theirs could arrive.

import { quietTimes } from './faults.mjs';
import { stateOf, versionOf } from './states.mjs';

// The edge's touches, and how late one may be.
const TOUCH_MS = 10000;
const LATE_MS = 4000;

// After a fault: new connections, and NGINX's processes.
const RECOVER_MS = 3000;

// Both times are Redis's.
export function dropped(run, object) {
  for (const [user, changes] of run.truth.users) {
    for (const { index, before, after } of changes) {
      if (stateOf(before) !== 'waiting' || stateOf(after) !== 'idle'
        || !isSilent(before, after)) {
        continue;
      }
      const at = versionOf(after);
      const life = Number(before.seen ?? 0);
      if (at - life < run.settings.dropAfterMs
        && !left(run, user, index, at)) {
        object('silence', `dropped, though Redis had heard of them ${
          at - life} ms ago`, { user, at });
      }
    }
  }
}

// A drop tells nothing and changes no ban.
function isSilent(before, after) {
  return ['last_reason', 'last_sid', 'banned_until'].every(
    (name) => before[name] === after[name]);
}

// A request to leave that had no good answer may take effect late.
function left(run, user, index, at) {
  return run.requests.some(({ user: who, what, sent }) => who === user
    && what === 'leave' && sent <= at + 5 && at - sent < 30000);
}

export function heard(run, object) {
  const streams = new Map();
  for (const stream of run.streams.filter(({ opened }) => opened !== null)) {
    streams.set(stream.user, [...streams.get(stream.user) ?? [], stream]);
  }
  for (const [user, own] of streams) {
    const signs = signsOf(run, user);
    for (const wait of waitsOf(run, user)) {
      for (const { opened, closed } of own) {
        const quiet = quietTimes(run, ['edge', 'redis'],
          Math.max(wait.from, opened),
          Math.min(wait.to, closed ?? run.marks.settled), RECOVER_MS);
        const silence = quiet.map((time) => longest(time, signs))
          .find(({ from, to }) => to - from > TOUCH_MS + LATE_MS);
        if (silence) {
          object('silence', `waits with an open stream, and Redis did not hear `
            + `of it for ${silence.to - silence.from} ms`,
          { user, at: silence.to });
        }
      }
    }
  }
}

// That the last stream closed at a process is told as a sign of the past.
function signsOf(run, user) {
  let last = 0;
  return (run.truth.seen.get(user) ?? []).map(({ at }) => at).filter((at) => {
    const rises = at >= last;
    last = Math.max(last, at);
    return rises;
  });
}

// When the user waited, by Redis's clock; a loss ends it.
function waitsOf(run, user) {
  const changes = run.truth.users.get(user) ?? [];
  const { lost } = run.truth;
  return changes.flatMap(({ index, after }, i) => {
    const next = changes[i + 1];
    const to = next ? versionOf(next.after) : run.marks.settled;
    return stateOf(after) !== 'waiting' ? [] : [{ from: versionOf(after),
      to: lost !== null && index < lost.index ? Math.min(to, lost.at) : to }];
  });
}

// The longest part of that time without a sign of life.
function longest({ from, to }, signs) {
  const times = [from, ...signs.filter((at) => at > from && at < to), to];
  return times.slice(1).map((at, i) => ({ from: times[i], to: at }))
    .reduce((most, one) => one.to - one.from > most.to - most.from ? one
      : most);
}
