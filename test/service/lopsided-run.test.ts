/** Reviews that no split can balance: two classes missing entirely, one page holding everything. The run ends, and nothing is taken for proof. */
import t from 'tap';
import { get, post, startService } from './service.js';

interface Run {
  readonly id: string;
  readonly state: string;
  readonly adapter_id: string | null;
  readonly comparison_id: string | null;
  readonly error: string | null;
}

const ENDED = new Set(['succeeded', 'failed', 'cancelled']);

t.setTimeout(300_000);

t.test('trained on, compared with nothing, not promoted; of two runs at once the second waits', async (t) => {
  const { url } = await startService(t, { ERRATA_TRAIN_AFTER: '0' });
  const corrections = Array.from({ length: 12 }, (_, at) => ({
    premise: `The trial of ${at + 20} patients ended in ${at + 2001}.`,
    nli_hypothesis: 'The trial ended.',
    original_label: 'neutral',
    original_confidence: 0.95,
    correct_label: 'supports',
    page_id: 'the only page',
  }));
  t.equal((await post(`${url}/corrections`, { corrections })).status, 200);
  const readiness = await get<{ warnings: string[] }>(`${url}/training-runs/readiness`);
  t.match(
    readiness.body.warnings.join('; '),
    /refutes: 0 corrections.*validation side is empty.*one page holds everything/,
  );
  const few = await post(`${url}/training-runs`, {});
  t.match(few, { status: 409, body: { detail: /12 corrections are usable and 100 are needed/ } });

  const start = () => post<Run>(`${url}/training-runs`, { force: true, parameters: { epochs: 1, max_tokens: 64 } });
  const both = await Promise.all([start(), start()]);
  for (const { status } of both) t.equal(status, 202);
  const states = new Set<string>();
  const look = async (): Promise<Run[]> =>
    await Promise.all(both.map(async ({ body }) => (await get<Run>(`${url}/training-runs/${body.id}`)).body));
  let runs = await look();
  while (runs.some(({ state }) => !ENDED.has(state))) {
    states.add(
      runs
        .map(({ state }) => state)
        .toSorted()
        .join(),
    );
    await new Promise((resolve) => setTimeout(resolve, 20));
    runs = await look();
  }
  t.notOk(states.has('running,running'), [...states].join('; '));
  for (const { state, error } of runs) t.match({ state, error }, { state: 'succeeded', error: null });
  const [{ adapter_id, comparison_id }] = runs as [Run];
  const { body } = await get<object>(`${url}/shadow-comparisons/${comparison_id}`);
  t.match(body, {
    verdict: 'not_enough_data',
    old_accuracy: null,
    new_accuracy: null,
    report: { sets: { union: { n: 0 } } },
  });
  const promotion = await post(`${url}/adapters/${adapter_id}/promote`, {});
  t.match(promotion, { status: 409, body: { detail: /not_enough_data/ } });
});
