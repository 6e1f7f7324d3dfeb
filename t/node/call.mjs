// Real LiveKit clients in a room, with exactly the credentials a user was
// sent.

import {
  AudioFrame, AudioSource, LocalAudioTrack, Room, RoomEvent, TrackKind,
  TrackPublishOptions, TrackSource,
} from '@livekit/rtc-node';

const RATE = 48000;

export class Call {
  constructor({ livekit, iceServers }) {
    this.credentials = livekit;
    this.iceServers = iceServers;
    this.heard = [];
    this.tracks = [];
    this.room = new Room();
    this.room.on(RoomEvent.DataReceived, (payload) => {
      this.heard.push(Buffer.from(payload).toString());
    });
    this.room.on(RoomEvent.TrackSubscribed, (track) => {
      this.tracks.push(track.kind === TrackKind.KIND_AUDIO ? 'audio' : 'video');
    });
    this.disconnected = new Promise((resolve) => {
      this.room.on(RoomEvent.Disconnected, (reason) => resolve(reason ?? 0));
    });
  }

  async connect() {
    await this.room.connect(this.credentials.url, this.credentials.token,
      { autoSubscribe: true, dynacast: false });
    return this;
  }

  // Publishes a second of a quiet tone.
  async speak() {
    const source = new AudioSource(RATE, 1);
    const track = LocalAudioTrack.createAudioTrack('microphone', source);
    const options = new TrackPublishOptions();
    options.source = TrackSource.SOURCE_MICROPHONE;
    await this.room.localParticipant.publishTrack(track, options);
    const samples = Int16Array.from({ length: RATE / 10 },
      (_, i) => 2000 * Math.sin(i / 20));
    for (let i = 0; i < 10; i++) {
      await source.captureFrame(new AudioFrame(samples, RATE, 1,
        samples.length));
    }
  }

  say(text) {
    return this.room.localParticipant.publishData(
      Buffer.from(text), { reliable: true });
  }

  async hangUp() {
    await this.room.disconnect();
  }
}
