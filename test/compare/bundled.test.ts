/** A comparison with nothing but real parts: the bundled model, its tokenizer and an engine. */
import path from 'node:path';
import t from 'tap';
import { openCheckpoint } from '../../src/checkpoint/checkpoint.js';
import { ENGINE_DEFAULTS, openEngine } from '../../src/engine/engine.js';
import { labelMap, type Label } from '../../src/labels.js';
import { packageRoot } from '../../src/package.js';
import { openText } from '../../src/text/text.js';
import { openFor } from '../db/fixtures/open.js';
import { randomAdapter } from '../support/tensor-adapter.js';
import { open, reviewsOf, sided, type SidedRow } from './fixtures/comparisons.js';

const SUBJECTS = ['The river', 'A new law', 'The treatment', 'Her brother', 'The old bridge', 'Nobody'];
const VERBS = ['was closed in March', 'reduced pain', 'crossed the border', 'is open to all'];

/** Pairs of every subject and verb against another verb, two to a page. */
const PAIRS = SUBJECTS.flatMap((subject, page) =>
  VERBS.map((verb, at) => ({
    premise: `${subject} ${verb}, and the papers wrote about it for ${at + 2} days.`,
    nli_hypothesis: `${subject} ${VERBS[(at + page) % 4]}.`,
    group_key: `page:${page * 2 + (at % 2)}`,
  })),
);

t.test('the bundled model against a random adapter: every figure is that of the rows judged alone', async (t) => {
  const model = path.join(packageRoot, 'models', 'nli-deberta-v3-tiny');
  const checkpoint = await openCheckpoint(model);
  const labels = labelMap(Object.fromEntries(checkpoint.config.id2label.entries()));
  const text = await openText({
    tokenizerPath: path.join(model, 'tokenizer.json'),
    tokenizerConfigPath: null,
    maxTokens: 512,
  });
  t.teardown(() => text.close());
  const engine = await openEngine(checkpoint, { ...ENGINE_DEFAULTS, children: 2, wideSession: false });
  t.teardown(() => engine.close());
  const adapter = randomAdapter(checkpoint.config, 5, 0.3);
  await engine.hold(adapter.digest, adapter);
  const alone = async (digest: string | null): Promise<Label[]> => {
    const encoded = await text.encode(
      PAIRS.map(({ premise, nli_hypothesis }) => ({ premise, hypothesis: nli_hypothesis })),
    );
    const found: Label[] = [];
    for (const one of encoded) {
      const [logits] = await engine.classify(['ids' in one ? one.ids : new Int32Array()], { adapter: digest });
      found.push(labels[Array.from(logits ?? []).indexOf(Math.max(...(logits ?? [])))]?.label as Label);
    }
    return found;
  };
  const [old, next] = [await alone(null), await alone(adapter.digest)];
  const other: Readonly<Record<Label, Label>> = { supports: 'refutes', refutes: 'neutral', neutral: 'supports' };
  const rows = PAIRS.map((pair, number): SidedRow => {
    const kind = number % 3 === 0 ? 'correction' : 'confirmation';
    const original_label = old[number] as Label;
    return sided(number, {
      ...pair,
      kind,
      original_label,
      correct_label: kind === 'correction' ? other[original_label] : original_label,
    });
  });
  const ref = { id: 'a-1', version: 'v1', digest: adapter.digest };
  const { start, wait } = open(t, await openFor(t), {
    text,
    engine,
    labels,
    adapters: { resolve: async () => ref },
    reviews: reviewsOf(rows),
  });
  const before = engine.status().totals;
  const { report, state, error } = await wait((await start({ old: 'base', new: 'v1' })).id);
  t.match({ state, error }, { state: 'succeeded', error: null });
  const right = (answers: readonly Label[]): number =>
    rows.filter((row, at) => row.correct_label === answers[at]).length;
  t.same([report?.sets.union.old.correct, report?.sets.union.new.correct], [right(old), right(next)]);
  t.equal(report?.sets.corrections.old.correct, 0, 'every correction was an error of the model that answered');
  t.equal(report?.sets.confirmations.old.accuracy, 1, 'and every confirmation was none');
  const changed = rows.filter((row, at) => (old[at] === row.correct_label) !== (next[at] === row.correct_label));
  t.ok(changed.length > 0, `${changed.length} flips`);
  const flipped = [...(report?.flips.fixed ?? []), ...(report?.flips.broken ?? [])].map(
    ({ correction_id }) => correction_id,
  );
  t.same(flipped.toSorted(), changed.map(({ correction_id }) => correction_id).toSorted());
  t.equal(report?.new?.digest, adapter.digest);
  const measured = 2 * (report?.latency.new.pairs ?? 0);
  const { totals } = engine.status();
  t.equal(totals.rows - before.rows - measured, 2 * rows.length, 'each row once by each adapter');
  const batches = totals.batches - before.batches - measured;
  t.ok(batches < rows.length, 'several rows in a batch');
  t.equal(totals.mixedBatches - before.mixedBatches, batches, 'every one of them with both adapters');
});
