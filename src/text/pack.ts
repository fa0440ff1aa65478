/** Many encodings as one message: one transferred array of ids in place of an object for each pair. */
import type { EncodedBatch } from './messages.js';
import type { Encoded, PairTrouble } from './types.js';

export function packEncodings(encodings: readonly Encoded[]): EncodedBatch {
  const rows = encodings.map((encoded) => ('ids' in encoded ? encoded.ids : new Int32Array()));
  const ids = new Int32Array(rows.reduce((sum, row) => sum + row.length, 0));
  const ends: number[] = [];
  let end = 0;
  for (const row of rows) {
    ids.set(row, end);
    ends.push((end += row.length));
  }
  const truncated = [...encodings.keys()].filter((i) => 'truncated' in encodings[i]! && encodings[i].truncated);
  const troubles = [...encodings.entries()].filter((entry): entry is [number, PairTrouble] => 'code' in entry[1]);
  return { type: 'encoded', ids, ends, truncated, troubles };
}

/** Each row gets memory of its own, so that whoever posts one on does not copy the batch with it. */
export function unpackEncodings(batch: EncodedBatch): Encoded[] {
  const truncated = new Set(batch.truncated);
  const troubles = new Map(batch.troubles);
  return batch.ends.map((end, i) => {
    const ids = batch.ids.slice(i === 0 ? 0 : batch.ends[i - 1], end);
    return troubles.get(i) ?? { ids, truncated: truncated.has(i) };
  });
}
