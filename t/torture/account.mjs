// A broken promise as a person can follow it: what was asked, told and written
// of one user or session, and what was done to the system, by the time.

const LINES = 70;
const AROUND_MS = 25000;

export function account(run, { law, kind, text, user, session, at }) {
  const head = [`${kind}: ${text}`,
    [user && `user ${user}`, session && `session ${session}`,
      at && clock(run, at), `law ${law}`].filter(Boolean).join(', ')];
  if (!user && !session) {
    return head.join('\n');
  }
  const users = new Set([user].filter(Boolean));
  if (!user) {
    const last = run.truth.sessions.get(session)?.at(-1).after ?? {};
    [last.a, last.b].filter(Boolean).forEach((sub) => users.add(sub));
  }
  const lines = events(run, users, session)
    .filter((event) => !at || Math.abs(event.at - at) < AROUND_MS)
    .sort((a, b) => a.at - b.at);
  const middle = at ? lines.findIndex((event) => event.at > at) : -1;
  const from = Math.max(0, (middle < 0 ? lines.length : middle) - LINES / 2);
  return [...head, ...lines.slice(from, from + LINES).map((event) =>
    `  ${clock(run, event.at)} ${event.text}`)].join('\n');
}

function clock(run, at) {
  return `${((at - run.began) / 1000).toFixed(3).padStart(8)}`;
}

function events(run, users, session) {
  return [...asked(run, users), ...told(run, users), ...written(run, users),
    ...ofSession(run, session), ...media(run, users, session),
    ...commands(run, users), ...faults(run)];
}

function brief(run, document) {
  if (!document) {
    return '';
  }
  if (document.code) {
    return document.code;
  }
  if (document.version === undefined) {
    return '';
  }
  return `${document.state} v${clock(run, document.version).trim()} points ${
    document.pointsLeft}${document.session
    ? ` sid ${document.session.sessionId}` : ''}${document.last
    ? ` last ${document.last.reason}` : ''}`;
}

function asked(run, users) {
  return run.requests.filter(({ user }) => users.has(user)).flatMap(
    ({ user, what, sent, answered, status, error, body }) => [
      { at: sent, text: `${user} asks ${what}` },
      { at: answered ?? sent + 0.1, text: `${user} ${what}: ${status
        ?? error} ${brief(run, body)}` },
    ]);
}

function told(run, users) {
  return run.told.filter(({ user }) => users.has(user)).map(
    ({ user, stream, at, document }) => (
      { at, text: `${user} told by ${stream}: ${brief(run, document)}` }))
    .concat(run.streams.filter(({ user }) => users.has(user)).flatMap(
      ({ id, user, opened, closed, by }) => [
        opened && { at: opened, text: `${user} stream ${id} is open` },
        closed && { at: closed, text: `${user} stream ${id} closed by ${by}` },
      ].filter(Boolean)));
}

function difference({ before, after }) {
  return Object.keys({ ...before, ...after })
    .filter((name) => before[name] !== after[name] && name !== 'version')
    .map((name) => `${name}=${after[name] ?? '-'}`).join(' ');
}

function written(run, users) {
  return [...users].flatMap((user) => (run.truth.users.get(user) ?? []).map(
    (change) => ({ at: Number(change.after.version),
      text: `#${change.index} ${user}: ${difference(change)}` })));
}

function ofSession(run, session) {
  return (run.truth.sessions.get(session) ?? []).map((change) => ({
    at: change.at,
    text: `#${change.index} session: ${difference(change)}`,
  }));
}

function media(run, users, session) {
  const sids = new Set([session].filter(Boolean));
  for (const user of users) {
    (run.truth.users.get(user) ?? []).forEach(
      ({ after }) => after.sid && sids.add(after.sid));
  }
  return run.media.filter(({ room }) => sids.has(room.split('.')[1])).map(
    ({ at, what, room, identity, psid, why, event }) => ({ at,
      text: `LiveKit ${room.slice(-26, -20)}… ${what} ${
        [event, identity?.slice(-1), psid, why].filter(Boolean).join(' ')}` }));
}

function commands(run, users) {
  return run.bans.filter(({ user }) => users.has(user)).flatMap(
    ({ user, seconds, sent, done, status }) => [
      { at: sent, text: `the operator bans ${user} for ${seconds} s` },
      { at: done ?? sent, text: `ban of ${user}: ${status}` },
    ]);
}

function faults(run) {
  return run.faults.map(({ kind, target, from, to }) => ({ at: from,
    text: `FAULT ${kind} ${target} for ${to === null ? '?' : to - from} ms` }));
}
