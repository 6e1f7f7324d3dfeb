// Nobody who was in the room is told that they did not come, or is counted as
// gone, though the system knew better or could have.
//
// It knew when LiveKit had told it: a webhook of their coming was taken, or it
// was answered who is there. It could have known when nothing was wrong for a
// while, and it did not even ask.

import { isQuiet } from './faults.mjs';
import { presence } from './sessions.mjs';

// From an answer or webhook to what follows in Redis: a round has two turns of
// calls, each of which ends after a second, and other rooms are in it.
const ANSWER_MS = 2500;
const WEBHOOK_MS = 1000;

// ListRooms and ListParticipants of one round, by their time.
const ROUND_MS = 1500;

// In so long a time somebody asks, if nothing is wrong.
const ASK_MS = 3000;

// After a fault: new connections, and back-offs of LiveKit's breaker.
const RECOVER_MS = 2000;
const BACKOFF_MS = 6000;

export function absences(run, object) {
  const rooms = presence(run.media);
  const told = byRoom(run);
  for (const [sid, changes] of run.truth.sessions) {
    const end = changes.find(({ after }) => after.state === 'ended');
    const room = `default.${sid}`;
    for (const side of end ? calledAbsent(run, end) : []) {
      const visit = (rooms.get(room)?.[side] ?? []).find(({ from, to }) =>
        from <= since(run, end) && to >= end.at);
      const why = visit && knew(run, told.get(room), visit, end.at);
      if (why) {
        object('absence', `${end.after.start ? 'told to have left'
          : 'told no_show'}, was there since ${end.at - visit.from} ms, ${why}`,
        { user: end.after[side], session: sid, at: end.at });
      }
    }
  }
}

// The sides that a session ended for.
function calledAbsent(run, { index, after }) {
  return ['a', 'b'].filter((side) => {
    const user = (run.truth.users.get(after[side]) ?? []).find(
      (change) => change.index === index)?.after;
    return after.start ? user?.last_reason === 'left'
      && after.ended === after[`gone_${side}`]
      : user?.state === 'idle' && user.last_reason === 'no_show';
  });
}

// Since when they must have been there to have been there all the time.
function since(run, { at, after }) {
  return after.start ? at - run.settings.absenceMs : at;
}

function byRoom(run) {
  const rooms = new Map();
  const add = (room, kind, entry) => {
    if (!rooms.has(room)) {
      rooms.set(room, { asked: [], webhooks: [] });
    }
    rooms.get(room)[kind].push(entry);
  };
  run.asked.forEach((call) => call.rooms.forEach(
    (room) => add(room, 'asked', call)));
  run.webhooks.forEach((webhook) => add(webhook.room, 'webhooks', webhook));
  return rooms;
}

// How the system knew of that visit in time, or could have; else null.
function knew(run, { asked, webhooks } = { asked: [], webhooks: [] },
  { psid, from }, at) {
  const inTime = (time, ms, recoverMs) => time <= at - ms
    && isQuiet(run, ['worker', 'redis'], time, time + ms, recoverMs);
  const webhook = webhooks.find((one) => one.psid === psid
    && one.event === 'participant_joined'
    && inTime(one.at, WEBHOOK_MS, RECOVER_MS));
  if (webhook) {
    return `and a webhook of it was taken ${at - webhook.at} ms ago`;
  }
  const answer = asked.find((one) => one.told && one.people?.includes(psid)
    && inTime(one.at, ANSWER_MS, 0) && isListed(asked, one.at));
  if (answer) {
    return `and LiveKit had said so ${at - answer.at} ms ago`;
  }
  if (at - from >= ASK_MS && !asked.some((one) => one.at >= from)
    && isQuiet(run, ['worker', 'redis'], from, at, RECOVER_MS)
    && isQuiet(run, ['media'], from, at, BACKOFF_MS)) {
    return 'and LiveKit was not asked';
  }
  return null;
}

// Who is there counts only when the rooms were listed, too.
function isListed(asked, at) {
  const lists = asked.filter(({ method, at: time }) => method === 'ListRooms'
    && Math.abs(time - at) <= ROUND_MS);
  return lists.length > 0 && lists.every(({ told }) => told);
}
