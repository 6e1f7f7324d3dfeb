// Promise 3: nobody is in two sessions, paired with themselves, or paired with
// someone they reported or who reported them; and a session runs as section
// "Points and sessions" says.

import { isPending } from './loss.mjs';
import { stateOf } from './states.mjs';

const ACTIVE = new Set(['matched', 'live']);

// LiveKit tells whole seconds of those who left.
const SECOND_MS = 1000;

// All changes of users and sessions in the order in which they were.
export function inOrder(truth) {
  const list = [];
  for (const [kind, map] of [['session', truth.sessions],
    ['user', truth.users]]) {
    for (const [id, changes] of map) {
      changes.forEach((change) => list.push({ kind, id, ...change }));
    }
  }
  return list.sort((a, b) => a.index - b.index);
}

// Whether Redis was emptied between two units.
export function isLost({ lost }, last, index) {
  return lost !== null && last < lost.index && lost.index < index;
}

// When the session was over; lost is over.
function endOf({ lost }, changes) {
  const end = changes.find(({ after }) => after.state === 'ended');
  const wasLost = lost !== null && changes.length > 0
    && changes[0].index < lost.index && !(end?.index < lost.index);
  return wasLost ? lost.at : end?.at ?? Infinity;
}

// One session at a time, never with oneself, and both sides agree.
export function pairs(run, object) {
  let inside = new Map();
  let last = -1;
  for (const { kind, id, index, before, after, at } of inOrder(run.truth)) {
    if (kind !== 'session') {
      continue;
    }
    // a session that was lost is none any more
    inside = isLost(run.truth, last, index) ? new Map() : inside;
    last = index;
    const began = !before.state && ACTIVE.has(after.state);
    const ended = ACTIVE.has(before.state) && !ACTIVE.has(after.state);
    const say = (text, user) => object('pair', text,
      { user, session: id, at });
    if (began && after.a === after.b) {
      say('paired with themselves', after.a);
    }
    for (const user of began || ended ? [after.a, after.b] : []) {
      if (began && inside.has(user)) {
        say(`matched while in session ${inside.get(user)}`, user);
      }
      if (began) {
        inside.set(user, id);
      } else if (inside.get(user) === id) {
        inside.delete(user);
      }
    }
    if (!began && before.a && (before.a !== after.a || before.b !== after.b)) {
      say('its sides changed');
    }
    if (before.state === 'ended' && after.state !== 'ended') {
      say(`came back as ${after.state}`);
    }
  }
}

// A user's hash names a session that names the user, after every unit.
export function sidesAgree(run, object) {
  const sessions = new Map();
  const users = new Map();
  const list = inOrder(run.truth);
  let touched = new Set();
  list.forEach((change, i) => {
    if (isLost(run.truth, list[i - 1]?.index ?? -1, change.index)) {
      sessions.clear();
      users.clear();
    }
    (change.kind === 'session' ? sessions : users)
      .set(change.id, change.after);
    if (change.kind === 'session') {
      touched.add(change.after.a).add(change.after.b);
    } else {
      touched.add(change.id);
    }
    if (list[i + 1]?.index === change.index) {
      return;
    }
    for (const user of touched) {
      const text = disagreement(user, users.get(user) ?? {}, sessions);
      if (text) {
        object('pair', text, { user, at: change.at });
      }
    }
    touched = new Set();
  });
}

function disagreement(user, hash, sessions) {
  const state = stateOf(hash);
  if (!ACTIVE.has(state)) {
    return null;
  }
  const session = sessions.get(hash.sid) ?? {};
  const peer = hash.side === 'a' ? session.b : session.a;
  if (session.state !== state || session[hash.side] !== user
    || peer !== hash.peer) {
    return `${state} in session ${hash.sid}, which is ${
      session.state} of ${session.a} and ${session.b}`;
  }
  return null;
}

// Nobody is paired with whom they reported before, or who reported them; a
// report that was lost before the store had it is none.
export function blocks(run, object) {
  const blocked = new Map();
  run.truth.blocks.forEach(({ index, sub, other }) => {
    const key = [sub, other].sort().join(' ');
    blocked.set(key, [...blocked.get(key) ?? [], index]);
  });
  // of those that count at that time
  const isKnown = (index, at, a, b) => index < at
    && !(isLost(run.truth, index, at) && isPending(run.truth, index, a, b));
  for (const [sid, [first]] of run.truth.sessions) {
    const { a, b } = first.after;
    const key = [a, b].sort().join(' ');
    if ((blocked.get(key) ?? []).some((index) => isKnown(index, first.index,
      a, b))) {
      object('pair', `${a} and ${b} had been reported`,
        { user: a, session: sid, at: first.at });
    }
  }
}

// It begins when both are in the room, ends at its deadline at the latest,
// and what is told of it does not change afterwards.
export function course(run, object) {
  const rooms = presence(run.media);
  for (const [sid, changes] of run.truth.sessions) {
    let start = null;
    for (const { before, after, at } of changes) {
      const say = (text) => object('session', text,
        { session: sid, user: after.a, at });
      if (before.start && before.start !== after.start) {
        say(`its start changed from ${before.start} to ${after.start}`);
      }
      if (!before.start && after.start) {
        start = Number(after.start);
        check(run, after, rooms.get(`default.${sid}`), say);
      }
      if (after.state === 'ended' && start !== null
        && !(Number(after.ended) <= Number(after.ends)
          && Number(after.ended) >= start - SECOND_MS)) {
        say(`ended at ${after.ended}, not between ${start} and ${after.ends}`);
      }
    }
  }
}

function check(run, session, room, say) {
  const start = Number(session.start);
  const most = Math.min(60000 * Number(session.reserved),
    Number(session.max_ms));
  if (Number(session.ends) !== start + most) {
    say(`ends ${session.ends - start} ms after its start, not ${most}`);
  }
  if (start < Number(session.committed)) {
    say('started before its commit');
  }
  const together = ['a', 'b'].every((side) => (room?.[side] ?? []).some(
    ({ from, to }) => from - SECOND_MS <= start && start <= to + SECOND_MS));
  if (!together) {
    say(`started at ${start}, when not both were in the room`);
  }
}

// room -> { a: [{ psid, from, to }], b: ... } as the stand-in saw it.
export function presence(media) {
  const rooms = new Map();
  const open = new Map();
  for (const { at, what, room, identity, psid } of media) {
    if (what === 'entered') {
      if (!rooms.has(room)) {
        rooms.set(room, { a: [], b: [] });
      }
      const visit = { psid, from: at, to: Infinity };
      rooms.get(room)[identity.at(-1)].push(visit);
      open.set(psid, visit);
    } else if (what === 'left' && open.has(psid)) {
      open.get(psid).to = at;
    }
  }
  return rooms;
}

// Who was sent to a room was let in while the session was on.
export function admission(run, object) {
  for (const { at, what, room, identity, why } of run.media) {
    const sid = room.split('.')[1];
    if (what === 'bad-token') {
      object('room', `a token was refused: ${why}`, { session: sid, at });
    }
    const changes = run.truth.sessions.get(sid) ?? [];
    const endedAt = endOf(run.truth, changes);
    if (what === 'refused' && at < endedAt - 2) {
      object('room', `${identity} was refused (${why}) though the session ${
        endedAt < Infinity ? 'ended only later' : 'had not ended'}`,
      { session: sid, at });
    }
  }
}

// What both were told of its end is why it ended.
export function reasons(run, object) {
  for (const [sid, changes] of run.truth.sessions) {
    const end = changes.find(({ after }) => after.state === 'ended');
    if (!end) {
      continue;
    }
    const { a, b, start, ended, ends } = end.after;
    const say = (text) => object('session', text,
      { session: sid, user: a, at: end.at });
    const told = [a, b].map((user) => toldAtEnd(run, user, end.index));
    const text = told.join(' and ');
    if (!ENDS[start ? 'live' : 'matched'].includes([...told].sort()
      .join(' '))) {
      say(`${start ? 'held' : 'never began'}, told ${text}`);
    }
    if (start && told.includes('time_up') !== (ended === ends)) {
      say(`told ${text}, ended at ${ended} and was to end at ${ends}`);
    }
    if (told.includes('failed') && !goneBefore(run, sid, end.at)) {
      say('told failed while its room was there');
    }
  }
}

// "waiting": whoever came to a no-show goes on to wait.
const ENDS = {
  live: ['left peer_left', 'time_up time_up', 'failed failed'],
  matched: ['left peer_left', 'failed failed', 'no_show no_show',
    'no_show waiting'],
};

function toldAtEnd(run, user, index) {
  const change = (run.truth.users.get(user) ?? []).find(
    (one) => one.index === index);
  return change?.after.state === 'waiting' ? 'waiting'
    : change?.after.last_reason;
}

function goneBefore(run, sid, at) {
  return run.media.some((event) => event.room === `default.${sid}`
    && ['deleted', 'ended'].includes(event.what) && event.at <= at);
}

// Nobody deletes the room of a session that goes on.
export function roomsStay(run, object) {
  for (const { at, what, room } of run.media) {
    const sid = room.split('.')[1];
    const changes = run.truth.sessions.get(sid) ?? [];
    if (what === 'deleted' && changes.length && changes[0].at < at
      && at < endOf(run.truth, changes)) {
      object('room', 'deleted while the session went on',
        { session: sid, at });
    }
  }
}
