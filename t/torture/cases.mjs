// What each law must object to, and what it must not, as changes of the good
// story.

import {
  before, come, drop, fault, others, request, ROUND, set, setting, third, told,
} from './spoil.mjs';
import { BEGAN, NO_SHOW, SID } from './story.mjs';

// law: [what is wrong, how to spoil the story so]
export const broken = {
  transitions: [
    ['a state that is none', (s) => set(s, 'user:carl', 'state', 'lost', 1)],
    ['idle to live', (s) => set(s, 'user:carl', 'state', 'live')],
    ['a change under the same version',
      (s) => set(s, 'user:carl', 'version', BEGAN + 20, 1)],
    ['a version that falls', (s) => set(s, 'user:bob', 'version', 5, 2)],
    ['points that change under no version',
      (s) => s.unit(20000, ['HSET', '{default}:user:ann', 'spent', '0'])],
    ['waiting without a ticket', (s) => drop(s, 'user:dora', 'ticket')],
    ['idle with a ticket', (s) => s.units.forEach(({ commands }) => commands
      .forEach((command) => command[0] === 'HDEL' && command.splice(
        command.indexOf('ticket'), 1)))],
  ],
  documents: [
    ['a version that never was', (s) => { told(s, 0).version += 1; }],
    ['another state', (s) => { told(s, 0).state = 'waiting'; }],
    ['another session', (s) => { told(s, 0).session.sessionId = NO_SHOW; }],
    ['another user', (s) => { told(s, 0).userId = 'bob'; }],
    ['a session without a token', (s) => {
      told(s, 0).session.hasToken = false;
    }],
    ['an acknowledged join that never was', (s) => {
      s.units.splice(s.units.findIndex(({ commands }) =>
        commands[0][1].endsWith('dora')), 1);
    }],
    ['other points', (s) => { told(s, 0).pointsLeft = 3; }],
    ['another end', (s) => { told(s, 4).last.reason = 'failed'; }],
    ['another time of waiting', (s) => {
      request(s, 'dora', 'join').body.waitingSince -= 1;
    }],
  ],
  versionsRise: [
    ['a stream that falls back', (s) => {
      const late = s.told.findLast(({ user }) => user === 'ann');
      s.told.push({ ...late, at: late.at + 5000, document: told(s, 0) });
    }],
    ['an answer older than what was told', (s) => {
      request(s, 'ann', 'leave').body = told(s, 0);
    }],
  ],
  logIsWhole: [
    ['Redis ends otherwise than its log', (s) => {
      s.dump.users.ann = { state: 'waiting', version: '1' };
    }],
    ['a user whom the log does not know', (s) => {
      s.dump.users.eve = { state: 'idle', version: '1' };
    }],
  ],
  waits: [
    ['a wait that ends for no reason', (s) => {
      s.requests = s.requests.filter(({ what, user }) =>
        what !== 'leave' || user !== 'carl');
    }],
    ['dropped though heard of', (s) => {
      s.requests.push({ ...request(s, 'dora', 'join'), what: 'poll',
        sent: BEGAN + 30000, answered: BEGAN + 30005,
        body: null });
    }],
    ['dropped at once', (s) => set(s, 'user:dora', 'version', BEGAN + 9000,
      1)],
    ['dropped right after a restart of Redis', (s) => s.faults.push({
      kind: 'redis-kill', from: BEGAN + 25000, to: BEGAN + 26000 })],
    ['failed for no reason, after a failure', (s) => {
      setting(s, 'user:carl', 'state').push('last_reason', 'time_up',
        'last_sid', SID);
      setting(s, 'user:carl', 'state', 1).push('last_reason', 'failed',
        'last_sid', '');
    }],
    ['failed for no reason', (s) => {
      const command = setting(s, 'user:carl', 'state', 1);
      command.push('last_reason', 'failed', 'last_sid', '');
    }],
  ],
  asked: [
    ['a wait without a join', (s) => {
      s.requests = s.requests.filter(({ user }) => user !== 'dora');
    }],
  ],
  refusals: [
    ['no_points with points left', (s) => s.requests.push({ user: 'carl',
      what: 'join', sent: BEGAN + 4000, answered: BEGAN + 4002, status: 429,
      body: { code: 'no_points' } })],
    ['another 429', (s) => s.requests.push({ user: 'carl', what: 'join',
      sent: BEGAN, answered: BEGAN, status: 429, body: {} })],
  ],
  answers: [
    ['a fault of the server', (s) => s.requests.push({ user: 'carl',
      what: 'session', sent: BEGAN, answered: BEGAN, status: 500, body: {} })],
    ['a refused token', (s) => { s.streams[0].status = 401; }],
    ['no JSON', (s) => s.requests.push({ user: 'carl', what: 'leave',
      sent: BEGAN, answered: BEGAN, status: 503, body: null, text: '<html>' })],
  ],
  dropped: [
    ['dropped though Redis had heard of them', (s) => before(s,
      ['HDEL', '{default}:user:dora'],
      [['HSET', '{default}:user:dora', 'seen', String(BEGAN + 20000)]])],
  ],
  heard: [
    ['a stream without touches', (s) => {
      s.streams.at(-1).closed = null;
    }],
    ['touches that are too rare', (s) => {
      s.streams.at(-1).closed = null;
      before(s, ['HDEL', '{default}:user:dora'],
        [['HSET', '{default}:user:dora', 'seen', String(BEGAN + 15000)]]);
    }],
    ['a farewell is no sign of life', (s) => {
      s.streams.at(-1).closed = BEGAN + 20000;
      before(s, ['HDEL', '{default}:user:dora'],
        [['HSET', '{default}:user:dora', 'seen', String(BEGAN + 10000)]]);
      before(s, ['HSET', '{default}:user:dora'],
        [['HSET', '{default}:user:dora', 'seen', String(BEGAN + 20000)]]);
    }],
    ['a fault that was over', (s) => {
      s.streams.at(-1).closed = null;
      fault(s, 'redis-pause', 5000, 12000);
    }],
  ],
  apart: [
    ['a second meeting while another one waits', (s) => third(s)],
    ['the other one is the first', (s) => {
      third(s);
      s.units.find(({ commands }) => commands[0][1] === ROUND).commands
        .reverse();
    }],
    ['two pairs who could have changed partners', others],
  ],
  absences: [
    ['a webhook had said so', (s) => {
      come(s);
      s.webhook(9600, NO_SHOW, 'PA_3');
    }],
    ['LiveKit had said so', (s) => {
      come(s);
      s.ask(10300, NO_SHOW, ['PA_3']);
    }],
    ['LiveKit was not asked', (s) => come(s)],
    ['told to have left, while there', (s) => {
      setting(s, `session:${SID}`, 'ended').push('gone_a',
        String(BEGAN + 6000));
      s.webhook(600, SID, 'PA_1');
    }],
  ],
  pairs: [
    ['in two sessions', (s) => s.units.splice(s.units.findIndex(
      ({ commands }) => commands[0].includes('live')), 0, { at_s: 0,
      commands: [['HSET', `{default}:session:${'c'.repeat(26)}`, 'state',
        'matched', 'a', 'ann', 'b', 'carl', 'committed', '1', 'reserved',
        '1']] })],
    ['with oneself', (s) => set(s, `session:${NO_SHOW}`, 'b', 'ann')],
    ['an ended session that comes back', (s) => s.unit(7000,
      ['HSET', `{default}:session:${SID}`, 'state', 'live'])],
    ['sides that change', (s) => s.unit(1500,
      ['HSET', `{default}:session:${SID}`, 'b', 'carl'])],
  ],
  sidesAgree: [
    ['a user in a session of others', (s) => set(s, 'user:bob', 'sid',
      NO_SHOW)],
    ['a user in a session that has ended', (s) => drop(s, 'user:bob', 'state',
      3)],
    ['another peer', (s) => set(s, 'user:ann', 'peer', 'carl')],
  ],
  blocks: [
    ['a pair after a report', (s) => s.units.splice(-5, 0, { at_s: 0,
      commands: [['SADD', '{default}:blocked:bob', 'ann']] })],
  ],
  course: [
    ['a start without both', (s) => {
      s.media = s.media.filter(({ psid }) => psid !== 'PA_2');
    }],
    ['a start before the other came', (s) => {
      s.media.find(({ psid }) => psid === 'PA_2').at += 3000;
    }],
    ['a start that changes', (s) => s.unit(5000, ['HSET',
      `{default}:session:${SID}`, 'start', String(BEGAN + 3000)])],
    ['a deadline too late', (s) => set(s, `session:${SID}`, 'ends',
      BEGAN + 90000)],
    ['an end after the deadline', (s) => set(s, `session:${SID}`, 'ended',
      BEGAN + 14000)],
  ],
  admission: [
    ['refused in mid-session', (s) => s.media.push({ at: BEGAN + 2000,
      what: 'refused', room: `default.${SID}`, identity: `${SID}-a`,
      why: 'no such room' })],
    ['a token that is no good', (s) => s.media.push({ at: BEGAN + 2000,
      what: 'bad-token', room: `default.${SID}`, why: 'expired' })],
  ],
  reasons: [
    ['a deadline that was none', (s) => ['ann', 'bob'].forEach((user) =>
      set(s, `user:${user}`, 'last_reason', 'time_up'))],
    ['both left', (s) => set(s, 'user:bob', 'last_reason', 'left')],
    ['no-show of a session that was held', (s) => set(s, 'user:bob',
      'last_reason', 'no_show')],
    ['failed though the room is there', (s) => ['ann', 'bob'].forEach(
      (user) => set(s, `user:${user}`, 'last_reason', 'failed'))],
  ],
  roomsStay: [
    ['a room deleted in mid-session', (s) => s.medium(3000, 'deleted')],
  ],
  reportsTaken: [
    ['of a session of others', (s) => { request(s, 'bob', 'report').user = 'carl'; }],
    ['not found', (s) => { request(s, 'bob', 'report').status = 404; }],
    ['an answer that tells more', (s) => {
      request(s, 'bob', 'report').body.reported = 'ann';
    }],
  ],
  reportsKept: [
    ['no block', (s) => s.units.at(-2).commands.shift()],
    ['no block on the other side', (s) => s.units.at(-2).commands.splice(1,
      1)],
    ['no row', (s) => { s.reports = []; }],
    ['two rows', (s) => s.reports.push(s.reports[0])],
    ['a row for no report', (s) => s.reports.push({ ...s.reports[0],
      reporter: 'ann' })],
    ['a row about somebody else', (s) => { s.reports[0].reported = 'carl'; }],
    ['a row that goes too soon', (s) => { s.reports[0].expiresAt -= 1; }],
    ['a row with an attribute less', (s) => { delete s.reports[0].pool; }],
  ],
  bansOutside: [
    ['waiting while banned', (s) => {
      s.join(20500, 'carl');
    }],
  ],
  bansCommanded: [
    ['a ban by nobody', (s) => { s.bans = []; }],
    ['a ban that took no effect', (s) => { s.bans[0].user = 'dora'; }],
    ['a ban of another length', (s) => { s.bans[0].seconds = 9; }],
    ['a ban that was not lifted', (s) => s.bans.push({ user: 'carl',
      seconds: 0, sent: BEGAN + 20100, done: BEGAN + 20110, status: 0 })],
  ],
  bansRefused: [
    ['told of a ban that is none', (s) => {
      s.requests.find(({ status }) => status === 403).user = 'ann';
    }],
    ['told of another time', (s) => {
      s.requests.find(({ status }) => status === 403).body.bannedUntil += 1;
    }],
    ['a stream refused to who is not banned', (s) => {
      s.streams[0].status = 403;
    }],
  ],
  ledger: [
    ['charged twice', (s) => set(s, 'user:ann', 'spent', 2, 1)],
    ['not charged', (s) => drop(s, 'user:ann', 'spent', 1)],
    ['charged without a start', (s) => set(s, 'user:bob', 'spent', 2, 3)],
    ['below zero', (s) => set(s, 'user:bob', 'spent', 4, 1)],
    ['a longer window', (s) => set(s, 'user:ann', 'window_end',
      BEGAN + 90000)],
    ['too many reserved', (s) => set(s, `session:${SID}`, 'reserved', 3)],
    ['a reservation that stays', (s) => s.units.forEach(({ commands }) =>
      commands.forEach((command) => command[0] === 'HDEL'
        && command.includes('reserved') && command.pop()))],
  ],
  admittedWithPoints: [
    ['a place in the queue without points', (s) => {
      set(s, 'user:ann', 'spent', 3, 1);
    }],
  ],
  toldPoints: [
    ['less than none', (s) => { told(s, 1).pointsLeft = -1; }],
    ['more than all', (s) => { told(s, 1).pointsLeft = 4; }],
  ],
  stored: [
    ['lost', (s) => { s.stored = []; }],
    ['twice', (s) => s.stored.push(s.stored[0])],
    ['another duration', (s) => {
      s.stored = [{ ...s.stored[0], duration: 6 }];
    }],
    ['an attribute more', (s) => {
      s.stored = [{ ...s.stored[0], note: '' }];
    }],
    ['an attribute less', (s) => {
      const { expiresAt, ...row } = s.stored[0];
      s.stored = [row];
    }],
    ['a session that never started', (s) => s.stored.push(
      { ...s.stored[0], sessionId: NO_SHOW })],
    ['a session that never was', (s) => s.stored.push(
      { ...s.stored[0], sessionId: 'c'.repeat(26) })],
  ],
  usersStored: [
    ['not at all', (s) => s.storedUsers.pop()],
    ['an older version', (s) => { s.storedUsers[0].version -= 1; }],
    ['waiting', (s) => { s.storedUsers[2].isWaitingInQueue = 1; }],
    ['a charge that is missing', (s) => {
      Object.assign(s.storedUsers[0], { pointsSpent: 0, pointsLeft: 3 });
    }],
    ['a window that is closed too soon', (s) => {
      Object.assign(s.storedUsers[0], { pointsSpent: 0, pointsLeft: 3,
        windowEndsAt: 0 });
    }],
    ['another state', (s) => { s.storedUsers[3].state = 'live'; }],
    ['a ban that is missing', (s) => { s.storedUsers[2].bannedUntil = 0; }],
    ['another session', (s) => {
      s.storedUsers[1].lastSessionTimestamp -= 1;
    }],
    ['a block that is missing', (s) => s.storedBlocks.pop()],
  ],
  handedOver: [
    ['twice', (s) => s.units.push(s.units.find(
      ({ commands }) => commands[0][0] === 'XADD'))],
  ],
  toldLast: [
    ['another duration than stored', (s) => {
      told(s, 4).last.duration = 4;
    }],
    ['other points than charged', (s) => {
      told(s, 5).last.pointsSpent = 0;
    }],
    ['a session of others', (s) => {
      told(s, 4).last = { ...told(s, 4).last };
      s.told[4].user = 'carl';
    }],
  ],
  read: [
    ['missing', (s) => { s.histories.ann = []; }],
    ['twice', (s) => s.histories.bob.push(s.histories.bob[0])],
    ['another time', (s) => { s.histories.bob[0].startTime += 1; }],
    ['tells who the other was', (s) => {
      s.histories.ann[0].with = 'bob';
    }],
    ['of others', (s) => { s.histories.carl = s.histories.ann; }],
  ],
  settled: ['claims', 'sessions', 'closing', 'ended', 'events', 'dead',
    'rooms', 'reports', 'dirty', 'probes'].map((what) => [`${what} left`, (s) => s.dump[what].push('x')]),
  queue: [
    ['waiting in no queue', (s) => {
      s.dump.users.dora = { state: 'waiting', ticket: '1.2:dora' };
    }],
    ['a ticket twice', (s) => s.dump.queue.push('1.2:eve', '1.2:eve')],
    ['in a session still', (s) => {
      s.dump.users.dora = { state: 'live', sid: SID };
    }],
  ],
  nobodyLeftOver: [
    ['two who could meet', (s) => {
      for (const user of ['carl', 'dora']) {
        s.dump.users[user] = { state: 'waiting', ticket: `1.2:${user}` };
        s.dump.queue.push(`1.2:${user}`);
      }
    }],
  ],
  everyoneKnows: [
    ['a stream that was not told the last', (s) => {
      s.told = s.told.filter(({ document }) =>
        document.version !== BEGAN + 13200);
    }],
  ],
  health: [
    ['a death', (s) => s.deaths.push({ at: BEGAN, part: 'worker0', how: '1' })],
    ['a line in a log', (s) => s.notes.push('edge: [alert]')],
  ],
  enough: [
    ['nothing happened', (s) => { s.settings = { ...s.settings,
      leastSessions: 2 }; }],
  ],
};

// law: [what is no fault, how to change the story so]
export const fine = {
  heard: [
    ['touches every ten seconds', (s) => {
      s.streams.at(-1).closed = null;
      for (const at of [30000, 20000, 10000]) {
        before(s, ['HSET', '{default}:user:dora'], [['HSET',
          '{default}:user:dora', 'seen', String(BEGAN + at)]]);
      }
    }],
    ['the edge is cut off, now and then', (s) => {
      s.streams.at(-1).closed = null;
      for (let at = 5000; at < 40000; at += 10000) {
        fault(s, 'edge-hold', at, at + 1000);
      }
    }],
  ],
  apart: [
    ['whoever else is there has been silent', (s) => third(s, -9000)],
    ['whoever else is there is kept away from both', (s) => {
      third(s);
      s.units.splice(0, 0, { at_s: 0, commands: [
        ['SADD', '{default}:blocked:eve', 'ann'],
        ['SADD', '{default}:blocked:eve', 'bob']] });
    }],
    ['whoever else is there is too far behind', (s) => third(s, 9100, 19)],
    ['whoever else is there may be in a pair that failed', (s) => {
      third(s);
      s.units.find(({ commands }) => commands.some(
        ([, , , room]) => room === `default.${NO_SHOW}`)).commands
        .push(['ZADD', '{default}:closing', '0', 'default.another']);
    }],
    ['Redis has forgotten that they met', (s) => {
      third(s);
      s.units.splice(s.units.findIndex(({ commands }) => (
        commands[0][1] === ROUND)) - 1, 0, { lost: true, at: BEGAN + 9000 });
    }],
    ['the first meeting was in another window', (s) => {
      third(s);
      s.units.forEach(({ commands }) => commands.forEach((command) => {
        if (command[1].startsWith('{default}:met:')) {
          command[2] = String(BEGAN + 9200);
        }
      }));
    }],
  ],
  absences: [
    ['LiveKit says nothing', (s) => {
      come(s);
      s.ask(10300, NO_SHOW, ['PA_3'], false);
    }],
    ['LiveKit says it too late', (s) => {
      come(s);
      s.ask(12000, NO_SHOW, ['PA_3']);
    }],
    ['the webhook is taken too late', (s) => {
      come(s);
      s.webhook(12500, NO_SHOW, 'PA_3');
      s.ask(12000, NO_SHOW, ['PA_3']);
    }],
    ['the worker that took it is killed', (s) => {
      come(s);
      s.webhook(9600, NO_SHOW, 'PA_3');
      s.ask(9700, NO_SHOW, ['PA_3']);
      fault(s, 'worker-kill', 9700, 9800);
    }],
    ['they come too late to be asked about', (s) => come(s, 11000)],
    ['they came, and went', (s) => {
      come(s);
      s.webhook(9600, NO_SHOW, 'PA_3');
      s.medium(13000, 'left', `${NO_SHOW}-a`, 'PA_3', NO_SHOW);
    }],
  ],
};
