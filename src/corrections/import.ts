/** The use case behind POST /corrections/import: many corrections, a bounded number at a time. */
import type { Corrections, Item, ItemError, Stored } from './correct.js';
import { failpoint } from '../failpoints.js';
import { readLines } from './json-lines.js';
import type { Sender } from '../roles.js';

export interface LineError {
  readonly line: number;
  readonly pointer: string;
  readonly detail: string;
}

export interface ImportReport {
  readonly lines: number;
  readonly stored: number;
  readonly replaced: number;
  readonly unchanged: number;
  readonly failed: number;
  /** The first of those that failed. */
  readonly errors: readonly LineError[];
}

export interface ImportOptions {
  readonly corrections: Pick<Corrections, 'store'>;
  readonly sender: Sender;
  /** Reads one line's value by the schema of lines. */
  readonly read: (value: unknown) => Item;
}

/** Rows of one commit. */
const ROWS_PER_COMMIT = 500;
const ERRORS_TOLD = 1000;

/** Counts outcomes and keeps the first errors. */
export class Tally {
  lines = 0;
  readonly #counts = { stored: 0, replaced: 0, unchanged: 0, failed: 0 };
  readonly #errors: LineError[] = [];

  add(line: number, result: Stored): void {
    this.lines += 1;
    if ('outcome' in result) this.#counts[result.outcome] += 1;
    else this.#fail(line, result.error);
  }

  report(): ImportReport {
    return { lines: this.lines, ...this.#counts, errors: this.#errors };
  }

  #fail(line: number, { detail, errors }: ItemError): void {
    this.#counts.failed += 1;
    if (this.#errors.length >= ERRORS_TOLD) return;
    const [first] = errors;
    this.#errors.push({ line, pointer: first?.pointer ?? '', detail: first?.detail ?? detail });
  }
}

const lineFault = (detail: string): Item => ({
  error: { code: 'invalid-request', detail, errors: [{ pointer: '', detail }] },
});

/**
 * Stores each line that can be stored, in order, a commit for every 500; what is wrong with a line is told and stops no
 * other. When it resolves all counted lines are on disk; when it rejects, those of earlier commits are, and the same
 * import may be sent again: it stores nothing twice.
 */
export async function importLines(
  body: AsyncIterable<Uint8Array>,
  { corrections, sender, read }: ImportOptions,
): Promise<ImportReport> {
  const tally = new Tally();
  let waiting: { readonly line: number; readonly item: Item }[] = [];
  const flush = async (): Promise<void> => {
    const lines = waiting;
    waiting = [];
    const results = await corrections.store(
      lines.map(({ item }) => item),
      sender,
    );
    failpoint('import.batch.committed');
    for (const [at, { line }] of lines.entries()) tally.add(line, results[at] as Stored);
  };
  for await (const { number, value, fault } of readLines(body)) {
    waiting.push({ line: number, item: fault === null ? read(value) : lineFault(fault) });
    if (waiting.length === ROWS_PER_COMMIT) await flush();
  }
  if (waiting.length > 0) await flush();
  failpoint('import.committed');
  return tally.report();
}
