// How a recording is spoilt, for the cases of the checker's test: one command
// of Redis's log is another one, is missing, or is too much.

import { BEGAN, NO_SHOW } from './story.mjs';

// The command that set this field of this hash the nth time.
export function setting(story, key, field, n = 0) {
  return story.units.flatMap(({ commands = [] }) => commands).filter(
    ([name, on, ...words]) => name === 'HSET' && on === `{default}:${key}`
      && words.includes(field))[n];
}

export function set(story, key, field, value, n = 0) {
  const command = setting(story, key, field, n);
  command[command.indexOf(field, 2) + 1] = String(value);
}

export function drop(story, key, field, n = 0) {
  const command = setting(story, key, field, n);
  command.splice(command.indexOf(field, 2), 2);
}

// A unit before the one that has this command.
export function before(story, [name, key], unit) {
  const i = story.units.findIndex(({ commands = [] }) => commands.some(
    ([word, on]) => word === name && on === key));
  story.units.splice(i, 0, { at_s: 0, commands: unit });
}

// Of the second match of ann and bob: the round that it was made in.
export const ROUND = `{default}:claim:${NO_SHOW}`;

// eve joins shortly before it, and is in it.
export function third(story, seen = 9100, place = 3) {
  const ticket = `1.${BEGAN + 9100}:eve`;
  before(story, ['ZADD', ROUND], [['HSET', '{default}:user:eve', 'state',
    'waiting', 'version', String(BEGAN + 9100), 'ticket', ticket,
    'waiting_since', String(BEGAN + 9100), 'seen', String(BEGAN + seen)]]);
  const claim = story.units.find(({ commands }) => commands[0][1] === ROUND);
  while (claim.commands.length < place - 1) {
    claim.commands.push(['ZADD', ROUND, '0',
      `1.1:other${claim.commands.length}`]);
  }
  claim.commands.push(['ZADD', ROUND, '0', ticket]);
}

// eve and fay are matched in it, too.
export function others(story) {
  const OTHER = 'd'.repeat(26);
  const after = story.units.splice(story.units.findIndex(
    ({ commands }) => commands[0][1] === ROUND));
  story.join(9100, 'eve');
  story.join(9101, 'fay');
  story.units.push(...after);
  for (const user of ['eve', 'fay']) {
    after[0].commands.push(['ZADD', ROUND, '3', story.tickets.get(user)]);
  }
  after[1].commands.push(['ZADD', '{default}:closing', '0',
    `default.${OTHER}`]);
  story.commit(9200, OTHER, 40000, { users: ['eve', 'fay'], claim: NO_SHOW });
}

// ann is in the room to which nobody came, it was told.
export function come(story, at = 9500) {
  story.medium(at, 'entered', `${NO_SHOW}-a`, 'PA_3', NO_SHOW);
}

export function fault(story, kind, from, to) {
  story.faults.push({ kind, from: BEGAN + from, to: BEGAN + to });
}

export const told = (story, n) => story.told[n].document;
export const request = (story, user, what) => story.requests.find(
  (one) => one.user === user && one.what === what);
