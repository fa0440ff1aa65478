/** The live shadow over the whole real service: real children judge both, and are killed. */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import t, { type Test } from 'tap';
import { loadConfig } from '../../src/config.js';
import { type Service, serve } from '../../src/serve.js';
import { formOf, randomAdapter } from '../support/adapter-files.js';
import { contractFault } from '../support/contract.js';
import { bundled } from '../support/registry.js';
import { get, post } from '../support/serve.js';
import { processChildren } from './processes.js';

interface Shadow {
  readonly state: string;
  readonly ended_because: string | null;
  readonly sampled: number;
  readonly agreed: number;
  readonly disagreed: number;
  readonly dropped: number;
  readonly failed: number;
}

interface Result {
  readonly prediction_id: string;
  readonly label: string;
  readonly confidence: number;
  readonly error: string | null;
}

interface Listed {
  readonly id: string;
  readonly label: string;
  readonly scores: object;
  readonly shadow: { readonly label: string; readonly scores: object } | null;
}

const PAIRS = ['plays the guitar', 'sleeps', 'crosses the street', 'reads a paper', 'sings', 'waits'].map(
  (does, at) => ({
    pair_id: `c${at}`,
    page_id: 'p7',
    premise: `A man in a red coat ${does} while others look on.`,
    nli_hypothesis: at % 2 === 0 ? `Somebody ${does}.` : 'Nobody is there.',
  }),
);

t.setTimeout(300_000);
const data = t.testdir();

const start = async (): Promise<Service> =>
  serve(
    loadConfig({
      ERRATA_DATA_DIR: data,
      ERRATA_PORT: '0',
      ERRATA_LOG_LEVEL: 'silent',
      ERRATA_INFERENCE_CHILDREN: '2',
      ERRATA_RECORD: 'required',
      ERRATA_RESULT_CACHE: '0', // the same pairs are asked again and again
    }),
  );

const put = async (url: string, body: object) => {
  const headers = { 'content-type': 'application/json' };
  const response = await fetch(`${url}/live-shadow`, { method: 'PUT', headers, body: JSON.stringify(body) });
  return { status: response.status, headers: response.headers, body: await response.json() };
};
const shadowOf = async (url: string): Promise<Shadow> => (await get(`${url}/live-shadow`)).body as Shadow;

/** One pair to a request: at a quiet time each sampled one finds room. */
async function judgeAll(url: string, adapter = 'active'): Promise<Result[]> {
  const results: Result[] = [];
  for (const pair of PAIRS) {
    const { body } = await post(`${url}/nli`, { pairs: [pair], adapter });
    results.push(...(body as { results: Result[] }).results);
  }
  return results;
}

const answersOf = (results: readonly Result[]) =>
  results.map(({ label, confidence }) => [label, confidence.toFixed(4)]);

async function on(url: string): Promise<Shadow> {
  for (;;) {
    const told = await shadowOf(url);
    if (told.state !== 'starting') return told;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

let service = await start();
t.teardown(() => service.close());
for (const seed of [1, 2]) {
  const body = formOf(randomAdapter(bundled.config, { seed, r: 8 * seed }));
  await fetch(`${service.url}/adapters`, { method: 'POST', body });
}
const base = await judgeAll(service.url);
const candidate = await judgeAll(service.url, 'v1');
const differing = base.filter(({ label }, at) => label !== candidate[at]?.label).length;

t.test(
  'clients are told what they were told before; where the candidate disagrees is found, with both scores',
  async (t) => {
    const { url } = service;
    const set = await put(url, { candidate: 'v1', rate: 1 });
    t.match(set, {
      status: 200,
      body: { state: 'on', candidate: { version: 'v1' }, against: null, rate: 1, sampled: 0 },
    });
    t.equal(contractFault('setLiveShadow', set), undefined);
    const answers = await judgeAll(url);
    t.strictSame(answersOf(answers), answersOf(base));
    const answered = await get(`${url}/live-shadow`);
    t.equal(contractFault('getLiveShadow', answered), undefined);
    t.match(answered.body, { sampled: 6, agreed: 6 - differing, disagreed: differing, dropped: 0, failed: 0 });
    t.ok(differing > 0, `${differing} of 6 differ`);
    const list = await get(`${url}/predictions?review=wanted&limit=6`);
    t.equal(contractFault('listPredictions', list), undefined);
    const first = (list.body as { items: Listed[] }).items.slice(0, differing);
    for (const { id, label, shadow } of first) {
      const at = answers.findIndex(({ prediction_id }) => prediction_id === id);
      t.same([label, shadow?.label], [base[at]?.label, candidate[at]?.label]);
      t.not(shadow?.label, label);
    }
    const metrics = (await get(`${url}/metrics`)).body as string;
    t.match(metrics, new RegExp(`errata_live_shadow_pairs_total\\{outcome="disagreed"\\} ${differing}`));
    t.match(metrics, /errata_engine_mixed_batches_total 6/);
  },
);

t.test('what a reviewer settles is not offered first any more', async (t) => {
  const { url } = service;
  const first = async (): Promise<string> =>
    ((await get(`${url}/predictions?review=wanted&limit=1`)).body as { items: Listed[] }).items[0]?.id ?? '';
  const prediction_id = await first();
  const correction = { prediction_id, correct_label: 'neutral', review_source: 'disagreement' };
  t.equal((await post(`${url}/corrections`, correction)).status, 201);
  t.not(await first(), prediction_id);
});

t.test('children killed in the middle of mixed batches change no answer and lose none', async (t) => {
  const { url } = service;
  for (let round = 0; round < 3; round++) {
    const answers = judgeAll(url);
    await new Promise((resolve) => setTimeout(resolve, 5 + 10 * round));
    const [pid] = processChildren(process.pid, 'engine/child.js');
    if (pid !== undefined) process.kill(pid, 'SIGKILL');
    t.strictSame(answersOf(await answers), answersOf(base));
  }
  t.match(await shadowOf(url), { state: 'on' });
});

t.test(
  'under more requests than can be run at once pairs are dropped, and every request is answered as ever',
  async (t) => {
    const { url } = service;
    const before = await shadowOf(url);
    const many = await Promise.all(Array.from({ length: 24 }, () => post(`${url}/nli`, { pairs: PAIRS })));
    for (const { status, body } of many) {
      t.equal(status, 200);
      t.strictSame(answersOf((body as { results: Result[] }).results), answersOf(base));
    }
    const after = await shadowOf(url);
    t.equal(after.sampled - before.sampled, 24 * 6);
    t.ok(after.dropped > before.dropped, `${after.dropped - before.dropped} dropped`);
    t.equal(after.sampled, after.agreed + after.disagreed + after.dropped + after.failed);
  },
);

t.test('a restart goes on with it', async (t) => {
  const before = await shadowOf(service.url);
  await service.close();
  service = await start();
  t.match(await on(service.url), { ...before, state: 'on' });
  t.strictSame(answersOf(await judgeAll(service.url)), answersOf(base));
  t.equal((await shadowOf(service.url)).sampled, before.sampled + 6);
});

t.test('beside another adapter it counts anew; promoted, it ends', async (t) => {
  const { url } = service;
  const promote = (version: string) => post(`${url}/adapters/${version}/promote`, { force: true, reason: 'test' });
  t.equal((await promote('v2')).status, 200);
  const [other] = await judgeAll(url);
  t.not(other?.confidence, base[0]?.confidence);
  t.match(await on(url), { state: 'on', against: { version: 'v2' }, sampled: 0 });
  await judgeAll(url);
  t.match(await shadowOf(url), { sampled: 6, dropped: 0, failed: 0 });
  t.equal((await promote('v1')).status, 200);
  t.match(await shadowOf(url), { state: 'off', ended_because: 'promoted', sampled: 6 });
  t.strictSame(answersOf(await judgeAll(url)), answersOf(candidate));
  const log = (await get(`${url}/audit-log?limit=2`)).body as { items: { act: string }[] };
  t.match(log.items, [{ act: 'live-shadow.end' }, { act: 'adapter.promote' }]);
});

t.test('requests that ask for what cannot be are refused', async (t: Test) => {
  const { url } = service;
  const refused: [body: object, status: number, pointer: string | null][] = [
    [{ candidate: 'v9' }, 422, '/candidate'],
    [{ candidate: 'v1' }, 409, null],
    [{ candidate: 'v2', rate: 0 }, 400, '/rate'],
    [{ candidate: 'v2', rate: 1.01 }, 400, '/rate'],
    [{ candidate: 'v2', rate: '0.1' }, 400, '/rate'],
    [{ candidate: '../v2' }, 400, '/candidate'],
    [{ rate: 0.1 }, 400, '/candidate'],
    [{ candidate: 'v2', until: 'never' }, 400, '/until'],
  ];
  for (const [body, status, pointer] of refused) {
    const answer = await put(url, body);
    t.equal(answer.status, status, JSON.stringify(body));
    t.equal(contractFault('setLiveShadow', answer), undefined);
    if (pointer !== null) t.match(answer.body, { errors: [{ pointer }] });
  }
});

t.test('a candidate whose files are damaged by the next start ends it, and the service serves', async (t) => {
  const set = await put(service.url, { candidate: 'v2', rate: 1 });
  const { digest } = (set.body as { candidate: { digest: string } }).candidate;
  await service.close();
  writeFileSync(path.join(data, 'adapters', digest, 'adapter_model.safetensors'), 'nothing');
  service = await start();
  t.match(await on(service.url), { state: 'off', ended_because: 'unusable' });
  t.strictSame(answersOf(await judgeAll(service.url)), answersOf(candidate));
});
