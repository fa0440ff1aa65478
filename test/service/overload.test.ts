/** P5 over the whole real service: what is accepted is answered in time, the rest is told at once when to come again. */
import t from 'tap';
import { processChildren } from './processes.js';
import { startService } from './service.js';

/** The same pairs again and again. */
const ALL_IS_RUN = { ERRATA_INFERENCE_CHILDREN: '1', ERRATA_RESULT_CACHE: '0' };

/** About so many has BODY. */
const TOKENS = 8 * 70;

interface Outcome {
  readonly status: number;
  readonly type: string | undefined;
  readonly retryAfter: string | null;
  readonly took: number;
}

const premise = 'A man in a red jacket is playing a guitar on the street while some people listen. '.repeat(3);
const BODY = JSON.stringify({ pairs: Array.from({ length: 8 }, () => ({ premise, nli_hypothesis: 'A man plays.' })) });

async function ask(url: string, deadlineMs: number, signal?: AbortSignal): Promise<Outcome> {
  const started = performance.now();
  const response = await fetch(`${url}/nli`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-errata-deadline-ms': String(deadlineMs) },
    body: BODY,
    ...(signal && { signal }),
  });
  const { type } = (await response.json()) as { type?: string };
  const retryAfter = response.headers.get('retry-after');
  return { status: response.status, type, retryAfter, took: performance.now() - started };
}

async function metric(url: string, name: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1]);
}

t.test(
  'far more than can be done: what is answered is in time, the rest is refused, and soon all is as before',
  async (t) => {
    const { url } = await startService(t, ALL_IS_RUN);
    const deadlineMs = 1500;
    const outcomes: Outcome[] = [];
    // Waves, so that most arrive while others wait.
    const waves: Promise<unknown>[] = [];
    for (let wave = 0; wave < 20; wave++) {
      for (let i = 0; i < 25; i++) waves.push(ask(url, deadlineMs).then((outcome) => outcomes.push(outcome)));
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    await Promise.all(waves);
    const having = (status: number): Outcome[] => outcomes.filter((outcome) => outcome.status === status);
    t.comment(`200: ${having(200).length}, 429: ${having(429).length}, 503: ${having(503).length}`);
    t.equal(having(200).length + having(429).length + having(503).length, 500, 'every request has its answer');
    t.ok(having(200).length > 0 && having(429).length > having(200).length, 'it was too much');
    for (const { type, retryAfter } of having(429)) {
      t.equal(type, '/problems#queue-full');
      t.match(retryAfter, /^[1-9]\d*$/);
    }
    for (const { type } of having(503)) t.equal(type, '/problems#deadline');
    t.equal(await metric(url, 'errata_queue_pairs'), 0);
    t.ok((await metric(url, 'errata_engine_tokens_per_second')) > 0);
    t.equal((await ask(url, 30_000)).status, 200);
    const whole = 8 * (1 + having(200).length);
    const rows = await metric(url, 'errata_engine_rows_total');
    t.ok(rows >= whole && rows <= whole + 8 * having(503).length, 'what is refused is not judged');
  },
);

t.test('a request that cannot be in time is refused while one that has time is taken', async (t) => {
  const { url } = await startService(t, ALL_IS_RUN);
  const rate = await metric(url, 'errata_engine_tokens_per_second');
  t.ok(rate > 0, 'measured at the start');
  const twoSeconds = Math.max(10, Math.ceil((2 * rate) / TOKENS));
  const [child] = processChildren(process.pid, 'engine/child.js');
  process.kill(child!, 'SIGSTOP');
  const patient = Array.from({ length: twoSeconds }, () => ask(url, 60_000));
  while ((await metric(url, 'errata_queue_pairs')) < 64) await new Promise((resolve) => setTimeout(resolve, 5));
  const asked = [ask(url, 100), ask(url, 60_000)] as const;
  const hasty = await asked[0];
  process.kill(child!, 'SIGCONT');
  const other = await asked[1];
  t.match(hasty, { status: 429, type: '/problems#queue-full' });
  t.equal(other.status, 200);
  for (const { status } of await Promise.all(patient)) t.equal(status, 200);
});
