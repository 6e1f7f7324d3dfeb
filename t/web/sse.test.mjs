// The page's reader of server-sent events, on what servers send and on what
// they should not.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { EventParser, MAX_EVENT } from '../../web/src/sse.js';

function parse(...pieces) {
  const parser = new EventParser();
  return pieces.flatMap((piece) => parser.push(piece));
}

test('an event has a type and data', () => {
  assert.deepEqual(parse('event: state\nid: 7\ndata: {"a":1}\n\n'),
    [{ type: 'state', data: '{"a":1}' }]);
});

test('without a type it is a message', () => {
  assert.deepEqual(parse('data:x\n\n'), [{ type: 'message', data: 'x' }]);
});

test('any cut of the text gives the same events', () => {
  for (const end of ['\n', '\r\n', '\r']) {
    const text = [
      'retry: 250', '', ': still here', '', 'event: state', 'data: one',
      'data: two', '', 'data', '', 'event: state', 'data: é: 1', '', '',
    ].join(end);
    const whole = parse(text, ':');

    assert.deepEqual(whole, [
      { type: 'state', data: 'one\ntwo' },
      { type: 'message', data: '' },
      { type: 'state', data: 'é: 1' },
    ]);

    for (let i = 0; i <= text.length; i++) {
      assert.deepEqual(parse(text.slice(0, i), text.slice(i), ':'), whole);
    }

    assert.deepEqual(parse(...text, ':'), whole);
  }
});

test('an unfinished event is not told', () => {
  assert.deepEqual(parse('event: state\ndata: {"a"'), []);
  assert.deepEqual(parse('event: state\ndata: {"a":1}\n'), []);
});

test('only digits are a time to wait', () => {
  const parser = new EventParser();

  parser.push('retry: soon\n');
  assert.equal(parser.retry, undefined);
  parser.push('retry\n');
  assert.equal(parser.retry, undefined);
  parser.push('retry: 1500\n');
  assert.equal(parser.retry, 1500);
});

test('an endless event is refused, many events are not', () => {
  const line = `data: ${'x'.repeat(1000)}\n`;
  const endless = new EventParser();

  assert.throws(() => {
    for (let i = 0; i <= MAX_EVENT; i += 1000) {
      endless.push(line);
    }
  }, RangeError);
  assert.throws(() => parse('x'.repeat(MAX_EVENT + 1)), RangeError);

  const parser = new EventParser();

  for (let i = 0; i <= 2 * MAX_EVENT; i += 1000) {
    assert.equal(parser.push(`${line}\n`).length, 1);
  }
});
