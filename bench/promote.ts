/**
 * `npm run -s bench:promote -- --json`: promotions on the xsmall shape while requests arrive at 80 % of what the service
 * can answer, and on an idle service: how soon the new adapter answers, and whether any request fails or is answered by
 * another than it names.
 */
import { openCheckpoint } from '../src/checkpoint/checkpoint.js';
import { formOf, randomAdapter } from '../test/support/adapter-files.js';
import { benchCheckpoint } from './support/checkpoint.js';
import { pairOf } from './support/pairs.js';
import { startServer } from './support/server.js';
import { median, quantile, rounded } from './support/statistics.js';

const PAIR_TOKENS = 64;
const CAPACITY_CLIENTS = 8;
const CAPACITY_MS = 4000;
const LOAD = 0.8;
const PROMOTIONS = 20;
const PAUSE_MS = 500;

interface Answer {
  readonly status: number;
  readonly digest: string | null;
  readonly ms: number;
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
let seed = 0;

async function ask(url: string): Promise<Answer> {
  const started = performance.now();
  const body = JSON.stringify({ pairs: [pairOf(PAIR_TOKENS, ++seed)] });
  const response = await fetch(`${url}/nli`, { method: 'POST', headers: { 'content-type': 'application/json' }, body });
  const { adapter } = (await response.json()) as { adapter?: { digest: string } | null };
  return { status: response.status, digest: adapter?.digest ?? null, ms: performance.now() - started };
}

/** Requests per second of clients that ask again as soon as they are answered. */
async function capacity(url: string): Promise<number> {
  const until = performance.now() + CAPACITY_MS;
  let answers = 0;
  const client = async (): Promise<void> => {
    while (performance.now() < until) {
      const { status } = await ask(url);
      if (status === 200) answers += 1;
    }
  };
  await Promise.all(Array.from({ length: CAPACITY_CLIENTS }, client));
  return (1000 * answers) / CAPACITY_MS;
}

/** Asks at fixed times, whatever is answered, until told to stop. */
function steadily(url: string, perSecond: number): () => Promise<Answer[]> {
  const answers: Promise<Answer>[] = [];
  const timer = setInterval(() => answers.push(ask(url)), 1000 / perSecond);
  return () => {
    clearInterval(timer);
    return Promise.all(answers);
  };
}

interface Promotion {
  /** From the request to its answer, and from there to the first answer by the new adapter. */
  readonly promote_ms: number;
  readonly first_answer_ms: number;
  readonly by_the_new_one: boolean;
}

async function promote(url: string, version: string): Promise<Promotion> {
  const headers = { 'content-type': 'application/json' };
  const body = JSON.stringify({ force: true, reason: 'benchmark' });
  const started = performance.now();
  const response = await fetch(`${url}/adapters/${version}/promote`, { method: 'POST', headers, body });
  const { digest } = (await response.json()) as { digest?: string };
  const promote_ms = performance.now() - started;
  const first = await ask(url);
  return { promote_ms, first_answer_ms: first.ms, by_the_new_one: first.digest === digest };
}

/** v1 and v2 in turn; the first is one that was never loaded. */
async function promotionsOn(url: string): Promise<Promotion[]> {
  const made: Promotion[] = [];
  for (let i = 0; i < PROMOTIONS; i++) {
    await sleep(PAUSE_MS);
    made.push(await promote(url, `v${(i % 2) + 1}`));
  }
  return made;
}

async function main(): Promise<void> {
  const folder = await benchCheckpoint();
  const { config } = await openCheckpoint(folder);
  const server = await startServer({ ERRATA_MODEL: folder });
  for (const n of [1, 2]) {
    const body = formOf(randomAdapter(config, { seed: n, strength: 0.01 }));
    await fetch(`${server.url}/adapters`, { method: 'POST', body });
  }
  const perSecond = await capacity(server.url);
  const stop = steadily(server.url, LOAD * perSecond);
  const loaded = await promotionsOn(server.url);
  const answers = await stop();
  const idle = await promotionsOn(server.url);
  await server.stop();
  const figures = { ...report(perSecond, loaded, answers), idle: times(idle) };
  console.log(JSON.stringify(figures, null, process.argv.includes('--json') ? undefined : 2));
}

/** To the answer of the promotion, from there to the first answer by the new adapter, and both; the first promotion apart. */
function times(promotions: readonly Promotion[]) {
  const [first, ...others] = promotions;
  const of = (ms: (one: Promotion) => number) => ({
    p50: rounded(median(others.map(ms))),
    p99: rounded(quantile(others.map(ms), 0.99)),
  });
  return {
    first_promote_ms: rounded(first!.promote_ms),
    promote_ms: of(({ promote_ms }) => promote_ms),
    first_answer_ms: of(({ first_answer_ms }) => first_answer_ms),
    both_ms: of(({ promote_ms, first_answer_ms }) => promote_ms + first_answer_ms),
  };
}

function report(perSecond: number, promotions: readonly Promotion[], answers: readonly Answer[]) {
  const ms = answers.map((answer) => answer.ms);
  return {
    requests_per_second: rounded(perSecond),
    load: LOAD,
    promotions: promotions.length,
    by_the_new_one: promotions.filter(({ by_the_new_one }) => by_the_new_one).length,
    ...times(promotions),
    requests: { all: answers.length, failed: answers.filter(({ status }) => status !== 200).length },
    request_ms: { p50: rounded(median(ms)), p99: rounded(quantile(ms, 0.99)) },
  };
}

await main();
