/** Riders over real children: in the same batch where there is room, never at the cost of the rows they ride with. */
import t, { type Test } from 'tap';
import { openCheckpoint } from '../../src/checkpoint/checkpoint.js';
import { type Engine, type EngineOptions, openEngine, type Rider } from '../../src/engine/engine.js';
import { difference } from '../support/array.js';
import { randomAdapter } from '../support/adapters.js';
import { goldenFolder, logitsOf } from '../support/checkpoints.js';
import { eventually } from '../support/processes.js';
import { generator, tokens } from '../support/random.js';

const GOLDEN = goldenFolder('short-buckets', 'checkpoint');
const checkpoint = await openCheckpoint(GOLDEN);
const ROWS = tokens(generator(41), 120, [5, 9, 9, 17]);
const candidate = randomAdapter(checkpoint.config, { linears: ['attention.self.query_proj'], seed: 3 });
const EXPECTED = await logitsOf(checkpoint, ROWS);
const BY_CANDIDATE = await logitsOf(checkpoint, ROWS, [candidate]);
const MIX = [null, candidate.digest] as const;

async function open(t: Test, options: Partial<EngineOptions> = {}): Promise<Engine> {
  const engine = await openEngine(checkpoint, { children: 1, ...options });
  t.teardown(() => engine.close());
  await engine.hold(candidate.digest, candidate);
  return engine;
}

type Told = Float32Array | 'dropped' | 'failed';

/** Judges `rows` by the base model, each with the candidate as a rider. */
async function ride(t: Test, engine: Engine, rows: readonly number[], name: string): Promise<(Told | undefined)[]> {
  const told: (Told | undefined)[] = rows.map(() => undefined);
  const riders = rows.map((_, at): Rider => ({
    adapter: candidate.digest,
    done: (outcome) => (told[at] = outcome),
  }));
  const answers = await engine.classify(
    rows.map((row) => ROWS[row]!),
    { riders },
  );
  same(
    t,
    answers,
    rows.map((row) => EXPECTED[row]!),
    `${name}: the answers are those without riders`,
  );
  return told;
}

function same(t: Test, got: readonly (Told | null | undefined)[], expected: readonly number[][], name: string): void {
  const off = difference(
    got.flatMap((row) => (row instanceof Float32Array ? [...row] : [Number.NaN])),
    expected.flat(),
  );
  t.ok(off < 2e-5, `${name}: ${off}`);
}

t.test('riders are judged in the batch of their rows', async (t) => {
  const engine = await open(t);
  await engine.mix(MIX);
  same(t, await ride(t, engine, [1, 2], 'two rows'), [BY_CANDIDATE[1]!, BY_CANDIDATE[2]!], 'by the candidate');
  t.match(engine.status().totals, { batches: 1, mixedBatches: 1, rows: 4, retries: 0 });
});

t.test('also on all cores, and with the rows of several children', async (t) => {
  const engine = await open(t, { children: 2 });
  await engine.mix(MIX);
  same(t, await ride(t, engine, [3], 'a lone row'), [BY_CANDIDATE[3]!], 'by the candidate');
  same(t, await ride(t, engine, [0, 3], 'two rows'), [BY_CANDIDATE[0]!, BY_CANDIDATE[3]!], 'by the candidate');
  t.equal(engine.status().totals.mixedBatches, engine.status().totals.batches);
});

t.test('riders are dropped', async (t) => {
  const engine = await open(t, { batchTokens: 20 });
  const dropped = (name: string, rows: readonly number[]) => async (t: Test) =>
    t.strictSame(new Set(await ride(t, engine, rows, name)), new Set(['dropped']));
  await t.test('before the children are ready to mix', dropped('not ready', [1]));
  await engine.mix(MIX);
  await t.test('where the batch would be larger than a batch may be', dropped('too large', [3]));
  await t.test('while other rows wait', async (t) => {
    const [told, others] = await Promise.all([
      ride(t, engine, [1], 'before others'),
      engine.classify(ROWS.slice(0, 1)),
      engine.classify(ROWS.slice(3)),
    ]);
    t.equal(told[0] instanceof Float32Array, true, 'nothing waited when it went');
    t.equal(others.length, 1);
    const busy = await Promise.all([
      ride(t, engine, [1], 'first'),
      ride(t, engine, [1], 'second'),
      ride(t, engine, [1], 'third'),
    ]);
    t.ok(busy.flat().includes('dropped'), 'the second went while the third waited');
  });
  engine.unmix(MIX);
  await t.test('when the mix is over', dropped('unmixed', [1]));
  await engine.mix(MIX);
  engine.forget(candidate.digest);
  await t.test('when the candidate is forgotten', dropped('forgotten', [1]));
  t.equal(engine.status().totals.retries, 0);
});

t.test('a mix that no child can make is refused, and rows are answered', async (t) => {
  const engine = await open(t);
  await t.rejects(engine.mix([null, 'unknown']), { code: 'unavailable' });
  t.strictSame(await ride(t, engine, [1], 'after'), ['dropped']);
});

t.test('a child that dies with riders costs no row its second try', async (t) => {
  const engine = await open(t);
  await engine.mix(MIX);
  const busy = (): boolean => engine.status().children.some(({ state }) => state === 'busy');
  const kill = async (restarts: number): Promise<void> => {
    await eventually(busy);
    const { pid } = engine.status().children[0]!;
    process.kill(pid!, 'SIGKILL');
    await eventually(() => engine.status().totals.restarts === restarts);
  };
  process.kill(engine.status().children[0]!.pid!, 'SIGSTOP');
  const told = ride(t, engine, [3], 'twice killed');
  await kill(1);
  t.strictSame(await told, ['failed']);
  const again = await ride(t, engine, [3], 'by the child that replaced it');
  same(t, again, [BY_CANDIDATE[3]!], 'which is ready to mix');
});

t.test('a child that starts while the mix begins takes riders once it has started', async (t) => {
  const engine = await open(t);
  const pid = (): number | undefined => engine.status().children[0]!.pid;
  const first = pid();
  process.kill(first!, 'SIGKILL');
  await eventually(() => pid() !== first);
  process.kill(pid()!, 'SIGSTOP'); // so that it is certainly not ready
  await engine.mix(MIX);
  process.kill(pid()!, 'SIGCONT');
  await eventually(() => engine.status().ready);
  same(t, await ride(t, engine, [3], 'by it'), [BY_CANDIDATE[3]!], 'by the candidate');
});

t.test('a candidate without finite answers fails alone', async (t) => {
  const engine = await open(t);
  const spoilt = {
    ...candidate,
    digest: 'spoilt',
    head: { ...candidate.head, bias: new Float32Array(3).fill(Number.NaN) },
  };
  await engine.hold('spoilt', spoilt);
  await engine.mix([null, 'spoilt']);
  const told: Told[] = [];
  const riders = [{ adapter: 'spoilt', done: (outcome: Told) => told.push(outcome) }];
  same(t, await engine.classify([ROWS[3]!], { riders }), [EXPECTED[3]!], 'the row');
  t.strictSame(told, ['failed']);
});

t.test(
  'a child that dies while it makes itself ready to mix is given no batch, and the next answers all',
  async (t) => {
    const engine = await open(t);
    await engine.mix(MIX);
    const pid = (): number | undefined => engine.status().children[0]?.pid;
    const begun = performance.now();
    process.kill(pid()!, 'SIGKILL');
    await engine.classify([ROWS[0]!]);
    const startMs = performance.now() - begun;
    for (let round = 0; round < 12; round += 1) {
      const first = pid();
      process.kill(first!, 'SIGKILL');
      await eventually(() => pid() !== undefined && pid() !== first);
      const [second, asked] = [pid()!, performance.now()];
      const deadline = asked + 20_000;
      const answers = ROWS.map((row) => engine.classify([row], { deadline }));
      const dies = startMs * (0.6 + 0.06 * round);
      await new Promise((resolve) => setTimeout(resolve, dies));
      if (pid() === second) process.kill(second, 'SIGKILL');
      same(t, (await Promise.all(answers)).flat(), EXPECTED, `killed ${Math.round(dies)} ms after its start`);
    }
  },
);
