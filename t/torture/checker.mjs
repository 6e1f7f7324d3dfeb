// Judges the recording of a run: a list of broken promises, empty when all
// held. Pure: what it is given is all it looks at (see main.mjs for the
// shape), so that checker.test.mjs can give it broken recordings.

import * as bans from './laws/bans.mjs';
import * as end from './laws/end.mjs';
import * as history from './laws/history.mjs';
import * as joins from './laws/joins.mjs';
import * as loss from './laws/loss.mjs';
import * as meetings from './laws/meetings.mjs';
import * as points from './laws/points.mjs';
import * as presence from './laws/presence.mjs';
import * as reports from './laws/reports.mjs';
import * as sessions from './laws/sessions.mjs';
import * as silence from './laws/silence.mjs';
import * as states from './laws/states.mjs';

export const laws = {
  transitions: states.transitions,
  documents: states.documents,
  versionsRise: states.versionsRise,
  logIsWhole: states.logIsWhole,
  waits: joins.waits,
  asked: joins.asked,
  refusals: joins.refusals,
  answers: joins.answers,
  dropped: silence.dropped,
  heard: silence.heard,
  pairs: sessions.pairs,
  sidesAgree: sessions.sidesAgree,
  blocks: sessions.blocks,
  apart: meetings.apart,
  absences: presence.absences,
  course: sessions.course,
  admission: sessions.admission,
  reasons: sessions.reasons,
  roomsStay: sessions.roomsStay,
  reportsTaken: reports.taken,
  reportsKept: reports.kept,
  bansOutside: bans.outside,
  bansCommanded: bans.commanded,
  bansRefused: bans.refused,
  ledger: points.ledger,
  admittedWithPoints: points.admittedWithPoints,
  toldPoints: points.toldPoints,
  stored: history.stored,
  usersStored: history.usersStored,
  handedOver: history.handedOver,
  toldLast: history.toldLast,
  read: history.read,
  restored: loss.restored,
  putBack: loss.putBack,
  lossSeen: loss.seen,
  settled: end.settled,
  queue: end.queue,
  nobodyLeftOver: end.nobodyLeftOver,
  everyoneKnows: end.everyoneKnows,
  health: end.health,
  enough: end.enough,
};

// Each objection: { law, kind, text, user, session, at }.
export function check(run) {
  const objections = [];
  for (const [law, judge] of Object.entries(laws)) {
    judge(run, (kind, text, about = {}) => {
      objections.push({ law, kind, text, ...about });
    });
  }
  return objections;
}
