/** The live shadow over a real database and registry; the engine is a stand-in that says what each adapter is told to say. */
import t, { type Test } from 'tap';
import type { Database } from '../../src/db/database.js';
import { listAudit } from '../../src/db/audit.js';
import { newestShadow } from '../../src/db/live-shadows.js';
import { listPredictions } from '../../src/db/predictions.js';
import type { ClassifyOptions } from '../../src/engine/engine.js';
import { createJudge, type JudgeAnswer } from '../../src/judge/judge.js';
import { labelMap } from '../../src/labels.js';
import { type LiveShadow, openLiveShadow } from '../../src/live-shadow/live-shadow.js';
import type { LiveShadowState } from '../../src/live-shadow/state.js';
import { createResultCache } from '../../src/judge/result-cache.js';
import type { Registry } from '../../src/registry.js';
import { randomAdapter } from '../support/adapter-files.js';
import { BASE, bundled, forced, openOver, openParts } from '../support/registry.js';
import { engineStandIn, textStandIn } from '../support/stand-ins.js';

const LABELS = labelMap({ 0: 'contradiction', 1: 'entailment', 2: 'neutral' });
const by = { actor: 'key-1', role: 'operator' } as const;
const SAYS = { supports: [0, 4, 0], refutes: [4, 0, 0], neutral: [0, 0, 4] } as const;
type Outcome = Float32Array | 'dropped' | 'failed';

interface Opened {
  readonly database: Database;
  readonly registry: Registry;
  readonly shadow: LiveShadow;
  readonly adapters: readonly { readonly id: string; readonly digest: string }[];
  readonly counted: Record<string, number>;
  readonly logged: object[];
  ask(pairs: number, adapter?: string): Promise<JudgeAnswer>;
  /** What the candidate makes of the next rows, by row. */
  outcome: (row: number) => Outcome;
  random: () => number;
  mix: (adapters: readonly (string | null)[]) => Promise<void>;
}

let asked = 0;

/** Everybody but the candidate says supports. */
async function open(t: Test, dataDir = t.testdir()): Promise<Opened> {
  const parts = await openParts(t, dataDir);
  const { database } = parts;
  const state: Pick<Opened, 'outcome' | 'random' | 'mix'> = {
    outcome: () => Float32Array.from(SAYS.refutes),
    random: () => 0,
    mix: async () => undefined,
  };
  const engine = engineStandIn({
    classify: async (rows, { riders = [] }) => {
      riders.forEach((rider, row) => rider?.done(state.outcome(row)));
      return rows.map(() => Float32Array.from(SAYS.supports));
    },
  });
  const registry = await openOver(parts, {
    engine: {
      ...engine,
      classify: async (rows, options: ClassifyOptions = {}) =>
        engine.classify(rows, { adapter: null, deadline: Infinity, ...options }),
    },
  });
  const adapters = [];
  for (const seed of [1, 2]) adapters.push((await registry.import(randomAdapter(bundled.config, { seed }))).adapter);
  const counted: Record<string, number> = {};
  const logged: object[] = [];
  const shadow = openLiveShadow({
    database,
    base: BASE,
    now: Date.now,
    engine: { mix: (mixed) => state.mix(mixed), unmix: () => undefined },
    held: registry.held,
    labels: LABELS,
    random: () => state.random(),
    counted: (outcome, pairs) => (counted[outcome] = (counted[outcome] ?? 0) + pairs),
    log: { info: (fields) => logged.push(fields), error: (fields) => logged.push(fields) },
  });
  t.teardown(() => shadow.close());
  const judge = createJudge({
    model: { name: 'tiny', digest: BASE.digest },
    text: textStandIn,
    cache: createResultCache(0),
    engine: { classify: (rows, options) => registry.classify(rows, options), reserve: () => () => undefined },
    labels: LABELS,
    record: {
      mode: 'required',
      write: async (rows) => database.run('recordPredictions', { rows }),
      failed: () => undefined,
    },
    adapters: registry,
    clock: { now: Date.now, monotonic: () => performance.now() },
    newId: () => `p-${(asked += 1)}`,
    deadlineMs: 10_000,
    maxTokens: 512,
    shadow,
  });
  const pair = (at: number) => ({
    pair_id: `c${at}`,
    premise: `premise ${at}`,
    nli_hypothesis: 'claim',
    page_id: 'p7',
  });
  const ask = (pairs: number, adapter = 'active'): Promise<JudgeAnswer> =>
    judge.judge({ pairs: Array.from({ length: pairs }, (_, at) => pair(at)), adapter });
  return Object.assign(state, { database, registry, shadow, adapters, counted, logged, ask });
}

async function until(shadow: LiveShadow, state: LiveShadowState['state']): Promise<LiveShadowState> {
  for (let tries = 0; tries < 1000; tries++) {
    const told = await shadow.get();
    if (told.state === state) return told;
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  throw new Error(`it never was ${state}`);
}

t.test('off until it is set, and off again when it is switched off', async (t) => {
  const { shadow, adapters, ask } = await open(t);
  t.match(await shadow.get(), { state: 'off', candidate: null, sampled: 0, since: null });
  const set = await shadow.set({ candidate: 'v1', by });
  t.match(set, { state: 'on', candidate: { version: 'v1', digest: adapters[0]?.digest }, against: null, rate: 0.1 });
  await ask(2);
  const off = await shadow.set({ candidate: null, by });
  t.match(off, { state: 'off', ended_because: 'switched-off', sampled: 2, disagreed: 2 });
  await ask(2);
  t.match(await shadow.get(), { sampled: 2 }, 'what was counted can still be read');
  t.match(await shadow.set({ candidate: null, by }), { ended_because: 'switched-off' }, 'nothing to switch off');
});

t.test('of sampled pairs each is counted once, by what came of it', async (t) => {
  const opened = await open(t);
  const { shadow, ask, counted, database } = opened;
  await shadow.set({ candidate: 'v1', rate: 1, by });
  const outcomes = [SAYS.supports, SAYS.refutes, SAYS.neutral].map((said): Outcome => Float32Array.from(said));
  opened.outcome = (row) =>
    [...outcomes, 'dropped' as const, 'failed' as const, Float32Array.from(SAYS.refutes)][row % 6]!;
  const { results } = await ask(12);
  t.ok(
    results.every(({ label, error }) => label === 'supports' && error === null),
    'the client sees the active one',
  );
  const { disagreements, ...told } = await shadow.get();
  t.match(told, { sampled: 12, agreed: 2, disagreed: 6, dropped: 2, failed: 2 });
  t.same(
    disagreements.toSorted((a, b) => a.pairs - b.pairs),
    [
      { active_label: 'supports', candidate_label: 'neutral', pairs: 2 },
      { active_label: 'supports', candidate_label: 'refutes', pairs: 4 },
    ],
  );
  t.same(counted, { agreed: 2, disagreed: 6, dropped: 2, failed: 2 });
  const { items } = await listPredictions(database.kysely, { review: 'wanted' });
  const wanted = items.map(({ shadow: answer }) => answer?.label ?? 'none');
  t.same(wanted.slice(0, 6).toSorted(), ['neutral', 'neutral', 'refutes', 'refutes', 'refutes', 'refutes']);
  t.same(new Set(wanted.slice(6)), new Set(['none']));
  const [first] = items;
  t.match(first, { label: 'supports', shadow: { adapter: { version: 'v1' } } });
  t.equal(first?.shadow?.confidence, first?.shadow?.scores[first.shadow.label]);
});

t.test('the share is drawn pair by pair from the generator that is given', async (t) => {
  const opened = await open(t);
  const draws = [0.3, 0.1, 0.25, 0.2499, 0.9, 0];
  opened.random = () => draws.shift() ?? 1;
  await opened.shadow.set({ candidate: 'v1', rate: 0.25, by });
  await opened.ask(6);
  t.match(await opened.shadow.get(), { sampled: 3 });
});

t.test('only what the active adapter judges is sampled', async (t) => {
  const { shadow, ask } = await open(t);
  await shadow.set({ candidate: 'v1', rate: 1, by });
  for (const adapter of ['base', 'v1', 'v2']) await ask(1, adapter);
  t.match(await shadow.get(), { sampled: 0 });
  await ask(1);
  t.match(await shadow.get(), { sampled: 1 });
});

t.test('refused', async (t) => {
  const { shadow, registry } = await open(t);
  await registry.promote('v2', forced);
  await shadow.set({ candidate: 'v1', by });
  const unknown = { code: 'unprocessable', errors: [{ pointer: '/candidate' }] };
  for (const candidate of ['v9', 'base', 'active']) await t.rejects(shadow.set({ candidate, by }), unknown, candidate);
  await t.rejects(shadow.set({ candidate: 'v2', by }), { code: 'conflict', message: /v2 is the active one/ });
  t.match(await shadow.get(), { state: 'on', candidate: { version: 'v1' } }, 'what was on goes on');
});

t.test('a candidate that no child can take is refused, and said to be unusable', async (t) => {
  const opened = await open(t);
  opened.mix = async () => {
    throw new Error('no room');
  };
  await t.rejects(opened.shadow.set({ candidate: 'v1', by }), { message: 'no room' });
  t.match(await opened.shadow.get(), { state: 'off', ended_because: 'unusable' });
  t.equal((await opened.ask(1)).results[0]?.error, null);
});

t.test('the candidate that is promoted ends its shadow, in the act of the promotion', async (t) => {
  const { shadow, registry, ask, database } = await open(t);
  await shadow.set({ candidate: 'v1', rate: 1, by });
  await ask(1);
  await registry.promote('v1', forced);
  t.match(await shadow.get(), { state: 'off', ended_because: 'promoted', sampled: 1 });
  await ask(1);
  t.match(await shadow.get(), { sampled: 1 });
  const { items } = await listAudit(database.kysely, { limit: 10 });
  t.same(items.map(({ act, actor }) => `${act} ${actor}`).slice(0, 3), [
    'live-shadow.end service',
    'adapter.promote tester',
    'live-shadow.set key-1',
  ]);
});

t.test('when another adapter becomes active the candidate goes on beside it, counted anew', async (t) => {
  const { shadow, registry, ask, adapters } = await open(t);
  await shadow.set({ candidate: 'v1', rate: 0.5, by });
  await ask(3);
  await registry.promote('v2', forced);
  await ask(1);
  const now = await until(shadow, 'on');
  t.match(now, { candidate: { version: 'v1' }, against: { digest: adapters[1]?.digest }, rate: 0.5, sampled: 0 });
  await ask(2);
  t.match(await shadow.get(), { sampled: 2 });
  await registry.rollback({ actor: 'tester' });
  t.match(await until(shadow, 'on'), { against: null, sampled: 0 });
});

t.test('the next start goes on where the one before ended', async (t) => {
  const dataDir = t.testdir();
  await t.test('before', async (t) => {
    const { shadow, ask } = await open(t, dataDir);
    await shadow.set({ candidate: 'v1', rate: 1, by });
    await ask(2);
  });
  const { shadow, ask } = await open(t, dataDir);
  t.match(await until(shadow, 'on'), { candidate: { version: 'v1' }, rate: 1, sampled: 2 });
  await ask(1);
  t.match(await shadow.get(), { sampled: 3 });
});

t.test('a start ends a shadow that cannot go on, and says why', async (t) => {
  const gone = { id: 'gone', version: 'v7', digest: 'd7' };
  for (const [because, base_digest] of [
    ['deleted', BASE.digest],
    ['incompatible', 'another'],
  ] as const) {
    await t.test(because, async (t) => {
      const { database } = await open(t, t.testdir());
      await database.run('setLiveShadow', { base_digest, candidate: gone, rate: 1, at: new Date().toISOString(), by });
      const logged: object[] = [];
      const again = openLiveShadow({
        database,
        base: BASE,
        now: Date.now,
        engine: { mix: async () => undefined, unmix: () => undefined },
        held: { use: async (_digest, work) => work(), keep: () => undefined, isUsable: async () => true },
        labels: LABELS,
        random: Math.random,
        counted: () => undefined,
        log: { info: (fields) => logged.push(fields), error: () => undefined },
      });
      t.match(await until(again, 'off'), { ended_because: because, candidate: gone });
      t.same(logged, [{ because }]);
      await again.close();
    });
  }
});

t.test('one that fails again and again is ended', async (t) => {
  const opened = await open(t);
  const { shadow, ask, logged } = opened;
  await shadow.set({ candidate: 'v1', rate: 1, by });
  let failing = true;
  opened.outcome = () => (failing ? 'failed' : Float32Array.from(SAYS.supports));
  for (const fails of [true, true, false, true, true]) {
    failing = fails;
    await ask(2);
  }
  t.match(await shadow.get(), { state: 'on', failed: 8, agreed: 2 }, 'an answer between makes good');
  await ask(2);
  t.match(await until(shadow, 'off'), { ended_because: 'failing', failed: 10 });
  t.same(logged, [{ because: 'failing' }]);
});

t.test('failures of what was on do not switch off what came in its place', async (t) => {
  const opened = await open(t);
  const { shadow, registry, ask, database, adapters } = opened;
  await shadow.set({ candidate: 'v1', rate: 1, by });
  const { results } = await ask(1);
  opened.outcome = () => 'failed';
  for (let i = 0; i < 2; i++) await ask(1);
  const last = shadow.take(null, 1);
  last?.riders[0]?.done('failed');
  await registry.promote('v2', forced);
  last?.answered(results);
  opened.outcome = () => Float32Array.from(SAYS.supports);
  const sampled = async (): Promise<number> => {
    await ask(1);
    return (await newestShadow(database.kysely))?.counts.length ?? 0;
  };
  // The state is read from disk, and not asked for: to ask would look what is on.
  for (let tries = 0; tries < 100 && (await sampled()) === 0; tries++);
  t.match(await shadow.get(), { state: 'on', against: { digest: adapters[1]?.digest }, disagreed: 0 });
  t.not((await shadow.get()).agreed, 0, 'requests alone bring it on');
});

t.test('counts that cannot be written cost nobody an answer', async (t) => {
  const { shadow, ask, logged, database } = await open(t);
  await shadow.set({ candidate: 'v1', rate: 1, by });
  const { run } = database;
  Object.assign(database, {
    run: async (name: never, input: never) => {
      if (name === 'noteLiveShadow') throw new Error('the disk is full');
      return run(name, input);
    },
  });
  t.equal((await ask(1)).results[0]?.error, null);
  t.match(await shadow.get(), { sampled: 0 });
  t.equal(logged.length, 1);
  Object.assign(database, { run });
  await ask(1);
  t.match(await shadow.get(), { sampled: 1 });
});
