// Server-sent events out of a stream of text (the HTML standard, "Server-sent
// events"), for a fetch: EventSource cannot send an Authorization header.
//
// Text comes in pieces of any size, cut anywhere. An event larger than
// MAX_EVENT is refused, so that a broken server cannot fill the memory.

export const MAX_EVENT = 256 * 1024;

const LINE_END = /\r\n|\n|\r(?!$)/;

export class EventParser {
  #rest = '';
  #data = [];
  #type = '';
  #size = 0;

  /** The time in ms that the server asked to wait before reconnecting. */
  retry;

  /**
   * The events that text completes, as { type, data }. Throws RangeError when
   * one is too large; the parser is of no use after that.
   */
  push(text) {
    const lines = (this.#rest + text).split(LINE_END);

    this.#rest = lines.pop();
    this.#limit(this.#rest.length);
    return lines.map((line) => this.#line(line)).filter(Boolean);
  }

  #limit(more) {
    if (this.#size + more > MAX_EVENT) {
      throw new RangeError('event too large');
    }
  }

  #line(line) {
    if (line === '') {
      return this.#dispatch();
    }

    const [, name, value] = /^([^:]*)(?::[ ]?(.*))?$/s.exec(line);

    if (name === 'data') {
      this.#limit(value?.length ?? 0);
      this.#size += value?.length ?? 0;
      this.#data.push(value ?? '');
    } else if (name === 'event') {
      this.#type = value ?? '';
    } else if (name === 'retry' && /^\d+$/.test(value)) {
      this.retry = Number(value);
    }

    return undefined;
  }

  #dispatch() {
    const event = this.#data.length > 0
      ? { type: this.#type || 'message', data: this.#data.join('\n') }
      : undefined;

    this.#data = [];
    this.#type = '';
    this.#size = 0;
    return event;
  }
}
