/** Server-sent events (the WHATWG's text/event-stream), without the reconnecting. */
import { linesOf } from './lines.js';

export interface ServerSentEvent {
  /** Of this event, or the last that had one; empty before the first. */
  readonly id: string;
  readonly event: string;
  readonly data: string;
}

/** The events of a body. What comes after the last blank line is not whole and is dropped. */
export async function* eventsOf(body: ReadableStream<Uint8Array>): AsyncGenerator<ServerSentEvent, void, void> {
  let [id, event, data] = ['', '', [] as string[]];
  for await (const line of linesOf(body)) {
    if (line === '') {
      if (data.length > 0) yield { id, event: event || 'message', data: data.join('\n') };
      [event, data] = ['', []];
      continue;
    }
    const [field, value] = fieldOf(line);
    if (field === 'id') id = value;
    else if (field === 'event') event = value;
    else if (field === 'data') data.push(value);
  }
}

/** A line that begins with a colon is a comment: its field has no name. */
function fieldOf(line: string): [field: string, value: string] {
  const colon = line.indexOf(':');
  if (colon < 0) return [line, ''];
  return [line.slice(0, colon), line.slice(colon + 1).replace(/^ /, '')];
}
