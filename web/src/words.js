// Everything the page says, in one place.

const PROBLEMS = {
  banned: 'This account may not take part in conversations.',
  camera_busy: 'Your camera is in use by another program.'
    + ' Close that and try again.',
  camera_refused: 'This page may not use your camera and microphone.'
    + ' Allow it in the browser’s address bar and try again.',
  email_not_verified: 'Your e-mail address is not verified yet. Verify it,'
    + ' then sign in again.',
  keys_unavailable: 'Sign-ins cannot be checked at the moment. Trying again…',
  network: 'The connection is lost. Trying again…',
  no_camera: 'No camera was found. Connect one and try again.',
  no_config: 'This page is not set up: its config.json is missing.',
  provider_not_allowed: 'Conversations need an account with Google.'
    + ' Sign in again and choose “Continue with Google”.',
  sign_in_ended: 'Your sign-in has ended. Please sign in again.',
  sign_in_unavailable: 'The sign-in service does not answer. Trying again…',
  stale_sign_in: 'That sign-in was started elsewhere or long ago.'
    + ' Please sign in again.',
  access_denied: 'The sign-in was cancelled.',
};

const UNAVAILABLE = 'The service is unavailable at the moment.'
  + ' Trying again…';

const REASONS = {
  failed: 'The conversation could not be held.',
  left: 'You left the conversation.',
  no_show: 'The conversation did not come about.',
  peer_left: 'The other person left.',
  time_up: 'Time is up.',
};

function plural(count, one, many = `${one}s`) {
  return `${count} ${count === 1 ? one : many}`;
}

export function pointsText(count) {
  return plural(count, 'point');
}

export function timeOfDay(epoch_s) {
  return new Date(epoch_s * 1000).toLocaleTimeString([], {
    hour: '2-digit', minute: '2-digit',
  });
}

/** The countdown: m:ss, never below zero. */
export function clockText(seconds) {
  const left = Math.max(0, Math.ceil(seconds));
  return `${Math.floor(left / 60)}:${String(left % 60).padStart(2, '0')}`;
}

export function durationText(seconds) {
  const parts = [];

  if (seconds >= 60) {
    parts.push(plural(Math.floor(seconds / 60), 'minute'));
  }

  if (seconds % 60 > 0 || seconds < 60) {
    parts.push(plural(seconds % 60, 'second'));
  }

  return parts.join(' and ');
}

/** A failure as a sentence; document is the last user document, or null. */
export function problemText(error, document) {
  const code = error.code ?? error.message;

  if (code === 'no_points') {
    const at = document?.pointsResetAt;
    return `You have no points left.${
      at ? ` They are back at ${timeOfDay(at)}.` : ''}`;
  }

  if (PROBLEMS[code]) {
    return PROBLEMS[code];
  }

  if (error.status === 401) {
    return PROBLEMS.sign_in_ended;
  }

  if (error.status >= 500 || error.status === 429 || !error.status) {
    return UNAVAILABLE;
  }

  return `That did not work (${code}).`;
}

/** What became of the last session. */
export function lastText({ reason, duration, pointsSpent }) {
  const why = REASONS[reason] ?? 'The conversation has ended.';

  if (!duration && !pointsSpent) {
    return `${why} It cost nothing.`;
  }

  return `${why} You talked for ${durationText(duration)};`
    + ` that cost ${pointsText(pointsSpent)}.`;
}

export function queueText(queue) {
  if (!queue) {
    return '';
  }

  const place = queue.position > 0
    ? `You are number ${queue.position} in the queue.` : '';
  const wait = queue.estimatedWait > 0
    ? ` About ${durationText(Math.round(queue.estimatedWait))} to go.` : '';

  return `${place}${wait}`.trim();
}
