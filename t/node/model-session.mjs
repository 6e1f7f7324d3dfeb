// The reference model's sessions: from the match to their one ending. See
// model.mjs.

import {
  PoolModel, sessionFields, stateOf, waitFields,
} from './model.mjs';

const DAY_MS = 86400 * 1000;
const KEPT_S = 90 * 86400;
const LEFT_MAX = 32;

const other = (side) => (side === 'a' ? 'b' : 'a');
const subOf = (ticket) => ticket.slice(ticket.indexOf(':') + 1);

export class Model extends PoolModel {
  // --- the match ---

  commit(id, one, two, sid) {
    const known = this.sessions.get(sid);
    if (known?.reserved !== undefined) {
      return ['matched', known.reserved];
    }
    if (!(this.claims.get(id) > this.now) || !this.holds(id, one)
      || !this.holds(id, two)) {
      this.closing.set(this.room(sid), this.now);
      return ['lost'];
    }

    const tickets = { a: one, b: two };
    const subs = { a: subOf(one), b: subOf(two) };
    const good = this.goodSides(tickets, subs);
    const terms = good.a && good.b && this.terms(subs);
    let verdict = 'void';
    if (terms && this.blocked.get(subs.a)?.has(subs.b)) {
      verdict = 'blocked';
    } else if (terms) {
      for (const side of ['a', 'b']) {
        if (terms.left[side] < 1) {
          good[side] = false;
          this.fail(subs[side]);
        }
      }
      verdict = good.a && good.b ? 'matched' : 'void';
    }

    for (const side of ['b', 'a']) {
      this.takeFromClaim(id, tickets[side]);
      if (verdict !== 'matched' && good[side]) {
        this.queue.unshift(tickets[side]);
      }
    }
    if (verdict !== 'matched') {
      this.closing.set(this.room(sid), this.now);
      return [verdict];
    }
    return ['matched', this.match(sid, subs, terms)];
  }

  goodSides(tickets, subs) {
    const good = {};
    for (const side of ['a', 'b']) {
      const user = this.user(subs[side]);
      good[side] = user.state === 'waiting' && user.ticket === tickets[side];
    }
    if (subs.a === subs.b && good.a) {
      good.b = false;
    }
    return good;
  }

  terms({ a, b }) {
    const least = (name) =>
      Math.min(this.user(a)[name], this.user(b)[name]);
    const points = least('join_points');
    const left = { a: this.left(a, points), b: this.left(b, points) };
    return {
      left, windowMs: least('join_window'), maxS: least('join_max'),
      reserved: Math.min(Math.ceil(least('join_max') / 60), left.a, left.b),
    };
  }

  match(sid, subs, { windowMs, maxS, reserved }) {
    const session = {
      state: 'matched', a: subs.a, b: subs.b, committed: this.now, reserved,
      window_ms: windowMs, max_ms: 1000 * maxS, no_show_ms: this.noShowMs,
      absence_ms: this.absenceMs,
    };
    for (const side of ['a', 'b']) {
      const sub = subs[side];
      const user = this.user(sub);
      const set = {
        state: 'matched', sid, side, peer: subs[other(side)],
        committed: this.now, reserved,
      };
      if (!this.hasWindow(sub)) {
        Object.assign(set, { window_end: this.now + windowMs, spent: 0 });
      }
      session[`window_${side}`] = set.window_end ?? user.window_end;
      session[`order_${side}`] = user.order;
      session[`since_${side}`] = user.waiting_since;
      this.average(this.now - user.waiting_since);
      this.change(sub, set, waitFields);
    }
    this.sessions.set(sid, session);
    this.due.set(sid, this.now + this.noShowMs);
    this.probes.set(sid, this.now + this.probeMs);
    this.closing.delete(this.room(sid));
    this.stats.matches = (this.stats.matches ?? 0) + 1;
    return reserved;
  }

  average(wait) {
    const old = this.stats.wait_ms;
    this.stats.wait_ms = Math.floor(
      old === undefined ? wait : old + 0.1 * (wait - old));
  }

  // --- what a session is ---

  goesOn(sid) {
    return ['matched', 'live'].includes(this.sessions.get(sid)?.state);
  }

  isBroken(sid) {
    return this.sessions.get(sid)?.max_ms === 'odd' && this.goesOn(sid);
  }

  clamp(session, at) {
    return Math.max(session.committed,
      Math.min(at, this.now, session.ends ?? Infinity));
  }

  nextLook(session) {
    if (session.state === 'matched') {
      return session.committed + session.no_show_ms;
    }
    return Math.min(session.ends, ...['gone_a', 'gone_b']
      .map((name) => (session[name] ?? Infinity) + session.absence_ms));
  }

  // Who went first, and when.
  firstGone({ gone_a: a, gone_b: b }) {
    if (a === undefined && b === undefined) {
      return null;
    }
    return b === undefined || a <= b
      ? { side: 'a', at: a } : { side: 'b', at: b };
  }

  // --- who is there ---

  participant({ sid }, side, what, psid, time) {
    if (this.isBroken(sid)) {
      this.due.set(sid, this.now);
      return 'broken';
    }
    if (!this.goesOn(sid)) {
      return 'ended';
    }
    const session = this.sessions.get(sid);
    const at = this.clamp(session, time);
    const outcome = what === 'joined'
      ? this.came(sid, session, side, psid, at)
      : this.went(session, side, psid, at);
    if (outcome !== 'ignored') {
      this.due.set(sid, this.nextLook(session));
    }
    return outcome;
  }

  came(sid, session, side, psid, at) {
    const [here, also, joined] = [`here_${side}`, `also_${side}`,
      `joined_${side}`];
    const leftAt = session[`left:${psid}`];
    if (session[`psid_${side}`] === psid || session[also] === psid) {
      return 'ignored';
    }
    if (leftAt !== undefined) {
      if (session[here] !== undefined || leftAt < at) {
        return 'ignored';
      }
      session[`psid_${side}`] = psid;
      const live = this.tryLive(sid, session, side, at, leftAt);
      this.goes(session, side, leftAt);
      return live ? 'live' : 'noted';
    }
    if (session[here] !== undefined && at < session[joined]) {
      return 'ignored';
    }
    if (session[here] !== undefined && at === session[joined]) {
      session[also] = session[`psid_${side}`];
    } else {
      delete session[also];
    }
    session[`psid_${side}`] = psid;
    session[joined] = at;
    if (session[here] === undefined) {
      session[here] = at;
      delete session[`gone_${side}`];
    }
    return this.tryLive(sid, session, side, at, Infinity) ? 'live' : 'noted';
  }

  went(session, side, psid, at) {
    const [current, also] = [`psid_${side}`, `also_${side}`];
    if (session[`left:${psid}`] !== undefined) {
      return 'ignored';
    }
    if (Object.keys(session).filter((name) => name.startsWith('left:'))
      .length < LEFT_MAX) {
      session[`left:${psid}`] = at;
    }
    if (session[also] === psid) {
      delete session[also];
    } else if (session[current] === psid
      && session[`here_${side}`] !== undefined) {
      if (session[also] !== undefined) {
        session[current] = session[also];
        delete session[also];
      } else {
        this.goes(session, side, at);
      }
    }
    return 'noted';
  }

  goes(session, side, at) {
    session[`gone_${side}`] = Math.max(at, session[`gone_${side}`] ?? 0);
    delete session[`here_${side}`];
  }

  tryLive(sid, session, side, from, till) {
    const there = session[`here_${other(side)}`];
    const start = Math.max(from, there ?? 0);
    if (session.state !== 'matched' || there === undefined || start > till) {
      return false;
    }
    const ends = start + Math.min(60000 * session.reserved, session.max_ms);
    Object.assign(session, { state: 'live', start, ends });
    for (const one of ['a', 'b']) {
      const [sub, peer] = [session[one], session[other(one)]];
      if (this.user(sub).sid === sid) {
        this.change(sub, { state: 'live', start, ends });
      }
      const met = this.met.get(sub) ?? new Map();
      for (const [whom, until] of met) {
        if (until <= this.now) {
          met.delete(whom);
        }
      }
      this.met.set(sub, met.set(peer, this.now + session.window_ms));
      this.expire(`met:${sub}`, session.window_ms);
    }
    return true;
  }

  // --- the end ---

  look({ sid }) {
    const session = this.sessions.get(sid);
    if (this.isBroken(sid)) {
      return 'broken';
    }
    if (!this.goesOn(sid)) {
      this.due.delete(sid);
      this.probes.delete(sid);
      return 'ended';
    }
    const due = this.nextLook(session);
    if (this.now < due) {
      this.due.set(sid, due);
      return 'early';
    }
    return session.state === 'matched'
      ? this.lookMatched(sid, session) : this.lookLive(sid, session);
  }

  lookMatched(sid, session) {
    const [a, b] = ['a', 'b'].map((side) =>
      session[`here_${side}`] !== undefined
      || session[`gone_${side}`] + session.absence_ms > this.now);
    if (a && b) {
      this.due.set(sid, this.now + session.absence_ms);
      return 'early';
    }
    this.end(sid, this.now, {
      a: a ? 'requeue' : 'no_show', b: b ? 'requeue' : 'no_show',
    });
    return 'no_show';
  }

  lookLive(sid, session) {
    const gone = this.firstGone(session);
    if (gone && gone.at + session.absence_ms <= session.ends) {
      this.end(sid, gone.at, this.leftBy(gone.side));
      return 'left';
    }
    this.end(sid, session.ends, { a: 'time_up', b: 'time_up' });
    return 'time_up';
  }

  leftBy(side) {
    return { [side]: 'left', [other(side)]: 'peer_left' };
  }

  failSession({ sid }, time, how) {
    if (this.isBroken(sid)) {
      this.due.set(sid, this.now);
      return 'broken';
    }
    if (!this.goesOn(sid)) {
      return 'ended';
    }
    const session = this.sessions.get(sid);
    const gone = this.firstGone(session);
    if (session.state === 'live' && gone) {
      this.end(sid, gone.at, this.leftBy(gone.side));
      return 'left';
    }
    const went = how === 'found' ? session.missed ?? time : time;
    const at = Math.max(this.clamp(session, went), session.start ?? 0);
    const reason = at === session.ends ? 'time_up' : 'failed';
    this.end(sid, at, { a: reason, b: reason });
    return reason;
  }

  miss({ sid }, time) {
    const session = this.sessions.get(sid);
    if (!this.goesOn(sid) || (session.missed === undefined) === (time === 0)) {
      return 0;
    }
    if (time === 0) {
      delete session.missed;
    } else {
      session.missed = Math.min(time, this.now);
    }
    return 1;
  }

  leave(sub) {
    const user = this.user(sub);
    if (user.state === 'waiting') {
      this.change(sub, { state: 'idle' }, waitFields);
    } else if (stateOf(user) !== 'idle') {
      this.leaveSession(sub);
    } else if (this.isOpen) {
      this.change(sub, {});
    } else {
      return { status: 'restoring' };
    }
    return this.answer('ok', sub);
  }

  leaveSession(sub) {
    const { sid, side, peer } = this.user(sub);
    const broken = this.isBroken(sid);
    if (broken || !this.goesOn(sid)) {
      this.free(side === 'a' ? sub : peer, sid);
      this.free(side === 'a' ? peer : sub, sid);
      if (broken) {
        this.due.set(sid, this.now);
      }
      return;
    }
    const session = this.sessions.get(sid);
    let ending = { side, at: this.now };
    if (session.state === 'live') {
      const gone = this.firstGone(session);
      ending.at = this.clamp(session, this.now);
      if (gone && gone.at + session.absence_ms <= ending.at) {
        ending = gone;
      }
    }
    this.end(sid, ending.at, ending.at === session.ends
      ? { a: 'time_up', b: 'time_up' } : this.leftBy(ending.side));
  }

  end(sid, at, reasons) {
    const session = this.sessions.get(sid);
    const first = Math.floor(session.start / 1000);
    const last = Math.max(first, Math.floor(at / 1000));
    const duration = session.start === undefined ? 0 : last - first;
    const points = Math.min(session.reserved, Math.ceil(duration / 60));

    for (const side of ['a', 'b']) {
      if (reasons[side] === 'requeue') {
        this.requeue(sid, session, side);
      } else {
        this.endUser(sid, session, side, reasons[side], duration, points);
      }
    }
    Object.assign(session, { state: 'ended', ended: at });
    this.expire(`session:${sid}`, 25 * 3600 * 1000);
    this.due.delete(sid);
    this.probes.delete(sid);
    this.closing.set(this.room(sid), this.now);
    if (session.start !== undefined) {
      this.record(sid, session, { first, last, duration, points, reasons });
    }
  }

  endUser(sid, session, side, reason, duration, points) {
    const sub = session[side];
    const user = this.user(sub);
    if (user.sid !== sid) {
      return;
    }
    const set = {
      state: 'idle', last_sid: sid, last_reason: reason,
      last_duration: duration, last_points: points,
    };
    if (session.start !== undefined) {
      set.last_session_s = Math.floor(session.start / 1000);
    }
    this.settle(sub, session[`window_${side}`], points, set);
  }

  // What was reserved goes back to its own window; one in which nothing was
  // spent closes.
  settle(sub, window, points, set) {
    const user = this.user(sub);
    const unset = [...sessionFields, 'reserved',
      ...(set.state === 'idle' ? waitFields : [])];
    if (user.window_end !== undefined && user.window_end === window) {
      const spent = (user.spent ?? 0) + points;
      if (spent > 0) {
        set.spent = spent;
      } else {
        unset.push('spent', 'window_end');
      }
    }
    this.change(sub, set, unset);
  }

  requeue(sid, session, side) {
    const sub = session[side];
    if (this.user(sub).sid !== sid) {
      return;
    }
    const order = session[`order_${side}`];
    const version = Math.max((this.user(sub).version ?? 0) + 1, this.now);
    const ticket = `${order}.${version}:${sub}`;
    this.queue.unshift(ticket);
    this.settle(sub, session[`window_${side}`], 0, {
      state: 'waiting', ticket, order, seen: this.now, tries: 0,
      waiting_since: session[`since_${side}`],
    });
  }

  record(sid, session, { first, last, duration, points, reasons }) {
    this.ended.push({
      sessionId: sid, userA: session.a, userB: session.b, startTime: first,
      endTime: last, duration, expiresAt: last + KEPT_S,
    });
    for (const side of ['a', 'b']) {
      const item = {
        sessionId: sid, startTime: first, endTime: last, duration,
        pointsSpent: points, reason: reasons[side],
      };
      const list = [item, ...this.histories.get(session[side]) ?? []];
      this.histories.set(session[side], list.slice(0, 50));
      this.expire(`history:${session[side]}`, 90 * DAY_MS);
    }
  }

  history(sub, limit) {
    const now = Math.floor(this.now / 1000);
    return (this.histories.get(sub) ?? []).slice(0, limit)
      .filter(({ endTime }) => endTime + KEPT_S > now);
  }

  // --- damage ---

  free(sub, sid) {
    const user = this.user(sub);
    if (user.sid !== sid) {
      return 0;
    }
    this.settle(sub, user.window_end, 0, {
      state: 'idle', last_sid: sid, last_reason: 'failed', last_duration: 0,
      last_points: 0,
    });
    return 1;
  }

  // The store has it: it goes on in older data alone.
  endLost(sid) {
    if (!this.goesOn(sid) || this.isBroken(sid)) {
      return;
    }
    const session = this.sessions.get(sid);
    for (const side of ['a', 'b']) {
      this.endUser(sid, session, side, 'failed', 0, 0);
    }
    Object.assign(session, { state: 'ended', ended: this.now });
    this.expire(`session:${sid}`, 25 * 3600 * 1000);
    this.due.delete(sid);
    this.probes.delete(sid);
    this.closing.set(this.room(sid), this.now);
  }

  burySession({ sid, a, b }, reason = 'rubbish') {
    const freed = this.free(a, sid) + this.free(b, sid);
    const session = this.sessions.get(sid);
    if (session) {
      Object.assign(session, { state: 'ended', ended: this.now });
      this.expire(`session:${sid}`, 25 * 3600 * 1000);
    }
    this.due.delete(sid);
    this.probes.delete(sid);
    this.closing.set(this.room(sid), this.now);
    this.letter('sessions', sid, reason);
    return freed;
  }

  // --- safety ---

  report(sub, sid, reason = 'rude') {
    const session = this.sessions.get(sid);
    const side = ['a', 'b'].find((one) => session?.[one] === sub);
    if (!side || session.ended + DAY_MS <= this.now) {
      return ['not_found'];
    }
    if (session[`reported_${side}`] !== undefined) {
      return ['repeated'];
    }
    this.block(session.a, session.b);
    this.block(session.b, session.a);
    session[`reported_${side}`] = this.now;
    const at = Math.floor(this.now / 1000);
    this.reports.push({
      sessionId: sid, reporter: sub, reported: session[other(side)], reason,
      at, expiresAt: at + KEPT_S,
    });
    return ['ok'];
  }

  ban(sub, until) {
    if (!this.isOpen) {
      return ['restoring'];
    }
    if (until === 0) {
      if (this.user(sub).banned_until !== undefined) {
        this.change(sub, {}, ['banned_until']);
      }
      return ['ok'];
    }
    if (this.user(sub).state === 'waiting') {
      this.fail(sub);
    } else if (stateOf(this.user(sub)) !== 'idle') {
      this.leaveSession(sub);
    }
    if (this.user(sub).banned_until !== until) {
      this.change(sub, { banned_until: until });
    }
    return ['ok'];
  }
}
