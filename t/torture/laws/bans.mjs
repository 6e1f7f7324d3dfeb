// Safety: whoever is banned is out at once and stays out until the ban is
// over; nobody else is told that they are banned.

import { stateOf } from './states.mjs';

// A command that failed may have taken effect, and may yet: on a wire that is
// held.
const LOST_MS = 30000;
const SLACK_MS = 5;

const until = (hash) => Number(hash.banned_until ?? 0);

// Out, with a queue and sessions for others.
export function outside(run, object) {
  for (const [user, changes] of run.truth.users) {
    for (const { after, at } of changes) {
      if (stateOf(after) !== 'idle' && until(after) > at + SLACK_MS) {
        object('ban', `${after.state} while banned until ${until(after)}`,
          { user, at, session: after.sid });
      }
    }
  }
}

// Each command that said so took effect, and nothing else bans or lifts.
export function commanded(run, object) {
  for (const { user, seconds, sent, done, status } of run.bans) {
    const was = (run.truth.users.get(user) ?? [])
      .findLast(({ at }) => at <= done)?.after ?? {};
    const from = sent + 1000 * seconds - SLACK_MS;
    const to = done + 1000 * seconds + SLACK_MS;
    if (status === 0 && !(seconds ? until(was) >= from && until(was) <= to
      : until(was) === 0)) {
      object('ban', `${seconds} s were commanded, banned until ${until(was)}`,
        { user, at: done });
    }
  }
  for (const [user, changes] of run.truth.users) {
    for (const { index, before, after, at } of changes) {
      if (until(before) !== until(after)
        && !isRestored(run, changes, index) && !run.bans.some((ban) =>
        ban.user === user && ban.sent <= at + SLACK_MS
        && at <= (ban.status === 0 ? ban.done : ban.sent + LOST_MS)
          + SLACK_MS)) {
        object('ban', `until ${until(after)}, by nobody`, { user, at });
      }
    }
  }
}

// The ban that was before the loss, in the store's seconds.
function isRestored({ truth: { lost } }, changes, index) {
  const i = changes.findIndex((change) => change.index === index);
  const last = changes[i - 1];
  return lost !== null && index > lost.index && last?.index < lost.index
    && 1000 * Math.ceil(until(last.after) / 1000)
      === until(changes[i].after);
}

// 403 only to whoever is banned, and until when; of an answer to a stream the
// body is not read.
export function refused(run, object) {
  const bans = (user, sent, answered) => (run.truth.users.get(user) ?? [])
    .filter(({ at }, i, all) => at <= answered + SLACK_MS
      && (all[i + 1]?.at ?? Infinity) >= sent - SLACK_MS)
    .map(({ after }) => until(after))
    .filter((ban) => ban > sent - SLACK_MS);

  for (const { user, status, sent, answered, body } of run.requests) {
    if (status === 403 && !bans(user, sent, answered)
      .some((ban) => Math.ceil(ban / 1000) === body?.bannedUntil)) {
      object('ban', `told of a ban until ${body?.bannedUntil}, was ${
        bans(user, sent, answered).join(' or ')}`, { user, at: answered });
    }
  }
  for (const { user, status, sent, closed } of run.streams) {
    if (status === 403 && bans(user, sent, closed ?? sent).length === 0) {
      object('ban', 'a stream is refused', { user, at: sent });
    }
  }
}
