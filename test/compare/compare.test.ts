/** Shadow comparisons over a real database; the engine is a stand-in but where the bundled model itself is compared. */
import path from 'node:path';
import t, { type Test } from 'tap';
import { openCheckpoint } from '../../src/checkpoint/checkpoint.js';
import { createComparisons } from '../../src/compare/compare.js';
import type { ComparisonParts } from '../../src/compare/parts.js';
import type { SidedRow } from '../../src/compare/report.js';
import type { Database } from '../../src/db/database.js';
import { ENGINE_DEFAULTS, openEngine } from '../../src/engine/engine.js';
import { Problem } from '../../src/errors.js';
import type { AdapterRef } from '../../src/db/prediction-rows.js';
import { labelMap, type Label } from '../../src/labels.js';
import { packageRoot } from '../../src/package.js';
import { openText } from '../../src/text/text.js';
import { openFor } from '../db/fixtures/open.js';
import { review } from '../evaluation/reviews.js';
import { type EngineBehaviour, engineStandIn, textStandIn } from '../support/stand-ins.js';
import { randomAdapter } from '../support/tensor-adapter.js';

const LABELS = labelMap({ 0: 'contradiction', 1: 'entailment', 2: 'neutral' });
const V1: AdapterRef = { id: 'a-1', version: 'v1', digest: 'd1' };
const V2: AdapterRef = { id: 'a-2', version: 'v2', digest: 'd2' };

function sided(number: number, overrides: Partial<SidedRow> = {}): SidedRow {
  const { old: _old, new: _new, ...row } = review(number, 'wrong');
  return { ...row, side: 'validation', ...overrides };
}

interface Setup extends Partial<ComparisonParts> {
  readonly behaviour?: EngineBehaviour;
}

let ids = 0;

/** Never answers; ends with the signal. */
const aborted = (signal: AbortSignal | undefined): Promise<never> =>
  new Promise((_resolve, reject) => signal?.addEventListener('abort', () => reject(signal.reason as Error)));

/** The adapter d1 says supports to everything, d2 refutes, the base model neutral. */
const LOGITS: Readonly<Record<string, readonly number[]>> = { d1: [0, 4, 0], d2: [4, 0, 0], base: [0, 0, 4] };
const constant: EngineBehaviour = {
  classify: async (rows, { adapter, adapters = [adapter] }) =>
    rows.flatMap(() => adapters.map((one) => Float32Array.from(LOGITS[one ?? 'base'] ?? []))),
};

function open(t: Test, shared: Database, { behaviour = constant, ...parts }: Setup = {}) {
  const engine = engineStandIn(behaviour);
  const failures: unknown[] = [];
  const comparisons = createComparisons({
    database: shared,
    text: textStandIn,
    engine: {
      classify: async (rows, options) => engine.classify(rows, { deadline: Infinity, adapter: null, ...options }),
      status: () => ({ ...engine.status(), queuedPairs: 0 }),
    },
    labels: LABELS,
    base: { name: 'stand-in', digest: 'm1' },
    adapters: { resolve: async (name) => ({ active: null, v1: V1, 'a-1': V1, v2: V2 })[name] },
    reviews: async () => ({ rows: Array.from({ length: 12 }, (_, number) => sided(number)) }),
    newId: () => `id-${++ids}`,
    now: Date.now,
    monotonic: () => performance.now(),
    bootstrap: { seed: 42, replicates: 199 },
    failed: (error) => failures.push(error),
    ...parts,
  });
  t.teardown(() => comparisons.close());
  return { ...comparisons, engine, failures };
}

/** The same answer for every row by every adapter. */
const ones: NonNullable<EngineBehaviour['classify']> = async (rows, { adapters = [null] }) =>
  rows.flatMap(() => adapters.map(() => Float32Array.of(1, 0, 0)));

/** One for all tests that leave nothing waiting in it. */
const database = await openFor(t);

t.test('queued, then succeeded with its report, its summary at the top', async (t) => {
  const { start, wait, list, latest } = open(t, database);
  const item = await start({ old: 'base', new: 'v1' });
  t.match(item, { state: 'queued', old: null, new: V1, verdict: null, run_id: null, old_accuracy: null });
  const done = await wait(item.id);
  t.match(done, { state: 'succeeded', old_accuracy: 0, new_accuracy: 1, recommend_deploy: true, error: null });
  t.match(done, { verdict: 'not_enough_data', report: { lacking: { corrections: { rows: 8 } } } });
  t.match(done.report, {
    old: null,
    new: V1,
    base: { digest: 'm1' },
    manifest: /^[0-9a-f]{64}$/,
    latency: { new: { pairs: 12 } },
  });
  const { report: _report, ...summary } = done;
  t.same((await list({ limit: 1 })).items, [summary]);
  t.same(await latest('a-1', null), summary);
  t.equal(await latest(null, 'a-1'), null, 'the other way round is another comparison');
});

t.test('each adapter judges every held-out row, and no row of the training side', async (t) => {
  const rows = [sided(1), sided(2, { kind: 'confirmation' }), sided(3, { side: 'train' })];
  const { start, wait, engine } = open(t, database, { reviews: async () => ({ rows }) });
  const { report } = await wait((await start({ old: 'v1', new: 'v2' })).id);
  t.equal(report?.sets.union.n, 2);
  const both = engine.calls.filter(({ options }) => options.adapters);
  t.same(
    both.map(({ options, rows: judged }) => [options.adapters, judged.length]),
    [[['d1', 'd2'], 2]],
  );
  t.same(report?.leak_check, { training_rows: 1, same_page: 0, same_text: 0, near_text: 0 });
});

t.test('a row that the training side knows is not judged, and is counted', async (t) => {
  const rows = [sided(1), sided(2, { group_key: 'page:x' }), sided(3, { side: 'train', group_key: 'page:x' })];
  const { start, wait } = open(t, database, { reviews: async () => ({ rows }) });
  const { report } = await wait((await start({ old: 'v1', new: 'v2' })).id);
  t.match(report, { sets: { union: { n: 1 } }, leak_check: { same_page: 1 } });
});

t.test('texts that the model cannot take are counted, not judged', async (t) => {
  const rows = [sided(1), sided(2, { premise: ' ' }), sided(3, { premise: 'x'.repeat(20_001) })];
  const { start, wait } = open(t, database, { reviews: async () => ({ rows }) });
  const { report } = await wait((await start({ old: 'v1', new: 'v2' })).id);
  t.match(report, { sets: { union: { n: 1 } }, not_judged: { 'premise-empty': 1, 'premise-too-long': 1 } });
});

t.test('the newest reviews count: those of when it is judged', async (t) => {
  const rows = [sided(1)];
  const { start, wait } = open(t, database, { reviews: async () => ({ rows }) });
  const first = await wait((await start({ old: 'v1', new: 'v2' })).id);
  rows.push(sided(2));
  const second = await wait((await start({ old: 'v1', new: 'v2' })).id);
  t.same([first.report?.sets.union.n, second.report?.sets.union.n], [1, 2]);
  t.not(first.report?.manifest, second.report?.manifest);
});

t.test('an adapter that is not there is refused with its place in the request', async (t) => {
  const { start } = open(t, database);
  await t.rejects(start({ old: 'base', new: 'v9' }), { code: 'unprocessable', errors: [{ pointer: '/adapter' }] });
  await t.rejects(start({ old: 'v9', new: 'base' }), { code: 'unprocessable', errors: [{ pointer: '/against' }] });
});

t.test('an adapter whose answers are not finite fails the comparison, and the next one runs', async (t) => {
  const behaviour: EngineBehaviour = {
    classify: async (rows, { adapter, adapters = [adapter] }) =>
      rows.flatMap(() => adapters.map((one) => (one === 'd2' ? null : Float32Array.of(1, 0, 0)))),
  };
  const { start, wait, failures } = open(t, database, { behaviour });
  const [bad, good] = await Promise.all([start({ old: 'base', new: 'v2' }), start({ old: 'base', new: 'v1' })]);
  t.match(await wait(bad.id), {
    state: 'failed',
    report: null,
    verdict: null,
    error: /the new adapter gave no finite answer/,
  });
  t.match(await wait(good.id), { state: 'succeeded' });
  t.equal(failures.length, 1);
});

t.test('a full queue is waited for', async (t) => {
  let refused = 0;
  const behaviour: EngineBehaviour = {
    classify: async (rows, options) => {
      if (refused++ === 0) throw new Problem('queue-full', 'full');
      return ones(rows, options);
    },
  };
  const { start, wait } = open(t, database, { behaviour, reviews: async () => ({ rows: [sided(1)] }) });
  t.match(await wait((await start({ old: 'base', new: 'v1' })).id), { state: 'succeeded' });
});

t.test('one at a time, in the order of asking', async (t) => {
  let [running, most] = [0, 0];
  const reviews = async () => {
    most = Math.max(most, ++running);
    await new Promise((resolve) => setTimeout(resolve, 20));
    running -= 1;
    return { rows: [] };
  };
  const { start, wait } = open(t, database, { reviews });
  const asked = [
    await start({ old: 'base', new: 'v1' }),
    await start({ old: 'base', new: 'v2' }),
    await start({ old: 'v1', new: 'v2' }),
  ];
  const done = await Promise.all(asked.map(({ id }) => wait(id)));
  t.equal(most, 1);
  const begun = done.map(({ started_at }) => Date.parse(started_at ?? ''));
  t.same(
    begun,
    begun.toSorted((a, b) => a - b),
  );
});

t.test('live traffic goes first', async (t) => {
  let queuedPairs = 5;
  const judgedWith: number[] = [];
  const behaviour: EngineBehaviour = {
    classify: async (rows, options) => {
      judgedWith.push(queuedPairs);
      return ones(rows, options);
    },
  };
  const engine = engineStandIn(behaviour);
  const { start, wait } = open(t, database, {
    engine: {
      classify: async (rows, options) => engine.classify(rows, { deadline: Infinity, adapter: null, ...options }),
      status: () => ({ ...engine.status(), queuedPairs }),
    },
    reviews: async () => ({ rows: [sided(1)] }),
  });
  const { id } = await start({ old: 'base', new: 'v1' });
  setTimeout(() => (queuedPairs = 0), 60);
  await wait(id);
  t.ok(judgedWith.length > 0 && judgedWith.every((queued) => queued === 0));
});

t.test(
  'cut short by the end of the service, it is begun again at the next start, and given up after three',
  async (t) => {
    const hanging: EngineBehaviour = { classify: (_rows, { signal }) => aborted(signal) };
    const begun = async (id: string, service: ReturnType<typeof open>): Promise<void> => {
      while ((await service.get(id)).state !== 'running' || service.engine.calls.length === 0)
        await new Promise((resolve) => setTimeout(resolve, 5));
    };
    const first = open(t, database, { behaviour: hanging });
    const { id } = await first.start({ old: 'base', new: 'v1' });
    const waiting = t.rejects(first.wait(id), { code: 'unavailable' }, 'who waits is told');
    await begun(id, first);
    await first.close();
    await waiting;
    t.match(await first.get(id), { state: 'running', error: null }, 'it is not over');
    const second = open(t, database);
    t.match(await second.wait(id), { state: 'succeeded', new_accuracy: 1 });

    const third = open(t, database, { behaviour: hanging });
    const { id: poison } = await third.start({ old: 'base', new: 'v2' });
    await begun(poison, third);
    await third.close();
    for (let attempt = 2; attempt <= 3; attempt++) {
      const service = open(t, database, { behaviour: hanging });
      await begun(poison, service);
      await service.close();
    }
    t.match(await open(t, database).wait(poison), { state: 'failed', error: /ended 3 times/ });
  },
);

t.test('one that was asked for under another base model fails', async (t) => {
  const hanging: EngineBehaviour = { classify: (_rows, { signal }) => aborted(signal) };
  const before = open(t, database, { behaviour: hanging });
  const { id } = await before.start({ old: 'base', new: 'v1' });
  await before.close();
  const after = open(t, database, { base: { name: 'other', digest: 'm2' } });
  t.match(await after.wait(id), { state: 'failed', error: /another base model/ });
});

t.test('there is no comparison of another id, and a cursor of another list is refused', async (t) => {
  const { get, wait, list, start } = open(t, database);
  await t.rejects(get('none'), { code: 'not-found' });
  await t.rejects(wait('none'), { code: 'not-found' });
  await t.rejects(list({ limit: 1, cursor: 'WyJ4Il0' }), { code: 'invalid-request' });
  const asked = [await start({ old: 'base', new: 'v1' }), await start({ old: 'base', new: 'v1' })].map(({ id }) => id);
  const first = await list({ limit: 1 });
  const second = await list({ limit: 1, cursor: first.next_cursor ?? '' });
  t.same(
    [...first.items, ...second.items].map(({ id }) => id),
    asked.toReversed(),
  );
  t.equal((await list({ limit: 200 })).next_cursor, null, 'the last page has none');
  await Promise.all(asked.map(wait));
});

t.test('so many may wait', async (t) => {
  const { start } = open(t, await openFor(t), { behaviour: { classify: (_rows, { signal }) => aborted(signal) } });
  const asking = Array.from({ length: 100 }, () => start({ old: 'base', new: 'v1' }));
  await Promise.all(asking);
  await t.rejects(start({ old: 'base', new: 'v1' }), { code: 'queue-full' });
});

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
  const { start, wait } = open(t, database, {
    text,
    engine,
    labels,
    adapters: { resolve: async () => ref },
    reviews: async () => ({ rows }),
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
