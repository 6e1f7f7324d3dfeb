// What a loss of Redis's data excuses, and what it does not, as changes of the
// story that has one.

import { fault, set, told } from './spoil.mjs';
import { BEGAN, SID } from './story.mjs';

// A unit of the log after the loss that has this command.
function afterLoss(story, key) {
  const lost = story.units.findIndex((unit) => unit.lost);
  return story.units.findIndex(({ commands = [] }, i) => i > lost
    && commands.some((command) => command[1] === `{default}:${key}`));
}

function without(story, key) {
  story.units.splice(afterLoss(story, key), 1);
}

function change(story, key, field, value) {
  const [command] = story.units[afterLoss(story, key)].commands;
  const i = command.indexOf(field);
  if (value === undefined) {
    command.splice(i, 2);
  } else {
    command[i + 1] = String(value);
  }
}

// Units right before the loss.
function lastly(story, ...commands) {
  story.units.splice(story.units.findIndex((unit) => unit.lost), 0,
    { at_s: 0, commands });
}

const THIRD = 'e'.repeat(26);

// ann and bob are in a session when it is lost.
function talking(story) {
  const i = story.units.findIndex((unit) => unit.lost);
  const rest = story.units.splice(i);
  story.commit(35500, THIRD, 4700);
  story.units.push(...rest);
}

// bob's report of ann is lost before the store has it.
function lostReport(story) {
  lastly(story, ['XADD', '{default}:reports', '2-1', 'sessionId', SID,
    'reporter', 'bob', 'reported', 'ann']);
  without(story, 'blocked:bob');
  without(story, 'blocked:ann');
}

// eve leaves right before it, which no stream of hers has told.
function leftBefore(story) {
  lastly(story, ['HSET', '{default}:user:eve', 'state', 'idle', 'version',
    String(BEGAN + 35500)], ['HDEL', '{default}:user:eve', 'ticket',
    'waiting_since', 'seen'], ['ZADD', '{default}:dirty', '0', 'eve']);
  story.answer(35500, 'eve', 'leave', {});
}

// law: [what the loss does not excuse, how to spoil the second story so]
export const brokenByLoss = {
  restored: [
    ['a user whom the store knew', (s) => without(s, 'user:dora')],
    ['points that were spent', (s) => change(s, 'user:ann', 'spent', 0)],
    ['a window', (s) => change(s, 'user:ann', 'window_end', BEGAN + 99000)],
    ['the last session', (s) => change(s, 'user:bob', 'last_session_s')],
    ['a version', (s) => change(s, 'user:carl', 'version', 1)],
    ['a ban', (s) => set(s, 'user:carl', 'banned_until', BEGAN + 60000)],
    ['a block', (s) => without(s, 'blocked:bob')],
  ],
  putBack: [
    ['nobody is back', (s) => without(s, 'user:eve')],
    ['back at the end of the queue', (s) => change(s, 'user:eve',
      'waiting_since', BEGAN + 38000)],
    ['nobody is back who was to ask again', (s) => {
      without(s, 'user:eve');
      s.answer(36600, 'eve', 'leave', {});
      Object.assign(s.requests.at(-1),
        { status: 503, body: { code: 'restoring' } });
    }],
  ],
  lossSeen: [
    ['nothing was lost', (s) => s.units.splice(s.units.findIndex(
      (unit) => unit.lost))],
  ],
  ledger: [
    ['more is charged', (s) => change(s, 'user:ann', 'spent', 2)],
    ['a longer window', (s) => change(s, 'user:ann', 'window_end',
      BEGAN + 99000)],
    ['a reservation stays', (s) => {
      const [command] = s.units[afterLoss(s, 'user:ann')].commands;
      command.push('reserved', '1');
    }],
  ],
  asked: [
    ['a wait that never was', (s) => change(s, 'user:eve', 'waiting_since',
      BEGAN + 33000)],
    ['who has left since', (s) => s.answer(36600, 'eve', 'leave', {})],
    ['who had left, as the store knew', (s) => {
      leftBefore(s);
      lastly(s, ['ZREM', '{default}:dirty', 'eve']);
    }],
    ['whose wait was over, as the store knew', (s) => lastly(s,
      ['HSET', '{default}:user:eve', 'state', 'idle', 'version',
        String(BEGAN + 35500)], ['ZREM', '{default}:dirty', 'eve'])],
  ],
  blocks: [
    ['a pair after a report', (s) => s.commit(42000, THIRD, 1)],
  ],
  stored: [
    ['a session that the store had been given', (s) => {
      s.stored = [];
      lastly(s, ['XDEL', '{default}:ended', '1-1']);
    }],
  ],
  usersStored: [
    ['a newer record that never was', (s) => {
      lastly(s, ['ZADD', '{default}:dirty', '0', 'dora']);
      change(s, 'user:dora', 'version', BEGAN + 30);
      s.storedUsers.find(({ userId }) => userId === 'dora').version += 1;
    }],
  ],
  read: [
    ['a session that the store had', (s) => {
      lastly(s, ['XDEL', '{default}:ended', '1-1']);
      s.histories.ann = [];
    }],
  ],
  versionsRise: [
    ['a stream that falls back', (s) => {
      s.told.at(-1).document = { ...told(s, 0), userId: 'eve', version: 1 };
    }],
    ['an answer that falls back', (s) => s.answer(39000, 'eve', 'session',
      { version: BEGAN + 35200 })],
  ],
  bansCommanded: [
    ['a ban by nobody', (s) => {
      const [command] = s.units[afterLoss(s, 'user:dora')].commands;
      command.push('banned_until', String(BEGAN + 90000));
    }],
  ],
  waits: [
    ['dropped right after it', (s) => s.unit(42000, ['HSET',
      '{default}:user:eve', 'state', 'idle', 'version',
      String(BEGAN + 42000)])],
  ],
};

// law: [what the loss excuses, how to change the second story so]
export const fineByLoss = {
  restored: [
    ['a user of whom the store had not heard', (s) => {
      lastly(s, ['ZADD', '{default}:dirty', '0', 'dora']);
      without(s, 'user:dora');
    }],
    ['a report that the store did not have', lostReport],
    ['a window that is over', (s) => {
      s.units[afterLoss(s, 'user:ann')].commands[0].splice(-4, 4,
        'last_session_s', String((BEGAN + 1000) / 1000));
      s.units.forEach(({ commands = [] }) => commands.forEach((command) => {
        const i = command.indexOf('window_end');
        if (command[1] === '{default}:user:ann' && i > 0) {
          command[i + 1] = String(BEGAN + 15000);
        }
      }));
    }],
  ],
  putBack: [
    ['who had left', (s) => {
      without(s, 'user:eve');
      s.answer(36600, 'eve', 'leave', {});
    }],
    ['whose stream had closed', (s) => {
      without(s, 'user:eve');
      s.streams.at(-1).closed = BEGAN + 37200;
    }],
    ['while the edge is cut off', (s) => {
      without(s, 'user:eve');
      fault(s, 'edge-hold', 37100, 49000);
    }],
  ],
  asked: [
    ['who had left, which is lost', leftBefore],
    ['who was to ask again', (s) => {
      s.answer(36600, 'eve', 'leave', {});
      Object.assign(s.requests.at(-1),
        { status: 503, body: { code: 'restoring' } });
    }],
    ['who leaves when they are back', (s) => {
      s.answer(38000, 'eve', 'leave', {});
      s.requests.at(-1).sent -= 200;
    }],
  ],
  ledger: [
    ['a charge that is lost', (s) => change(s, 'user:ann', 'spent', 0)],
    ['a reservation that is lost', talking],
  ],
  pairs: [
    ['matched again, when the first is lost', (s) => {
      talking(s);
      s.commit(42000, 'f'.repeat(26), 40000);
    }],
  ],
  sidesAgree: [['a session that is lost', talking]],
  stored: [
    ['a session that was lost', (s) => {
      talking(s);
      s.live(35600, THIRD);
      s.units.splice(s.units.findIndex((unit) => unit.lost), 0, s.units.pop());
    }],
    ['one that the store had not been given', (s) => { s.stored = []; }],
  ],
  usersStored: [
    ['a block that the store did not have', (s) => {
      lostReport(s);
      s.storedBlocks = [];
    }],
    ['a record that was under way to it', (s) => {
      lastly(s, ['ZADD', '{default}:dirty', '0', 'dora']);
      change(s, 'user:dora', 'version', BEGAN + 30);
      Object.assign(s.storedUsers.find(({ userId }) => userId === 'dora'), {
        isWaitingInQueue: 1, state: 'waiting' });
    }],
    ['a ban that is over, of who has done nothing since', (s) => {
      const row = s.storedUsers.find(({ userId }) => userId === 'dora');
      row.bannedUntil = BEGAN / 1000 + 10;
    }],
  ],
  blocks: [
    ['a pair whose report is lost', (s) => {
      lostReport(s);
      s.commit(42000, THIRD, 40000);
    }],
  ],
  read: [
    ['a session of whom the store had no record yet', (s) => {
      lastly(s, ['XDEL', '{default}:ended', '1-1'],
        ['ZADD', '{default}:dirty', '0', 'ann']);
      without(s, 'user:ann');
      s.histories.ann = [];
    }],
    ['a session that was under way to the store', (s) => {
      lastly(s, ['XADD', '{default}:ended', '1-1', 'sessionId', SID]);
      s.histories.ann = [];
    }],
  ],
  admission: [
    ['refused when it is lost', (s) => {
      talking(s);
      s.media.push({ at: BEGAN + 39000, what: 'refused',
        room: `default.${THIRD}`, identity: `${THIRD}-a`, why: 'no such room' });
    }],
  ],
  roomsStay: [
    ['deleted when it is lost', (s) => {
      talking(s);
      s.medium(39000, 'deleted', undefined, undefined, THIRD);
    }],
  ],
  reportsTaken: [
    ['of a session that is lost', (s) => s.requests.push({ user: 'ann',
      what: 'report', sessionId: SID, sent: BEGAN + 39000,
      answered: BEGAN + 39002, status: 404, body: {} })],
  ],
};
