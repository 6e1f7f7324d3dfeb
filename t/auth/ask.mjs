// Requests of any bytes: a header line is sent as it is, which node's own
// client would refuse, over a connection that is kept while NGINX keeps it.

import { createConnection } from 'node:net';

export class Asker {
  constructor(port) {
    this.port = port;
  }

  // { status, headers, body } of a GET with these header lines (latin1).
  get(uri, ...lines) {
    return this.send([`GET ${uri} HTTP/1.1`, 'Host: localhost', ...lines, '',
      ''].join('\r\n'));
  }

  send(text) {
    return new Promise((resolve, reject) => {
      this.socket ??= createConnection(this.port, '127.0.0.1');
      const socket = this.socket;
      let got = '';
      const done = (error) => {
        socket.removeAllListeners();
        const answer = parse(got);
        if (error || !answer || answer.headers.connection === 'close') {
          socket.on('error', () => {}).destroy();
          this.socket = undefined;
        }
        return answer ? resolve(answer)
          : reject(error ?? new Error(`half an answer: ${got}`));
      };
      socket.on('data', (bytes) => {
        got += bytes.toString('latin1');
        if (parse(got)) {
          done();
        }
      });
      socket.on('error', done).on('close', () => done());
      socket.write(text, 'latin1');
    });
  }

  close() {
    this.socket?.destroy();
  }
}

// NGINX's own answers and ours have a Content-Length.
function parse(text) {
  const end = text.indexOf('\r\n\r\n');
  if (end < 0) {
    return undefined;
  }
  const [first, ...lines] = text.slice(0, end).split('\r\n');
  const headers = Object.fromEntries(lines.map((line) => {
    const colon = line.indexOf(':');
    return [line.slice(0, colon).toLowerCase(), line.slice(colon + 2)];
  }));
  const body = text.slice(end + 4);
  if (body.length < Number(headers['content-length'])) {
    return undefined;
  }
  return { status: Number(first.split(' ')[1]), headers, body };
}
