// What is on the page, as a function of what is known. render() may be called
// at any time; it changes only what differs, so that a screen reader is told
// a status once.

import {
  clockText, lastText, pointsText, problemText, queueText, timeOfDay,
} from './words.js';

const SOON_S = 30;

const STATUS = {
  loading: 'One moment…',
  'signed-out': 'Talk with a stranger, face to face.',
  opening: 'Opening your camera…',
  joining: 'Joining…',
  leaving: 'Leaving…',
  waiting: 'Waiting for someone to talk to…',
  matched: 'Found someone. Connecting…',
  live: 'You are talking.',
};

function byId(id) {
  return document.getElementById(id);
}

function show(element, visible) {
  if (element.hidden === visible) {
    element.hidden = !visible;
  }
}

function write(element, text) {
  if (element.textContent !== text) {
    element.textContent = text;
  }
}

function writeOrHide(element, text) {
  write(element, text);
  show(element, text !== '');
}

function statusText({ state, doc, media, talked }) {
  if (media.elsewhere) {
    return 'This conversation goes on in another window.';
  }

  if (media.mending && ['matched', 'live'].includes(state)) {
    return 'The connection is lost. Reconnecting…';
  }

  if (state !== 'idle') {
    return STATUS[state];
  }

  if (doc.pointsLeft <= 0) {
    return 'You have used all your points.';
  }

  return talked ? 'The conversation has ended.' : 'Ready when you are.';
}

function detailText({ state, doc, talked }) {
  if (state === 'signed-out') {
    return 'You are paired with someone who waits, as you do. A minute costs'
      + ' a point. Neither is told who the other is.';
  }

  if (state === 'waiting') {
    return queueText(doc.queue);
  }

  if (state === 'matched') {
    return 'The clock starts when both of you are there.';
  }

  if (state !== 'idle') {
    return '';
  }

  const reset = doc.pointsLeft <= 0 && doc.pointsResetAt
    ? `They are back at ${timeOfDay(doc.pointsResetAt)}.` : '';

  const last = doc.last
    ? `${talked ? '' : 'Last time: '}${lastText(doc.last)}` : '';

  return [last, reset].filter(Boolean).join(' ');
}

/**
 * Shows the model: { state: a key of STATUS or 'idle'; doc: the user document
 * or null; media: see media.js; busy: an action is under way; problem: an
 * error of the last action or null; serviceTrouble: what the event stream
 * suffers from or null; signedIn; talked: a conversation was held here }.
 */
export function render(model) {
  const { state, doc, media, busy } = model;
  const talking = state === 'matched' || state === 'live';
  const trouble = model.problem ?? model.serviceTrouble;

  document.body.dataset.state = state;
  show(byId('sign-in'), state === 'signed-out');
  show(byId('sign-out'), doc !== null || Boolean(model.signedIn));
  show(byId('join'), state === 'idle');
  show(byId('leave'), state === 'waiting' || talking);
  show(byId('here'), talking && media.elsewhere);
  show(byId('hear'), talking && media.muted);
  show(byId('self'), media.selfVisible);
  show(byId('peer'), media.peerVisible);
  show(byId('stage'), media.selfVisible || media.peerVisible);

  byId('join').disabled = busy || doc?.pointsLeft <= 0;
  byId('leave').disabled = busy;

  write(byId('status'), statusText(model));
  writeOrHide(byId('detail'), detailText(model));
  writeOrHide(byId('problem'), trouble ? problemText(trouble, doc) : '');
}

// During a session the document's pointsLeft is without the points that the
// session holds; each whole minute that is left of it would give one back.
function pointsNow(doc, left_s) {
  if (!doc || (doc.session && left_s === null)) {
    return '';
  }

  const held = left_s === null ? 0 : Math.max(0, Math.floor(left_s / 60));
  return `${pointsText(doc.pointsLeft + held)} left`;
}

/**
 * Shows what passes with time: the clock, with left_s seconds (none when that
 * is null), and the points that leaving now would leave.
 */
export function renderTime(doc, left_s) {
  const clock = byId('clock');

  writeOrHide(clock, left_s === null ? '' : clockText(left_s));
  clock.classList.toggle('soon', left_s !== null && left_s <= SOON_S);
  writeOrHide(byId('points'), pointsNow(doc, left_s));
}
