// Camera, microphone and the LiveKit room.
//
// The room follows the user document: follow(session) is called with every
// document's session (or null) and connects, stays or disconnects. The token
// and the ICE servers are those that the document brought.
//
// How it fails: LiveKit's client mends short losses by itself; when it gives
// up, another connection is made after a pause for as long as the document
// has the session.
//
// A person may have several windows, and a room takes each person once. The
// window that joined (its camera is open) connects at once, as does one that
// was loaded during the session; any other gives those a few seconds and
// connects only if the session has not begun by then. A window whose place
// another one took leaves it to that one, camera and all, until its person
// says that they want to go on here.

import {
  DisconnectReason, LogLevel, Room, RoomEvent, Track, createLocalTracks,
  setLogLevel,
} from 'livekit-client';

const AGAIN_MS = 2_000;
const YIELD_MS = 4_000;

setLogLevel(LogLevel.warn);

export class Media {
  #room = null;
  #session = null;
  #elsewhere = null;
  #fresh = true;
  #opening = null;
  #tracks = [];
  #timer;
  #on;
  #elements;

  /**
   * elements: { self, peer } video elements; on: { change(), problem(code) }
   * are called when something to be shown has changed.
   */
  constructor(elements, on) {
    this.#elements = elements;
    this.#on = on;
    this.peerVisible = false;
    this.mending = false;
    this.muted = false;
  }

  get selfVisible() {
    return this.#tracks.some((track) => track.kind === Track.Kind.Video);
  }

  get elsewhere() {
    return this.#elsewhere !== null
      && this.#elsewhere === this.#session?.sessionId;
  }

  /**
   * Opens camera and microphone and shows the camera. Rejects with an Error
   * whose message is a code: no_camera, camera_refused, camera_busy. A missing
   * microphone is no error: the person is seen, not heard.
   */
  async open() {
    this.#opening ??= this.#openTracks().finally(() => {
      this.#opening = null;
    });
    await this.#opening;
  }

  async #openTracks() {
    if (this.selfVisible) {
      return;
    }

    try {
      this.#tracks = await createLocalTracks({ audio: true, video: true })
        .catch((error) => {
          if (error.name !== 'NotFoundError') {
            throw error;
          }
          return createLocalTracks({ audio: false, video: true });
        });
    } catch (error) {
      throw new Error({
        NotFoundError: 'no_camera',
        NotAllowedError: 'camera_refused',
        NotReadableError: 'camera_busy',
      }[error.name] ?? 'no_camera', { cause: error });
    }

    this.#tracks.find((track) => track.kind === Track.Kind.Video)
      ?.attach(this.#elements.self);
    this.#on.change();
  }

  /** Ends the capture. */
  close() {
    for (const track of this.#tracks) {
      track.stop();
      track.detach();
    }

    this.#tracks = [];
    this.#on.change();
  }

  /** Is in the room of this session, or in none when it is null. */
  follow(session) {
    const changed = session?.sessionId !== this.#session?.sessionId;
    const fresh = this.#fresh;

    this.#session = session;
    this.#fresh = false;

    if (!changed) {
      return;
    }

    this.#elsewhere = null;
    this.#disconnect();

    if (session && (fresh || this.selfVisible)) {
      this.#connect();
    } else if (session) {
      this.#timer = setTimeout(() => this.#connectUnlessBegun(), YIELD_MS);
    }
  }

  #connectUnlessBegun() {
    if (this.#session.startTime === null) {
      this.#connect();
    } else {
      this.#elsewhere = this.#session.sessionId;
      this.#on.change();
    }
  }

  /** Goes on in this window: the room puts the other one out. */
  takeOver() {
    if (this.elsewhere) {
      this.#elsewhere = null;
      this.#connect();
      this.#on.change();
    }
  }

  /** Turns the sound on; to be called from a click. */
  async hear() {
    await this.#room?.startAudio();
  }

  #disconnect() {
    const room = this.#room;

    clearTimeout(this.#timer);
    this.#room = null;
    this.peerVisible = false;
    this.mending = false;
    this.muted = false;
    room?.disconnect(false);
    this.#on.change();
  }

  async #connect() {
    const room = new Room({ adaptiveStream: true, dynacast: true });
    const { livekit, iceServers } = this.#session;

    this.#room = room;
    this.#listen(room);

    try {
      await room.connect(livekit.url, livekit.token, {
        ...(iceServers?.length ? { rtcConfig: { iceServers } } : {}),
      });
      await this.#publish(room);
    } catch (error) {
      this.#lost(room, error);
    }
  }

  async #publish(room) {
    try {
      await this.open();
    } catch (error) {
      this.#on.problem(error.message);
      return;
    }

    // The room may have been left while the camera opened.
    if (room === this.#room) {
      await Promise.all(this.#tracks.map(
        (track) => room.localParticipant.publishTrack(track),
      ));
    } else if (this.elsewhere) {
      this.close();
    }
  }

  #lost(room, error) {
    if (room !== this.#room) {
      return;
    }

    console.warn('convo: room lost', error);
    this.#disconnect();
    this.mending = true;
    this.#on.change();
    this.#timer = setTimeout(() => {
      if (this.#session && !this.#room) {
        this.#connect();
      }
    }, AGAIN_MS);
  }

  #listen(room) {
    // Events of a room that was left behind change nothing.
    const on = (event, handler) => room.on(event, (...args) => {
      if (room === this.#room) {
        handler(...args);
        this.#on.change();
      }
    });

    on(RoomEvent.TrackSubscribed, (track) => {
      track.attach(this.#elements.peer);
      this.peerVisible ||= track.kind === Track.Kind.Video;
    });

    on(RoomEvent.TrackUnsubscribed, (track) => {
      track.detach();

      if (track.kind === Track.Kind.Video) {
        this.peerVisible = false;
      }
    });

    on(RoomEvent.AudioPlaybackStatusChanged, () => {
      this.muted = !room.canPlaybackAudio;
    });

    on(RoomEvent.Reconnecting, () => {
      this.mending = true;
    });

    on(RoomEvent.Reconnected, () => {
      this.mending = false;
    });

    on(RoomEvent.Connected, () => {
      this.mending = false;
    });

    on(RoomEvent.Disconnected, (reason) => {
      if (reason === DisconnectReason.DUPLICATE_IDENTITY) {
        this.#elsewhere = this.#session?.sessionId ?? null;
        this.#disconnect();
        this.close();
      } else if (reason === DisconnectReason.ROOM_DELETED) {
        // The session is over; the document will say so.
        this.#disconnect();
      } else {
        this.#lost(room, reason);
      }
    });
  }
}
