// Somebody in a room as a process of its own, so that it can be killed in the
// middle of a conversation:
//
//   const guest = await startGuest(document.session);
//   guest.kill('SIGKILL');

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

import { Call } from './call.mjs';

const self = fileURLToPath(import.meta.url);

export async function startGuest({ livekit }) {
  const guest = spawn(process.execPath, [self],
    { stdio: ['pipe', 'pipe', 'inherit'] });
  guest.stdin.end(JSON.stringify({ livekit }));
  guest.stdout.setEncoding('utf8');
  for await (const text of guest.stdout) {
    if (text.includes('here')) {
      return guest;
    }
  }
  const [code] = await once(guest, 'exit');
  throw new Error(`the guest ended with ${code}`);
}

if (process.argv[1] === self) {
  let text = '';
  for await (const chunk of process.stdin) {
    text += chunk;
  }
  const call = await new Call(JSON.parse(text)).connect();
  console.log('here');
  await call.disconnected;
  process.exit(0);
}
