// After Redis has lost its data: what the store had is there again, and whom
// an edge's open stream had told that they wait is put back into the queue,
// since the same moment. What may be lost is said where the other laws look at
// it, and in docs/torture.md.

import { lossOf, quietTimes } from './faults.mjs';
import { stateOf, versionOf } from './states.mjs';

// The edge asks again every second or two while the pool is restored, and
// connects anew after a fault.
const RECALL_MS = 3000;
const RECOVER_MS = 1000;

// A request without an answer may lie before a process that is paused.
const LATE_MS = 8000;

// What keeps an edge from recalling whose stream stays open.
const CUTS = ['redis', 'edge-pause', 'edge-cut', 'edge-hold'];

const seconds = (ms) => 1000 * Math.ceil(Number(ms ?? 0) / 1000);

// The first of a user after the loss, or undefined.
function firstAfter(run, user) {
  return (run.truth.users.get(user) ?? []).find(
    ({ index }) => index > run.truth.lost.index);
}

export function restored(run, object) {
  const { lost } = run.truth;
  if (!lost) {
    return;
  }
  for (const [user, hash] of lost.users) {
    const first = firstAfter(run, user);
    // what the store had not been told is lost
    const wrong = lost.dirty.has(user) ? [] : first
      ? missing(hash, first) : ['is unknown'];
    wrong.forEach((text) => object('loss', `${text}, and was in the store`,
      { user, at: first?.at ?? lost.at }));
  }
  const back = new Set(run.truth.blocks.filter(({ index }) =>
    index > lost.index).map(({ sub, other }) => `${sub} ${other}`));
  for (const { index, sub, other } of run.truth.blocks) {
    if (index < lost.index && !back.has(`${sub} ${other}`)
      && !isPending(run.truth, index, sub, other)) {
      object('loss', `may meet ${other} again, though the store has a report`,
        { user: sub, at: lost.at });
    }
  }
}

// Whether a block was lost before the store had the report.
export function isPending({ lost }, index, one, other) {
  return lost !== null && index < lost.index && lost.reports.some(
    ({ reporter, reported }) => [reporter, reported].includes(one)
      && [reporter, reported].includes(other));
}

// A window or ban that has ended by then need not come back; the time of a
// restore is known by the second.
function missing(hash, change) {
  const { after } = change;
  const at = change.at + 1000;
  const ban = seconds(hash.banned_until);
  const end = seconds(hash.window_end);
  const spent = Number(hash.spent ?? 0);
  return [
    versionOf(after) < versionOf(hash)
      && `version ${versionOf(after)} instead of ${versionOf(hash)}`,
    ban > at && Number(after.banned_until) !== ban
      && `banned until ${after.banned_until ?? 0} instead of ${ban}`,
    spent > 0 && end > at && (Number(after.spent) !== spent
      || Number(after.window_end) !== end)
      && `${after.spent ?? 0} spent until ${after.window_end}`
        + ` instead of ${spent} until ${end}`,
    (after.last_session_s ?? '') !== (hash.last_session_s ?? '')
      && `last session ${after.last_session_s} instead of ${
        hash.last_session_s}`,
  ].filter(Boolean);
}

export function putBack(run, object) {
  const { lost } = run.truth;
  const loss = lossOf(run);
  if (!lost || !loss) {
    return;
  }
  const opened = openedAt(run);
  for (const stream of run.streams) {
    const told = lastTold(run, stream, lost.at);
    const due = told && dueAt(run, stream, opened);
    const why = due && isBack(run, stream.user, told, loss, due);
    if (why) {
      object('loss', why, { user: stream.user, at: lost.at });
    }
  }
}

// When the pool was served again, by the second.
function openedAt({ truth }) {
  const ready = truth.ready.find(({ index }) => index > truth.lost.index);
  return ready ? ready.at + 1000 : Infinity;
}

// The hash that the stream told last before the loss, if it said "waiting",
// and if the stream was open then.
function lastTold(run, { id, user, opened, closed }, at) {
  if (opened === null || opened > at || (closed !== null && closed < at)) {
    return null;
  }
  const last = run.told.findLast((one) => one.stream === id && one.at < at);
  return last?.document.state === 'waiting'
    ? (run.truth.users.get(user) ?? []).find(({ after }) =>
      versionOf(after) === last.document.version)?.after : null;
}

// When it must have been recalled, if the stream was open for so long.
function dueAt(run, { closed }, opened) {
  const quiet = quietTimes(run, CUTS, opened, Math.min(closed ?? Infinity,
    run.marks.settled), RECOVER_MS)
    .find(({ from, to }) => to - from >= RECALL_MS);
  return quiet && quiet.from + RECALL_MS;
}

// Nothing, or what is wrong. Who asked for something since has got that, unless
// they were told to ask again; and who may not wait has been told so.
function isBack(run, user, told, loss, due) {
  const asked = run.requests.some((one) => one.user === user
    && ['join', 'leave'].includes(one.what) && one.sent > loss.from - LATE_MS
    && one.sent < due && (one.answered ?? Infinity) > loss.from
    && one.body?.code !== 'restoring');
  const banned = run.bans.some((ban) => ban.user === user
    && (ban.done ?? Infinity) > loss.from - 1000 * ban.seconds);
  const after = (run.truth.users.get(user) ?? []).filter(
    ({ index }) => index > run.truth.lost.index).map((change) => change.after);
  const since = after.find((hash) => stateOf(hash) !== 'idle');
  const spent = after.some((hash) => Number(hash.spent ?? 0)
    >= run.settings.points);
  if (asked || banned || spent) {
    return null;
  }
  return since?.waiting_since === told.waiting_since ? null
    : `an open stream said "waiting" since ${told.waiting_since}, ${since
      ? `and was put back since ${since.waiting_since}` : 'and nobody is back'}`;
}

// A loss that nobody felt proves nothing.
export function seen(run, object) {
  const { lost } = run.truth;
  if (lossOf(run) && !(lost && [...run.truth.users.keys()].some((user) =>
    firstAfter(run, user)))) {
    object('loss', 'there was none, or nothing after it');
  }
}
