// The user document, whenever it changes: reads the event stream for as long
// as the person is signed in, and opens another whenever one ends.
//
// How it fails: a stream that ends, breaks or falls silent (the server sends
// a comment every 15 s) is opened again, after a pause that doubles from
// 0.5 s to 15 s until one delivers, or after what Retry-After or `retry:`
// asks for. A refused token is renewed once by call(); what cannot be mended
// by trying again (403, signed out) ends the reading and is told as fatal.

import { ApiError, call } from './api.js';
import { SignedOut } from './auth.js';
import { EventParser } from './sse.js';

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 15_000;
const SILENCE_MS = 40_000;

function isFatal(error) {
  return error instanceof SignedOut
    || (error instanceof ApiError && [401, 403, 404].includes(error.status));
}

// Ends early when the browser says that the network is back.
function pause(ms) {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      removeEventListener('online', done);
      resolve();
    };
    const timer = setTimeout(done, ms);

    addEventListener('online', done);
  });
}

// Calls back for every event until the stream ends; returns what the server
// asked to wait, in ms. last is the version of the last document, so that a
// server that has lost it answers with one above; or undefined.
async function readStream(auth, path, last, { onOpen, onEvent }) {
  const silence = new AbortController();
  let timer;
  const alive = () => {
    clearTimeout(timer);
    timer = setTimeout(() => silence.abort(), SILENCE_MS);
  };

  alive();

  try {
    const answer = await call(auth, path, {
      headers: {
        accept: 'text/event-stream',
        ...(last === undefined ? {} : { 'last-event-id': String(last) }),
      },
      signal: silence.signal,
    });
    const parser = new EventParser();
    const reader = answer.body.pipeThrough(new TextDecoderStream())
      .getReader();

    onOpen(answer);

    for (;;) {
      const { done, value } = await reader.read();

      if (done) {
        return parser.retry;
      }

      alive();
      parser.push(value).forEach(onEvent);
    }
  } finally {
    clearTimeout(timer);
    silence.abort();
  }
}

/**
 * Follows the document. Calls onDocument(document), onServerTime(ms) when a
 * stream opens, onTrouble(error) before each new attempt that follows a
 * failure, and returns the error that ended it.
 */
export async function follow(auth, path, handlers) {
  let wait_ms = FIRST_PAUSE_MS;
  let last;

  for (;;) {
    let asked_ms = 0;

    try {
      asked_ms = await readStream(auth, path, last, {
        onOpen: (answer) => {
          const date = Date.parse(answer.headers.get('date'));
          handlers.onServerTime(Number.isNaN(date) ? Date.now() : date);
        },
        onEvent: ({ type, data }) => {
          if (type === 'state') {
            wait_ms = FIRST_PAUSE_MS;
            const document = JSON.parse(data);
            last = document.version;
            handlers.onDocument(document);
          }
        },
      }) ?? 0;
    } catch (error) {
      if (isFatal(error)) {
        return error;
      }
      asked_ms = (error.retryAfter_s ?? 0) * 1000;
      handlers.onTrouble(error);
    }

    await pause(Math.max(asked_ms, wait_ms * (0.5 + Math.random() / 2)));
    wait_ms = Math.min(wait_ms * 2, LONGEST_PAUSE_MS);
  }
}
