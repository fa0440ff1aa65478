/** Values that mean something to a filled service, by the name of the member, parameter or media type. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import fc, { type Arbitrary } from 'fast-check';
import { encodeCursor } from '../../src/db/cursor.js';
import { packageRoot } from '../../src/package.js';
import { randomAdapter } from '../support/adapter-files.js';
import { bundled } from '../support/registry.js';
import { MULTIPART, type Part, partsOf } from './draft.js';
import { cursorsOf, type Ids, type Kind, kindOf, MOST_KNOWN } from './ids.js';
import type { Operation } from './operations.js';

interface Reviewed {
  readonly premise: string;
  readonly hypothesis: string;
  readonly label: string;
  readonly page_id: string;
}

/** Reviews to fill a service with. */
export const REVIEWED = readFileSync(path.join(packageRoot, 'demo', 'data', 'reviewed.jsonl'), 'utf8')
  .trimEnd()
  .split('\n')
  .slice(0, 24)
  .map((line) => JSON.parse(line) as Reviewed);

export function knownTo(operation: Operation, ids: Ids): Record<string, Arbitrary<unknown>> {
  const from = (all: readonly string[]) => fc.nat(MOST_KNOWN - 1).map((i) => all[i % all.length] ?? 'none');
  const one = (kind: Kind) => from(ids[kind]);
  const adapter = fc.oneof(fc.constantFrom('active', 'base', 'v1', 'v2', 'v3'), one('adapter'));
  const kind = kindOf(operation);
  return {
    prediction_id: one('prediction'),
    correction_id: one('correction'),
    pair_id: fc.constantFrom('c1', 'c2', 'c9', 'unknown'),
    page_id: fc.constantFrom(...REVIEWED.map(({ page_id }) => page_id)),
    exclude: fc.uniqueArray(one('correction'), { maxLength: 4 }),
    adapter,
    against: adapter,
    cursor: fc.oneof({ weight: 5, arbitrary: from(cursorsOf(operation, ids)) }, { weight: 1, arbitrary: cursors() }),
    external_id: fc.constantFrom('e1', 'e2', 'e3'),
    'if-match': fc.constantFrom('*', '*', '*', '"base"', '"x"', 'W/"base"', '"a", "base"'),
    'idempotency-key': fc.nat(400).map((i) => `k${i}`),
    'last-event-id': fc.constantFrom('0', '1', '5', '999999999999999'),
    min_corrections: fc.constantFrom(1, 2, 100),
    // Longer runs are asked for by the schema alone.
    epochs: fc.constant(1),
    ...(kind !== undefined && { id: one(kind) }),
    [MULTIPART]: forms(),
    force: fc.constant(true),
    reason: fc.constantFrom('because', 'it was asked for'),
    ...(operation.id === 'erase' && { 'application/json': erasuresOf(one) }),
    ...(operation.id === 'correct' && { 'application/json': correctionsOf(one) }),
  };
}

/** One, which names the judgement in one way; the schema allows it in several at once, which is refused. */
function correctionsOf(one: (kind: Kind) => Arbitrary<string>): Arbitrary<object> {
  const text = fc.string({ unit: 'grapheme', minLength: 1 }).map((added) => `A claim. ${added}`);
  const word = fc.constantFrom('supports', 'refutes', 'neutral', 'entailment');
  const said = { correct_label: word, reviewer: fc.constantFrom('ada', 'grace'), reason: text };
  const whole = {
    ...said,
    premise: text,
    nli_hypothesis: text,
    original_label: word,
    original_confidence: fc.double({ min: 0, max: 1, noNaN: true }),
  };
  const requiredKeys = ['correct_label'] as const;
  return fc.oneof(
    fc.record({ ...said, prediction_id: one('prediction') }, { requiredKeys: [...requiredKeys, 'prediction_id'] }),
    fc.record(whole),
  );
}

/** Each of one subject, which the schema alone does not say. */
function erasuresOf(one: (kind: Kind) => Arbitrary<string>): Arbitrary<object> {
  const reason = fc.constantFrom('because', 'right to be forgotten');
  const text = fc.constantFrom(...REVIEWED.map(({ premise }) => premise));
  return fc.oneof(
    fc.record({ reason, prediction_id: one('prediction') }),
    fc.record({ reason, correction_id: one('correction') }),
    fc.record({ reason, page_id: fc.string({ unit: 'grapheme', minLength: 1 }) }),
    fc.record({ reason, premise: text, nli_hypothesis: text }),
  );
}

/** Cursors of any list, and some that are none. */
function cursors(): Arbitrary<string> {
  const key = fc.oneof(
    fc.integer(),
    fc.double(),
    fc.string({ maxLength: 12 }),
    fc.constant('2026-01-02T00:00:00.000Z'),
  );
  const keys = fc.array(key, { minLength: 1, maxLength: 3 }).map(encodeCursor);
  return fc
    .oneof(
      keys,
      fc.json({ maxDepth: 1 }).map((text) => Buffer.from(text).toString('base64url')),
    )
    .filter((cursor) => cursor !== '');
}

const ADAPTERS = [1, 2, 3, 4].map((seed) => randomAdapter(bundled.config, { seed, r: seed }));

function forms(): Arbitrary<readonly Part[]> {
  const bytes = fc.uint8Array({ maxLength: 64 });
  const strange = bytes.map((config) => ({ config, weights: config }));
  const files = fc.oneof({ weight: 9, arbitrary: fc.constantFrom(...ADAPTERS) }, { weight: 1, arbitrary: strange });
  return files.map(partsOf);
}
