// Webhooks as LiveKit signs them, sent by a test: to repeat, delay and reorder
// them at will.

import { createHash, randomBytes } from 'node:crypto';

import { AccessToken } from 'livekit-server-sdk';

export function newEventId() {
  return `EV_${randomBytes(6).toString('hex')}`;
}

export function participantEvent(event, { room, sid, side, psid, at }) {
  const seconds = String(Math.floor(at / 1000));
  return {
    event,
    id: newEventId(),
    createdAt: seconds,
    room: { name: room },
    participant: {
      sid: psid, identity: `${sid}-${side}`, joinedAt: seconds,
      joinedAtMs: String(at),
    },
  };
}

export async function sendWebhook(env, event, { key, secret, body } = {}) {
  const text = JSON.stringify(event);
  const token = new AccessToken(
    key ?? env.LIVEKIT_API_KEY, secret ?? env.LIVEKIT_API_SECRET);
  token.sha256 = createHash('sha256').update(text).digest('base64');
  const response = await fetch(`${env.CONVO_URL}/webhooks/livekit`, {
    method: 'POST',
    headers: {
      'Content-Type': 'application/webhook+json',
      Authorization: await token.toJwt(),
    },
    body: body ?? text,
  });
  await response.arrayBuffer();
  return response.status;
}
