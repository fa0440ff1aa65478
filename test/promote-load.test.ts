/** Promotions and rollbacks over HTTP, under load: the whole service with the bundled model. */
import t, { type Test } from 'tap';
import { loadConfig } from '../src/config.js';
import { serve } from '../src/serve.js';
import { formOf, randomAdapter } from './support/adapter-files.js';
import { get, post } from './support/serve.js';
import { bundled } from './support/registry.js';

const CLIENTS = 6;
const MOVES = 12;
const PAIRS = Array.from({ length: 5 }, (_, i) => ({
  pair_id: `${i}`,
  premise: 'A man in a red coat plays the guitar on a stage. '.repeat(i + 1),
  nli_hypothesis: 'Somebody makes music.',
}));

interface Nli {
  readonly adapter: { readonly digest: string } | null;
  readonly results: { readonly confidence: number; readonly error: string | null }[];
}

t.setTimeout(300_000);
const env = { ERRATA_DATA_DIR: t.testdir(), ERRATA_PORT: '0', ERRATA_LOG_LEVEL: 'silent', ERRATA_RECORD: 'off' };
const service = await serve(loadConfig(env));
t.teardown(() => service.close());
const { url } = service;

const judge = async (adapter = 'active'): Promise<Nli> => {
  const answer = await post(`${url}/nli`, { pairs: PAIRS, adapter });
  if (answer.status !== 200) throw new Error(`${answer.status}: ${JSON.stringify(answer.body)}`);
  return answer.body as Nli;
};

const digestOf = ({ adapter }: Nli): string => adapter?.digest ?? 'base';

/** Digest → what each pair's confidence is by it. */
async function expectations(): Promise<Map<string, number[]>> {
  const answers = [];
  for (const name of ['base', 'v1', 'v2', 'v3']) answers.push(await judge(name));
  return new Map(answers.map((one) => [digestOf(one), one.results.map(({ confidence }) => confidence)]));
}

/** Whether each pair of the answer was judged by the adapter that the answer names. */
const isWhole = (answer: Nli, expected: Map<string, number[]>): boolean =>
  answer.results.every(
    ({ confidence, error }, i) =>
      error === null && Math.abs(confidence - (expected.get(digestOf(answer))?.[i] ?? Infinity)) < 1e-4,
  );

t.test('promotions and rollbacks under load fail no request and mix no answer', async (t) => {
  for (const [seed, r] of [
    [1, 8],
    [2, 8],
    [3, 16],
  ] as const) {
    const body = formOf(randomAdapter(bundled.config, { seed, r }));
    t.equal((await fetch(`${url}/adapters`, { method: 'POST', body })).status, 201);
  }
  const expected = await expectations();
  const values = [...expected.values()];
  t.ok(
    PAIRS.every((_, i) => new Set(values.map((one) => one[i]?.toFixed(3))).size === values.length),
    'a pair tells by which adapter it was judged',
  );
  const state = { done: false, answers: 0, torn: 0, seen: new Set<string>() };
  const clients = Array.from({ length: CLIENTS }, async () => {
    while (!state.done) {
      const answer = await judge();
      state.answers += 1;
      state.seen.add(digestOf(answer));
      if (!isWhole(answer, expected)) state.torn += 1;
    }
  });
  for (let i = 0; i < MOVES; i++) await move(t, i);
  state.done = true;
  await Promise.all(clients);
  t.equal(state.torn, 0);
  t.equal(state.seen.size, 4, 'each of them answered, the base model too');
  t.comment(`${state.answers} answers of ${PAIRS.length} pairs`);
});

/** v1, v2, v3, then three back to the base model, and again. */
async function move(test: Test, i: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 150));
  const before = (await get(`${url}/adapters/active`)).headers.get('etag') ?? '';
  const forward = i % 6 < 3;
  const path = forward ? `v${(i % 6) + 1}/promote` : 'rollback';
  const body = forward ? { force: true, reason: 'load' } : {};
  const started = performance.now();
  const { status, headers } = await post(`${url}/adapters/${path}`, body, { 'if-match': before });
  const moved = performance.now();
  const answer = await judge();
  const answered = performance.now();
  test.equal(status, 200);
  test.equal(`"${digestOf(answer)}"`, headers.get('etag'), 'what is asked after the answer is judged by the new one');
  test.comment(`${path}: ${(moved - started).toFixed(0)} ms, first answer ${(answered - moved).toFixed(0)} ms later`);
}

t.test('a base answer keeps its ETag, and the history tells what was live when', async (t) => {
  const { headers, body } = await get(`${url}/adapters/active`);
  t.equal(headers.get('etag'), '"base"');
  t.strictSame(body, { adapter: null });
  const history = await get(`${url}/adapters/history?limit=${MOVES}`);
  const { items } = history.body as { items: { act: string; at: string; until: string | null }[] };
  t.equal(items.length, MOVES);
  for (const [i, { at }] of items.slice(0, -1).entries()) t.equal(items[i + 1]?.until, at);
});
