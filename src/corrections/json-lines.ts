/** JSON Lines as they come in: a stream of bytes cut at line feeds, none held longer than it may be. */
import { isUtf8 } from 'node:buffer';

/** Bytes of a line, without its line feed. */
const MOST_LINE_BYTES = 1024 * 1024;

export interface Line {
  /** From 1. */
  readonly number: number;
  /** null: `fault` says what is wrong with it. */
  readonly value: unknown;
  readonly fault: string | null;
}

const FEED = 0x0a;

/** Cuts at line feeds; what goes over the limit is counted but not kept. */
class Cutter {
  #parts: Uint8Array[] = [];
  #bytes = 0;

  add(part: Uint8Array): void {
    this.#bytes += part.length;
    if (this.#bytes <= MOST_LINE_BYTES) this.#parts.push(part);
    else this.#parts = [];
  }

  /** The line so far; null when it was too long. */
  take(): Uint8Array | null {
    const line = this.#bytes <= MOST_LINE_BYTES ? Buffer.concat(this.#parts) : null;
    this.#parts = [];
    this.#bytes = 0;
    return line;
  }
}

function parse(number: number, bytes: Uint8Array | null): Line | null {
  const faulty = (fault: string): Line => ({ number, value: null, fault });
  if (bytes === null) return faulty(`is longer than ${MOST_LINE_BYTES} bytes`);
  if (!isUtf8(bytes)) return faulty('is not valid UTF-8');
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8').trim();
  if (text === '') return null;
  try {
    return { number, value: JSON.parse(text), fault: null };
  } catch {
    return faulty('is not JSON');
  }
}

/** Every line that is not blank, with its number. */
export async function* readLines(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Line> {
  const cutter = new Cutter();
  let number = 0;
  for await (const chunk of chunks) {
    let from = 0;
    for (let at = chunk.indexOf(FEED); at >= 0; at = chunk.indexOf(FEED, from)) {
      cutter.add(chunk.subarray(from, at));
      from = at + 1;
      const line = parse((number += 1), cutter.take());
      if (line !== null) yield line;
    }
    cutter.add(chunk.subarray(from));
  }
  const last = parse(number + 1, cutter.take());
  if (last !== null) yield last;
}
