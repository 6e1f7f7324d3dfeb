// Promise 2: an acknowledged join is never lost. That what was acknowledged
// was is promise 1's law of documents; here every wait that ended without a
// match has a reason that may be: the user left, was silent for too long, or
// was told that it failed.

import { stateOf, versionOf } from './states.mjs';

// What the recording's clock and Redis's may differ by: a millisecond or two
// of rounding.
const SLACK_MS = 5;

// A request without a good answer may still lie in front of a process that is
// paused, or on a wire that is held.
const LOST_MS = 30000;

// A stream's end reaches the edge late when it is paused.
const NOTICE_MS = 8000;

// What the edge takes off the last sign of life of a user whose last stream
// has closed: silent at once.
const TOUCH_SILENT_MS = 15001;

function byUser(list) {
  const map = new Map();
  for (const entry of list) {
    if (!map.has(entry.user)) {
      map.set(entry.user, []);
    }
    map.get(entry.user).push(entry);
  }
  return map;
}

export function waits(run, object) {
  const requests = byUser(run.requests);
  const streams = byUser(run.streams);
  for (const [user, changes] of run.truth.users) {
    for (const change of changes) {
      if (stateOf(change.before) !== 'waiting'
        || stateOf(change.after) !== 'idle') {
        continue;
      }
      const at = versionOf(change.after);
      const why = reason(run, change, at, requests.get(user) ?? [],
        streams.get(user) ?? []);
      if (why) {
        object('join', `no longer waiting, though ${why}`, { user, at });
      }
    }
  }
}

// Nothing, or what is wrong with the end of this wait.
function reason(run, { before, after }, at, requests, streams) {
  if (after.last_reason === 'failed' && after.last_sid === '') {
    if (after.banned_until !== before.banned_until) {
      return null;
    }
    if (before.last_sid !== '') {
      return 'nothing was wrong with the ticket';
    }
  }
  if (requests.some((request) => takesEffect(request, 'leave', at))) {
    return null;
  }
  const life = signOfLife(run, requests, streams, at);
  if (life !== null) {
    return `a sign of life was ${at - life} ms ago`;
  }
  const restart = run.faults.find(({ kind, to }) => (
    kind === 'redis-kill' || kind === 'redis-lose') && to !== null && to <= at && at - to < run.settings.restartGraceMs
    - SLACK_MS);
  return restart
    ? `Redis had been restarted only ${at - restart.to} ms ago` : null;
}

// A 503 may have taken effect, or take it yet, like no answer at all.
function takesEffect({ what, status, sent, answered }, wanted, at) {
  return what === wanted && sent <= at + SLACK_MS
    && at <= (status === 200 ? answered : sent + LOST_MS) + SLACK_MS;
}

// The last sign of life that forbids a drop at this time, or null. A request
// that was answered 200 was one, not before it was sent. The end of a stream
// or poll, where the edge noticed it after that, took it back: the user has
// been silent since 15 s before that end then.
function signOfLife(run, requests, streams, at) {
  const since = at - run.settings.dropAfterMs;
  const ends = [...streams, ...requests.filter(({ what }) => what === 'poll')
    .map(({ sent, answered }) => ({ closed: answered ?? sent }))];
  const signs = requests.filter(({ what, status, sent, answered }) =>
    ['join', 'session', 'poll'].includes(what) && status === 200
    && sent > since + SLACK_MS && answered <= at)
    .map(({ sent }) => sent)
    .filter((sign) => !ends.some(({ closed }) => closed !== null
      && closed + NOTICE_MS >= sign
      && closed <= since + TOUCH_SILENT_MS + SLACK_MS));
  return signs.length ? Math.max(...signs) : null;
}

// Nobody is put into the queue who did not ask for it; whom a loss took out of
// it did before, and has not left since.
export function asked(run, object) {
  const requests = byUser(run.requests);
  for (const [user, changes] of run.truth.users) {
    for (const { index, before, after } of changes) {
      const at = versionOf(after);
      if (stateOf(before) === 'idle' && stateOf(after) === 'waiting'
        && !(requests.get(user) ?? []).some((request) => takesEffect(request,
          'join', at)) && !isPutBack(run, user, index)) {
        object('join', 'waits without having asked', { user, at });
      }
    }
  }
}

// Redis has lost a wait that was the last of the user, or what came after it
// and the store had not been told either. Who was answered since that they have
// left is out, unless that was lost so, too.
function isPutBack({ truth: { users, lost }, requests }, user, index) {
  if (lost === null || index < lost.index) {
    return false;
  }
  const changes = users.get(user);
  const { after: now } = changes.find((change) => change.index === index);
  const old = changes.filter((change) => change.index < lost.index);
  const wait = old.findLast(({ after }) => stateOf(after) === 'waiting'
    && after.waiting_since === now.waiting_since);
  const mayBeLost = lost.dirty.has(user);
  return wait !== undefined && (wait === old.at(-1) || mayBeLost)
    && !requests.some((one) => one.user === user && one.what === 'leave'
      && one.status === 200 && one.sent > versionOf(wait.after) + SLACK_MS
      && one.answered < versionOf(now) - SLACK_MS
      && !(mayBeLost && one.answered <= lost.at));
}

// 429 only when there was nothing left, 200 only when there was.
export function refusals(run, object) {
  for (const request of run.requests) {
    const { user, what, status, sent, answered, body } = request;
    if (what !== 'join' || status !== 429) {
      continue;
    }
    if (body?.code !== 'no_points') {
      object('answer', `join: 429 ${body?.code}`, { user, at: answered });
      continue;
    }
    if (!couldBeSpent(run, user, sent, answered)) {
      object('points', 'join: no_points, though there were some',
        { user, at: answered });
    }
  }
}

// Whether at some time between, nothing was left in an open window.
function couldBeSpent(run, user, sent, answered) {
  const changes = run.truth.users.get(user) ?? [];
  return changes.some(({ after }, i) => {
    const from = versionOf(after);
    const to = i + 1 < changes.length ? versionOf(changes[i + 1].after)
      : Infinity;
    const used = Number(after.spent ?? 0) + Number(after.reserved ?? 0);
    return from <= answered + SLACK_MS && to >= sent - SLACK_MS
      && used >= run.settings.points && Number(after.window_end) > sent
        - SLACK_MS;
  });
}

// Answers are those of docs/: a user with a good token who asks what the API
// has is never told that it is their fault, nor that the edge is at a loss.
const ANSWERS = {
  join: [200, 403, 429, 503], leave: [200, 503], session: [200, 503],
  poll: [200, 403, 503], history: [200, 503], report: [200, 404, 503],
};

export function answers(run, object) {
  for (const { user, what, status, answered, body, text } of run.requests) {
    if (status === null) {
      continue;
    }
    if (!ANSWERS[what].includes(status) || text !== undefined) {
      object('answer', `${what}: ${status} ${body?.code ?? text}`,
        { user, at: answered });
    }
  }
  for (const { user, status, sent } of run.streams) {
    if (status !== undefined && ![200, 403, 503].includes(status)) {
      object('answer', `stream: ${status}`, { user, at: sent });
    }
  }
}
