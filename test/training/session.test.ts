/** The whole gradient, dropout included, against finite differences; and what must not change it. */
import path from 'node:path';
import t from 'tap';
import { type DebertaConfig, openCheckpoint } from '../../src/checkpoint/checkpoint.js';
import { LAYER_LINEARS, type LayerLinear } from '../../src/checkpoint/names.js';
import { packageRoot } from '../../src/package.js';
import { openLowerLayers } from '../../src/training/lower-layers.js';
import type { TrainingPrecision } from '../../src/recipe.js';
import { type Example, type MicroResult, microBatches, oneHot, summed } from '../../src/training/micro-batch.js';
import { lorasOf } from '../../src/training/parameters.js';
import { type TrainingSession, openTraining } from '../../src/training/session.js';
import { floats, generator, tokens } from '../support/random.js';

const checkpoint = await openCheckpoint(path.join(packageRoot, 'test', 'golden', 'short-buckets', 'checkpoint'));
const { config } = checkpoint;
const random = generator(5);

interface Given {
  readonly linears: readonly LayerLinear[];
  readonly layers?: readonly number[];
  readonly dropout?: number;
  readonly precision?: TrainingPrecision;
}

function open(
  { linears, layers, dropout = 0.3, precision = 'float32' }: Given,
  of = checkpoint,
): Promise<TrainingSession> {
  const plan = { rank: 4, scale: 2, modules: lorasOf(config, linears, layers) };
  return openTraining({ checkpoint: of, plan, dropout, seed: 1, threads: 1, precision });
}

const batch: Example[] = tokens(random, config.vocabSize, [5, 30, 12, 9, 21, 5]).map((ids, i) => ({
  ids,
  target: oneHot(i % 3, 3),
}));

async function evaluate(
  { run }: TrainingSession,
  parameters: Float32Array,
  examples: readonly Example[],
  step = 0,
): Promise<MicroResult> {
  const results: MicroResult[] = [];
  for (const micro of microBatches(examples)) results.push(await run(parameters, micro, step));
  return summed(results);
}

/** d loss along `direction`, by the central difference of fourth order. */
async function slope(
  session: TrainingSession,
  at: Float32Array,
  direction: Float32Array,
  examples = batch,
): Promise<number> {
  const h = 0.01;
  let sum = 0;
  for (const [steps, factor] of [
    [-2, 1],
    [-1, -8],
    [1, 8],
    [2, -1],
  ] as const) {
    const { loss } = await evaluate(
      session,
      at.map((x, i) => x + steps * h * direction[i]!),
      examples,
    );
    sum += (factor * loss) / (12 * h);
  }
  return sum;
}

const dot = (a: Float32Array, b: Float32Array): number => a.reduce((sum, x, i) => sum + x * b[i]!, 0);

const TARGETS: Record<string, Given> = {
  'query and value': { linears: ['attention.self.query_proj', 'attention.self.value_proj'] },
  'every Linear': { linears: LAYER_LINEARS },
  'the last layer alone': { linears: LAYER_LINEARS, layers: [1] },
  'query and value without dropout': {
    linears: ['attention.self.query_proj', 'attention.self.value_proj'],
    dropout: 0,
  },
};

for (const [title, given] of Object.entries(TARGETS)) {
  t.test(`${title}: the gradient is the slope of the loss along each tensor`, async (t) => {
    const session = await open(given);
    const parameters = floats(random, session.layout.length, 0.2);
    const { gradient } = await evaluate(session, parameters, batch);
    for (const { name, offset, length } of session.layout.tensors) {
      const own = gradient.subarray(offset, offset + length);
      const norm = Math.sqrt(dot(own, own));
      const direction = new Float32Array(parameters.length);
      direction.set(
        own.map((x) => x / norm),
        offset,
      ); // uphill, where the slope is the gradient's norm
      const found = await slope(session, parameters, direction);
      t.ok(Math.abs(found - norm) < 2e-3 * norm + 2e-4, `${name}: ${norm} against ${found}`);
    }
  });
}

const CONFIGS: Record<string, Partial<DebertaConfig>> = {
  'content to position alone': { p2c: false },
  'position to content alone': { c2p: false },
  'relative embeddings without a norm': { normaliseRelative: false },
};

for (const [title, changed] of Object.entries(CONFIGS)) {
  t.test(`${title}, rows of one token among them: the gradient is the slope of the loss`, async (t) => {
    const session = await open({ linears: LAYER_LINEARS }, { ...checkpoint, config: { ...config, ...changed } });
    const parameters = floats(random, session.layout.length, 0.2);
    for (const examples of [batch, [{ ids: Int32Array.of(5), target: oneHot(1, 3) }]]) {
      const { gradient } = await evaluate(session, parameters, examples);
      const norm = Math.sqrt(dot(gradient, gradient));
      const found = await slope(
        session,
        parameters,
        gradient.map((x) => x / norm),
        examples,
      );
      t.ok(Math.abs(found - norm) < 2e-3 * norm, `${norm} against ${found}`);
    }
  });
}

t.test('rows together or alone, the sum is the same, dropout included', async (t) => {
  const session = await open({ linears: LAYER_LINEARS });
  const parameters = floats(random, session.layout.length, 0.2);
  const together = await evaluate(session, parameters, batch);
  const alone: MicroResult[] = [];
  for (const [place, { ids, target }] of batch.entries()) {
    alone.push(
      await session.run(
        parameters,
        { rows: [ids], targets: [target.map((p) => p / batch.length)], places: [place] },
        0,
      ),
    );
  }
  const sum = summed(alone);
  t.ok(Math.abs(sum.loss - together.loss) < 1e-5);
  t.ok(Math.max(...sum.gradient.map((x, i) => Math.abs(x - together.gradient[i]!))) < 1e-5);
});

t.test('the step decides the dropout; the same step gives the same bytes', async (t) => {
  const session = await open({ linears: ['attention.self.query_proj'] });
  const parameters = floats(random, session.layout.length, 0.2);
  const first = await evaluate(session, parameters, batch, 3);
  t.notSame(await evaluate(session, parameters, batch, 4), first);
  t.strictSame(await evaluate(session, parameters, batch, 3), first);
});

t.test('a target may be a distribution', async (t) => {
  const session = await open({ linears: ['attention.self.value_proj'], dropout: 0 });
  const parameters = floats(random, session.layout.length, 0.2);
  const of = (target: number[]): Promise<MicroResult> =>
    evaluate(session, parameters, [{ ids: batch[0]!.ids, target }]);
  const [mixed, first, second] = [await of([0.25, 0.75, 0]), await of([1, 0, 0]), await of([0, 1, 0])];
  t.ok(Math.abs(mixed.loss - (0.25 * first.loss + 0.75 * second.loss)) < 1e-5);
});

t.test('weights that changed since the run was set up are not trained on', async (t) => {
  const changed = { ...checkpoint, weightsStamp: 'of another file' };
  await t.rejects(open({ linears: ['attention.self.value_proj'] }, changed), /model\.safetensors has changed since/);
});

t.test('layers below the lowest trained one, computed once, change nothing', async (t) => {
  const linears = ['attention.self.query_proj', 'output.dense'] as const;
  const [upper, whole] = [await open({ linears, layers: [1] }), await open({ linears, layers: [0, 1] })];
  const parameters = floats(random, upper.layout.length, 0.2);
  const padded = new Float32Array(whole.layout.length); // layer 0 comes first, and its zeros adapt nothing
  padded.set(parameters, padded.length - parameters.length);
  const expected = await evaluate(whole, padded, batch);
  for (const time of ['first', 'second']) {
    const { loss, gradient } = await evaluate(upper, parameters, batch);
    t.ok(Math.abs(loss - expected.loss) < 1e-6, `${time} time: the loss`);
    const off = gradient.map((x, i) => Math.abs(x - expected.gradient[padded.length - parameters.length + i]!));
    t.ok(Math.max(...off) < 1e-6, `${time} time: the gradient, to ${Math.max(...off)}`);
  }
});

t.test('hidden states that are kept and computed anew are the same to the bit, with any company', async (t) => {
  for (const precision of ['float32', 'int8'] as const) {
    const options = { checkpoint, layers: 1, precision, threads: 1 };
    const [kept, anew] = [await openLowerLayers(options), await openLowerLayers({ ...options, keptBytes: 0 })];
    const rows = batch.map(({ ids }) => ids);
    const first = await kept(rows);
    t.same(await kept(rows), first, 'kept');
    t.same(await anew(rows), first, 'computed anew');
    const [alone, among] = [(await anew([rows[2]!]))['hidden_states']!, first['hidden_states']!];
    const width = config.hiddenSize;
    const own = Array.from({ length: rows[2]!.length }, (_, l) =>
      among.data.subarray((l * rows.length + 2) * width, (l * rows.length + 3) * width),
    );
    t.same(
      own.flatMap((state) => [...state]),
      [...alone.data],
      'alone',
    );
  }
});

t.test('rows that are equal do not disturb the others', async (t) => {
  const [a, c] = [batch[0]!.ids, batch[1]!.ids];
  const options = { checkpoint, layers: 1, precision: 'float32', threads: 1 } as const;
  for (const keptBytes of [undefined, 0, 4 * config.hiddenSize * a.length]) {
    const of = async (rows: readonly Int32Array[]) =>
      await (
        await openLowerLayers({ ...options, ...(keptBytes !== undefined && { keptBytes }) })
      )(rows);
    const [twice, once] = [(await of([a, a, c]))['hidden_states']!, (await of([a, c]))['hidden_states']!];
    const stateOf = ({ data }: typeof once, rows: number, b: number, l: number) => [
      ...data.subarray((l * rows + b) * config.hiddenSize, (l * rows + b + 1) * config.hiddenSize),
    ];
    for (let l = 0; l < c.length; l++)
      t.same(stateOf(twice, 3, 2, l), stateOf(once, 2, 1, l), `${keptBytes} bytes: ${l}`);
    for (let l = 0; l < a.length; l++) t.same(stateOf(twice, 3, 1, l), stateOf(twice, 3, 0, l), 'the equal ones');
  }
});

t.test('in integers the gradient points where that of float32 does', async (t) => {
  const exact = await open({ linears: LAYER_LINEARS });
  const parameters = floats(random, exact.layout.length, 0.2);
  const { gradient, loss } = await evaluate(exact, parameters, batch);
  for (const precision of ['int8_backward', 'int8_forward', 'int8'] as const) {
    const coded = await evaluate(await open({ linears: LAYER_LINEARS, precision }), parameters, batch);
    const cosine =
      dot(gradient, coded.gradient) / Math.sqrt(dot(gradient, gradient) * dot(coded.gradient, coded.gradient));
    t.ok(cosine > 0.99 && cosine < 1 - 1e-9, `${precision}: ${cosine}`);
    t.equal(coded.loss === loss, precision === 'int8_backward', `${precision}: the loss`);
  }
});

t.test('the layers below are computed in the numbers of the forward pass', async (t) => {
  const statesIn = async (precision: TrainingPrecision) =>
    (await (await openLowerLayers({ checkpoint, layers: 1, precision, threads: 1 }))(batch.map(({ ids }) => ids)))[
      'hidden_states'
    ]!.data;
  const exact = await statesIn('float32');
  t.same(await statesIn('int8_backward'), exact);
  t.notSame(await statesIn('int8_forward'), exact);
});
