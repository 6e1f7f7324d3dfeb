// In the end, with everything whole again, nothing is left behind: no session,
// no room, no claim, nothing to hand over; whoever waits is in the queue; and
// everyone has been told the last of it.

import { stateOf, versionOf } from './states.mjs';

export function settled(run, object) {
  const { dump } = run;
  const none = {
    'sessions that never ended': dump.sessions,
    'claims that nobody settled': dump.claims,
    'rooms that are still to be deleted': dump.closing,
    'sessions that the store does not have yet': dump.ended,
    'events that nobody handled': dump.events,
    'dead letters': dump.dead,
    'sessions that LiveKit is still asked about': dump.probes,
    'rooms that LiveKit still has': dump.rooms,
    'changes of users that the store does not have yet': dump.dirty,
    'reports that the store does not have yet': dump.reports,
  };
  for (const [what, list] of Object.entries(none)) {
    if (list.length) {
      object('end', `${list.length} ${what}: ${list.slice(0, 5).join(' ')}`,
        { session: sidIn(list[0]) });
    }
  }
}

function sidIn(text) {
  return /[a-z2-7]{26}/.exec(text)?.[0];
}

// Whoever waits has a ticket in the queue; and with two there is a pair.
export function queue(run, object) {
  const tickets = new Set(run.dump.queue);
  const waiting = Object.entries(run.dump.users)
    .filter(([, hash]) => stateOf(hash) === 'waiting');
  for (const [user, hash] of waiting) {
    if (!tickets.has(hash.ticket)) {
      object('join', `waits with ${hash.ticket}, which is in no queue`,
        { user });
    }
  }
  if (tickets.size !== run.dump.queue.length) {
    object('end', 'the queue has a ticket twice');
  }
  for (const [user, hash] of Object.entries(run.dump.users)) {
    if (['matched', 'live'].includes(stateOf(hash))) {
      object('end', `still ${hash.state}`, { user, session: hash.sid });
    }
  }
}

// Of two who wait and may be paired, none is left.
export function nobodyLeftOver(run, object) {
  const blocks = new Set(run.truth.blocks.map(
    ({ sub, other }) => `${sub} ${other}`));
  const waiting = Object.entries(run.dump.users)
    .filter(([, hash]) => stateOf(hash) === 'waiting').map(([user]) => user);
  waiting.forEach((user, i) => waiting.slice(i + 1).forEach((other) => {
    if (!blocks.has(`${user} ${other}`)) {
      object('end', `${user} and ${other} wait for nothing`, { user });
    }
  }));
}

// Every stream that was still open had the last version.
export function everyoneKnows(run, object) {
  const last = new Map();
  run.told.forEach(({ stream, document }) => last.set(stream, document));
  for (const { id, user, opened, closed } of run.streams) {
    if (opened === null || (closed !== null && closed < run.marks.settled)
      || opened > run.marks.settled) {
      continue;
    }
    const version = versionOf(run.dump.users[user] ?? {});
    if (last.get(id)?.version !== version) {
      object('told', `stream ${id} ended at version ${
        last.get(id)?.version}, the user at ${version}`,
      { user, at: run.marks.settled });
    }
  }
}

// Nothing of ours died, and nothing was logged that must not be.
export function health(run, object) {
  run.deaths.forEach(({ at, part, how }) => object(
    'death', `${part} ended by itself: ${how}`, { at }));
  run.notes.forEach((note) => object('note', note));
}

// A run in which nothing happened proves nothing.
export function enough(run, object) {
  const ended = [...run.truth.sessions.values()].filter(
    (changes) => changes.at(-1).after.start).length;
  const want = run.settings.leastSessions ?? 1;
  if (ended < want) {
    object('enough', `only ${ended} sessions were held, less than ${want}`);
  }
}
