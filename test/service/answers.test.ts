/** What users get from the real service with the bundled model. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import t from 'tap';
import type { JudgeAnswer } from '../../src/judge/judge.js';
import type { Judgement } from '../../src/judge/judgement.js';
import { softmax } from '../../src/judge/judgement.js';
import { packageRoot } from '../../src/package.js';
import { processChildren } from './processes.js';
import { get, post, startService } from './service.js';

const MODEL = path.join(packageRoot, 'models', 'nli-deberta-v3-tiny');

interface ReferencePair {
  readonly premise?: string;
  readonly hypothesis: string;
  readonly logits: number[];
  readonly label: string;
}

const reference = JSON.parse(readFileSync(path.join(MODEL, 'reference.json'), 'utf8')) as { pairs: ReferencePair[] };
const plain = reference.pairs.filter((pair): pair is ReferencePair & { premise: string } => pair.premise !== undefined);

type Answer = JudgeAnswer & { ok: boolean; error: string | null };

t.test('every plain pair is judged as transformers judges it', async (t) => {
  const { url } = await startService(t);
  const pairs = plain.map(({ premise, hypothesis }, i) => ({ pair_id: `p${i}`, premise, nli_hypothesis: hypothesis }));
  const { status, body } = await post<Answer>(`${url}/nli`, { pairs });
  t.equal(status, 200);
  t.strictSame(
    body.results.map(({ raw_label }) => raw_label),
    plain.map(({ label }) => label),
  );
  for (const [i, { scores }] of body.results.entries()) {
    const [refutes, supports, neutral] = softmax(plain[i]!.logits) as [number, number, number];
    for (const [label, expected] of Object.entries({ refutes, supports, neutral })) {
      const off = Math.abs((scores as Record<string, number>)[label]! - expected);
      t.ok(off < 1e-4, `pair ${i}, ${label}: off by ${off}`);
    }
  }
});

t.test('the pairs of one request keep their order, repeated ids and their own troubles', async (t) => {
  const { url } = await startService(t);
  const pairs = Array.from({ length: 100 }, (_, i) => ({
    pair_id: i % 2 ? 'odd' : `p${i}`,
    premise: i === 7 ? ' \u200b ' : plain[i % plain.length]!.premise.repeat(1 + (i % 9)),
    nli_hypothesis: plain[i % plain.length]!.hypothesis,
  }));
  const { body } = await post<Answer>(`${url}/nli`, { pairs });
  t.strictSame(
    body.results.map(({ pair_id }) => pair_id),
    pairs.map(({ pair_id }) => pair_id),
  );
  t.match(body.results[7], { label: 'neutral', confidence: 0, scores: null, prediction_id: null, error: /premise/ });
  t.equal(body.results.filter(({ error }) => error !== null).length, 1);
  const alone = await post<Answer>(`${url}/nli`, { pairs: [pairs[42]] });
  t.ok(Math.abs(alone.body.results[0]!.confidence - body.results[42]!.confidence) < 1e-5, 'company does not matter');
});

t.test("Lyra's client gets the shapes it reads", async (t) => {
  const { url } = await startService(t);
  const { premise, hypothesis } = plain[0]!;
  const answer = await post<Answer>(`${url}/nli`, {
    pairs: [{ pair_id: 'c1:f9', premise, nli_hypothesis: hypothesis }],
  });
  t.equal(answer.status, 200);
  t.strictSame(Object.keys(answer.body), ['ok', 'error', 'model', 'adapter', 'results']);
  t.match(answer.body, { ok: true, error: null, adapter: null });
  t.strictSame(Object.keys(answer.body.results[0]!), [
    'pair_id',
    'prediction_id',
    'label',
    'confidence',
    'raw_label',
    'scores',
    'truncated',
    'error',
  ]);
  t.strictSame(await get(`${url}/health`), {
    status: 200,
    body: { status: 'ok', models_loaded: { nli: true, embedding: false } },
  });
  const warm = await fetch(`${url}/warmup`, { method: 'POST' });
  t.match(await warm.json(), { ok: true, message: String });
  const embed = await post(`${url}/embed`, { texts: ['one'], batch_size: 8 });
  t.match(embed, { status: 501, body: { ok: false, embeddings: [], error: String } });
});

t.test('every judgement is there to be reviewed, with what made it', async (t) => {
  const { url } = await startService(t, { ERRATA_RECORD: 'required' });
  const { premise, hypothesis } = plain[1]!;
  const pair = { pair_id: 'x', page_id: 'page-1', premise, nli_hypothesis: hypothesis };
  const { body } = await post<Answer>(`${url}/nli`, { pairs: [pair, { ...pair, page_id: 'page-2' }] });
  const [first] = body.results as [Judgement];
  const model = await get<{ digest: string }>(`${url}/model`);
  const kept = await get(`${url}/predictions/${first.prediction_id}`);
  t.match(kept.body, {
    ...pair,
    label: first.label,
    scores: first.scores,
    model_digest: model.body.digest,
    adapter: null,
  });
  const listed = await get<{ items: { page_id: string }[] }>(`${url}/predictions?page_id=page-2`);
  t.strictSame(
    listed.body.items.map(({ page_id }) => page_id),
    ['page-2'],
  );
});

t.test('nothing is recorded when recording is off', async (t) => {
  const { url } = await startService(t, { ERRATA_RECORD: 'off' });
  const { premise, hypothesis } = plain[1]!;
  const { body } = await post<Answer>(`${url}/nli`, { pairs: [{ premise, nli_hypothesis: hypothesis }] });
  t.match(body.results[0], { prediction_id: null, error: null });
  t.match((await get(`${url}/predictions`)).body, { items: [], next_cursor: null });
});

/** A figure of GET /metrics. */
async function figure(url: string, name: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1]);
}

t.test('a killed inference child costs no answer', async (t) => {
  const { url } = await startService(t, { ERRATA_INFERENCE_CHILDREN: '1', ERRATA_RESULT_CACHE: '0' });
  const { premise, hypothesis } = plain[2]!;
  const pairs = Array.from({ length: 16 }, () => ({ premise: premise.repeat(8), nli_hypothesis: hypothesis }));
  const expected = (await post<Answer>(`${url}/nli`, { pairs })).body.results[0]!.confidence;
  const [victim] = processChildren(process.pid, 'engine/child.js');
  process.kill(victim!, 'SIGSTOP');
  const answers = Array.from({ length: 4 }, () => post<Answer>(`${url}/nli`, { pairs }));
  // what waits waits for a batch that the child has
  while ((await figure(url, 'errata_queue_pairs')) === 0) await new Promise((resolve) => setTimeout(resolve, 10));
  process.kill(victim!, 'SIGKILL');
  for (const { status, body } of await Promise.all(answers)) {
    t.equal(status, 200);
    t.ok(body.results.every(({ confidence }) => Math.abs(confidence - expected) < 1e-5));
  }
  for (const name of ['restarts', 'retries']) t.ok((await figure(url, `errata_engine_${name}_total`)) >= 1, name);
});

t.test('an adapter nobody knows is named in the error', async (t) => {
  const { url } = await startService(t);
  const { premise, hypothesis } = plain[0]!;
  const answer = await post(`${url}/nli`, { pairs: [{ premise, nli_hypothesis: hypothesis }], adapter: 'v9' });
  t.match(answer, { status: 422, body: { ok: false, results: [], errors: [{ pointer: '/adapter' }] } });
});
