// Requests and event streams of simulated users: as little as does it, as two
// hundred of them share one process.

import http from 'node:http';

// Answers { status, body }, or { error } when there was no whole answer.
// signal ends it early: a client that goes away.
export function call(port, method, path, token,
  { agent, body, timeout = 8000, signal } = {}) {
  const text = body === undefined ? '' : JSON.stringify(body);
  return new Promise((resolve) => {
    const request = http.request({
      host: '127.0.0.1', port, method, path, agent, signal, timeout,
      headers: {
        Authorization: `Bearer ${token}`,
        ...(text && {
          'Content-Type': 'application/json',
          'Content-Length': Buffer.byteLength(text),
        }),
      },
    }, (response) => {
      let answer = '';
      response.setEncoding('utf8');
      response.on('data', (chunk) => {
        answer += chunk;
      });
      response.on('error', (error) => resolve({ error: error.code }));
      response.on('end', () => {
        if (!response.complete) {
          resolve({ error: 'cut off' });
          return;
        }
        resolve(read(response, answer));
      });
    });
    request.on('timeout', () => request.destroy(new Error('timeout')));
    request.on('error', (error) => resolve(
      { error: error.code ?? error.message }));
    request.end(text);
  });
}

function read(response, text) {
  const { statusCode: status, headers } = response;
  try {
    return { status, headers, body: text ? JSON.parse(text) : null };
  } catch {
    return { status, headers, body: null, text };
  }
}

// Reads an event stream: opened(status), event(data), and at its end closed().
// Returns what ends it.
export function follow(port, path, token, { opened, event, closed }) {
  let rest = '';
  let over = false;
  const end = () => {
    if (!over) {
      over = true;
      closed();
    }
  };
  const request = http.request({
    host: '127.0.0.1', port, path, agent: false,
    headers: { Authorization: `Bearer ${token}` },
  }, (response) => {
    opened(response.statusCode);
    response.setEncoding('utf8');
    response.on('data', (chunk) => {
      const events = (rest + chunk).split('\n\n');
      rest = events.pop();
      for (const text of events) {
        const data = /^data: ?(.*)$/m.exec(text);
        if (data && !over) {
          event(JSON.parse(data[1]));
        }
      }
    });
    response.on('error', end);
    response.on('close', end);
  });
  request.on('error', end);
  request.on('close', end);
  request.end();
  return () => {
    request.destroy();
    end();
  };
}
