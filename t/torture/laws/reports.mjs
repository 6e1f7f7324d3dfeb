// Promise 3, where it is about reports: one that was acknowledged is kept, for
// both sides and in the store; nobody else's session can be reported. That the
// two are never paired again is the law of blocks.

const ATTRIBUTES = ['at', 'expiresAt', 'pool', 'reason', 'reported', 'reporter',
  'sessionId'];

function sidesOf(run, sid) {
  const session = run.truth.sessions.get(sid)?.at(-1).after;
  return session ? [session.a, session.b] : [];
}

const otherOf = (sides, user) => sides[sides[0] === user ? 1 : 0];

export function taken(run, object) {
  for (const { user, what, status, answered, sessionId, body }
    of run.requests) {
    const own = sidesOf(run, sessionId).includes(user);
    const say = (text) => object('report', text,
      { user, session: sessionId, at: answered });
    if (what !== 'report' || status === null) {
      continue;
    }
    if (status === 200 && !own) {
      say('taken, though the session is not theirs');
    }
    if (status === 404 && own && !isForgotten(run, sessionId, answered)) {
      say('not found, though the session is theirs');
    }
    if (status === 200 && JSON.stringify(body)
      !== JSON.stringify({ sessionId, reported: true })) {
      say(`answered ${JSON.stringify(body)}`);
    }
  }
}

// Redis alone knew whose session it was.
function isForgotten({ truth }, sid, at) {
  return truth.lost !== null && at > truth.lost.at
    && truth.sessions.get(sid)[0].index < truth.lost.index;
}

// Acknowledged, and lost before the store had it.
function isLost({ truth: { lost } }, sid, user) {
  return (lost?.reports ?? []).some(({ sessionId, reporter }) => (
    sessionId === sid && reporter === user));
}

// Each report has its two blocks and, in the end, its row in the store; and
// each row has its report.
export function kept(run, object) {
  const blocks = new Set(run.truth.blocks.map(
    ({ sub, other }) => `${sub} ${other}`));
  const rows = new Map();
  for (const row of run.reports) {
    const key = `${row.sessionId} ${row.reporter}`;
    if (rows.has(key)) {
      object('report', 'stored twice', { session: row.sessionId });
    }
    rows.set(key, row);
  }
  const asked = new Set();
  for (const { user, what, status, answered, sessionId } of run.requests) {
    if (what !== 'report') {
      continue;
    }
    asked.add(`${sessionId} ${user}`);
    const sides = sidesOf(run, sessionId);
    if (status !== 200 || !sides.includes(user)
      || isLost(run, sessionId, user)) {
      continue;
    }
    const other = otherOf(sides, user);
    const say = (text) => object('report', text,
      { user, session: sessionId, at: answered });
    if (!blocks.has(`${user} ${other}`) || !blocks.has(`${other} ${user}`)) {
      say('acknowledged, and the two are not kept apart');
    }
    missing(rows.get(`${sessionId} ${user}`), user, other).forEach(say);
  }
  for (const [key, row] of rows) {
    if (!asked.has(key)) {
      object('report', 'stored, and nobody reported',
        { session: row.sessionId, user: row.reporter });
    }
  }
}

function missing(row, user, other) {
  if (!row) {
    return ['acknowledged, and not in the store'];
  }
  const names = Object.keys(row).sort().join(' ');
  return [
    names !== ATTRIBUTES.join(' ') && `its attributes are ${names}`,
    row.reported !== other && `${row.reported} was reported, not ${other}`,
    !row.reason.startsWith(user) && `its reason is ${row.reason}`,
    row.expiresAt - row.at !== 90 * 86400 && 'it is not kept for 90 days',
  ].filter(Boolean);
}
