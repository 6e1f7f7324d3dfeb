// No pair meets twice within a window while others wait, as far as one round
// of a worker can spare it: of the tickets it has claimed, those at most 16
// places apart (docs/torture.md has the limits of this law).
//
// A round is read from the log: its claim, the rooms it planned, the matches
// it committed. Where the log leaves open what the worker saw, it is believed.

import { isLost } from './sessions.mjs';
import { versionOf } from './states.mjs';

const AHEAD = 16;

const subOf = (ticket) => ticket.slice(ticket.indexOf(':') + 1);
const keyOf = (one, other) => [one, other].sort().join(' ');

export function apart(run, object) {
  const known = new Known(run.truth);
  for (const round of roundsOf(run.truth)) {
    for (const pair of round.pairs) {
      const better = known.metBefore(pair, round)
        && sparedBy(run, known, round, pair);
      if (better) {
        object('meeting', `${pair.a} and ${pair.b} met again, though ${better}`,
          { user: pair.a, session: pair.sid, at: pair.at });
      }
    }
  }
}

// What is known of two, and when; by the units of the log.
class Known {
  constructor(truth) {
    this.truth = truth;
    this.meetings = new Map();
    this.blocks = new Map();
    truth.meetings.forEach(({ sub, other, index, until }) => this.add(
      this.meetings, sub, other, { index, until }));
    truth.blocks.forEach(({ sub, other, index }) => this.add(
      this.blocks, sub, other, { index }));
  }

  add(map, one, other, entry) {
    const key = keyOf(one, other);
    map.set(key, [...map.get(key) ?? [], entry]);
  }

  // Surely in the same window, for whoever read it in that round.
  metBefore({ a, b, at }, round) {
    return (this.meetings.get(keyOf(a, b)) ?? []).some(({ index, until }) =>
      index < round.index && until > at
        && !isLost(this.truth, index, round.index));
  }

  // Surely to be paired, as nothing has ever been against it.
  mayMeet(one, other, before) {
    const none = (map) => !(map.get(keyOf(one, other)) ?? []).some(
      ({ index }) => index < before);
    return one !== other && none(this.meetings) && none(this.blocks);
  }
}

// Each claim with its matches; places are those in the claim.
function roundsOf(truth) {
  const rounds = new Map();
  const commits = new Map([...truth.sessions].map(
    ([sid, [{ index, at, after }]]) => [index, { sid, index, at, ...after }]));
  for (const { index, claim, ticket } of truth.taken) {
    const commit = commits.get(index);
    const { index: began, tickets = [] } = truth.claims.get(claim) ?? {};
    if (!commit) {
      continue;
    }
    if (!rounds.has(claim)) {
      rounds.set(claim, { index: began, tickets: tickets.map((text) => (
        { text, sub: subOf(text) })), pairs: [] });
    }
    const round = rounds.get(claim);
    const { sid, at, a, b } = commit;
    if (!round.pairs.some((pair) => pair.sid === sid)) {
      round.pairs.push({ sid, at, index, a, b });
    }
    round.tickets.find(({ text }) => text === ticket).sid = sid;
  }
  return rounds.values();
}

// What would have spared these two, or nothing.
function sparedBy(run, known, round, pair) {
  const place = (sub) => round.tickets.findIndex((one) => one.sub === sub
    && one.sid);
  const may = (one, other) => Math.abs(place(one) - place(other)) <= AHEAD
    && known.mayMeet(one, other, pair.index);
  for (const { sid, a, b } of round.pairs) {
    if (sid !== pair.sid && ((may(pair.a, a) && may(pair.b, b))
      || (may(pair.a, b) && may(pair.b, a)))) {
      return `they could have changed partners with ${a} and ${b}`;
    }
  }
  const alone = loneOf(run, round, pair).find(({ sub, index }) =>
    spares(known, pair, { sub, index }, place));
  return alone && `${alone.sub} was left alone`;
}

// The one who waits the longest chooses: of those behind them. Who waited for
// longer still would have taken either.
function spares(known, pair, { sub, index }, place) {
  const [first, second] = place(pair.a) < place(pair.b) ? [pair.a, pair.b]
    : [pair.b, pair.a];
  const may = (other) => Math.abs(place(other) - index) <= AHEAD
    && known.mayMeet(sub, other, pair.index);
  return may(first) || (index < place(first) && may(second));
}

// Who was surely looked at and in no pair: where each room that was planned
// came to a match, those who waited all the time and were not silent.
function loneOf(run, round, pair) {
  const { truth, settings } = run;
  const plan = truth.plans.get(`default.${pair.sid}`);
  if (!plan?.rooms.every((room) => round.pairs.some(
    ({ sid }) => room === `default.${sid}`))) {
    return [];
  }
  return round.tickets.map((ticket, index) => ({ ...ticket, index }))
    .filter(({ sid, text, sub }) => !sid
      && waited(truth, sub, text, round.index, pair.index)
      && lastSign(truth, sub, round.index, pair.index)
        > pair.at - settings.silentAfterMs);
}

function waited(truth, sub, ticket, from, to) {
  const changes = truth.users.get(sub) ?? [];
  const was = changes.findLast(({ index }) => index < from)?.after;
  return was?.ticket === ticket && versionOf(was) > 0
    && !changes.some(({ index }) => index >= from && index <= to);
}

// The least that was known of them meanwhile.
function lastSign(truth, sub, from, to) {
  const signs = truth.seen.get(sub) ?? [];
  const before = signs.findLast(({ index }) => index < from)?.at ?? 0;
  return Math.min(before, ...signs.filter(({ index }) => index >= from
    && index <= to).map(({ at }) => at));
}
