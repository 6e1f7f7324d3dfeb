// What happened in a run, as it happened: the one thing that the checker and
// the account of a fault are made from. Times are ms since the epoch, by the
// clock that Redis has, too.

export class Recording {
  constructor(settings) {
    this.settings = settings;
    this.began = Date.now();
    this.users = [];        // { sub, sessionMaxS }
    this.requests = [];     // what a user asked, and the answer
    this.streams = [];      // event streams and how long they were open
    this.told = [];         // each document a stream brought
    this.media = [];        // LiveKit's stand-in: rooms, who was inside
    this.asked = [];        // what LiveKit's stand-in was asked about rooms
    this.webhooks = [];     // those of its webhooks that the edge took
    this.bans = [];         // what the operator commanded
    this.faults = [];       // what the injector did
    this.deaths = [];       // processes that ended without being told to
    this.notes = [];        // lines of logs that must not be there
    this.marks = {};        // when the run's phases began
  }

  // A request that has been sent; the caller adds what came back.
  request(user, what, extra = {}) {
    const entry = {
      user, what, sent: Date.now(), answered: null, status: null, body: null,
      ...extra,
    };
    this.requests.push(entry);
    return entry;
  }

  stream(user) {
    const entry = {
      id: this.streams.length, user, sent: Date.now(), opened: null,
      closed: null, by: null,
    };
    this.streams.push(entry);
    return entry;
  }

  document(user, stream, document) {
    this.told.push({ user, stream, at: Date.now(), document });
  }

  medium(what, room, extra = {}) {
    this.media.push({ at: Date.now(), what, room, ...extra });
  }

  fault(kind, target) {
    const entry = { kind, target, from: Date.now(), to: null };
    this.faults.push(entry);
    return entry;
  }

  mark(phase) {
    this.marks[phase] = Date.now();
  }
}

// A document without its credentials, which are long and tell nothing.
export function withoutCredentials(document) {
  if (!document?.session) {
    return document;
  }
  const { livekit, iceServers, ...session } = document.session;
  return { ...document, session: { ...session, hasToken: Boolean(livekit) } };
}
