/** The whole real service with something of everything in it, and what of that requests may name. */
import { createServer } from 'node:http';
import { readFileSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import fc, { type Arbitrary } from 'fast-check';
import type { Test } from 'tap';
import { encodeCursor } from '../../src/db/cursor.js';
import { packageRoot } from '../../src/package.js';
import { formOf, randomAdapter } from '../support/adapter-files.js';
import { bundled } from '../support/registry.js';
import { get, post, startService } from '../service/service.js';
import { MULTIPART, type Part } from './draft.js';
import type { Reply } from './http.js';
import type { Operation } from './operations.js';

export interface Filled {
  readonly url: string;
  readonly dataDir: string;
  /** Ends the service before the test does. */
  close(): Promise<void>;
  /** Values that name something of the service. */
  known(operation: Operation): Readonly<Record<string, Arbitrary<unknown>>>;
  /** Takes the ids of an answer among them. */
  learn(operation: Operation, reply: Reply): void;
  /** Resolves when no run and no comparison is under way; those that wait are cancelled. */
  settle(): Promise<void>;
}

type Kind = 'prediction' | 'correction' | 'adapter' | 'run' | 'comparison' | 'delivery';
type Ids = Readonly<Record<Kind, string[]>> & {
  /** By the operation that gave them. */
  readonly cursors: Map<string, string[]>;
};

/** Ids of each kind that are drawn from: the newest take the place of older ones. */
const MOST_KNOWN = 64;

export async function fillService(t: Test): Promise<Filled> {
  const dataDir = t.testdir();
  const env = {
    ERRATA_TRAIN_AFTER: '0',
    ERRATA_INFERENCE_CHILDREN: '1',
    ERRATA_TRAINING_CHILDREN: '1',
    ERRATA_WIDE_SESSION: 'off',
    ERRATA_RECORD: 'required',
    ERRATA_EMBED_URL: await embeddingServer(t),
    ERRATA_WEBHOOKS: webhooksFile(dataDir),
  };
  const { url, close } = await startService(t, { ...env, ERRATA_DATA_DIR: dataDir });
  const ids: Ids = {
    prediction: [],
    correction: [],
    adapter: [],
    run: [],
    comparison: [],
    delivery: [],
    cursors: new Map(),
  };
  await fill(url, ids);
  return {
    url,
    dataDir,
    close,
    known: (operation) => knownTo(operation, ids),
    learn: (operation, reply) => learn(operation, reply, ids),
    settle: () => settle(url),
  };
}

/** Answers every call as an embedding server would. */
async function embeddingServer(t: Test): Promise<string> {
  const server = createServer((request, response) => {
    request.resume().on('end', () => {
      response
        .writeHead(200, { 'content-type': 'application/json' })
        .end('{"ok":true,"embeddings":[[0.5]],"error":null}');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => void server.close().closeAllConnections());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** Nobody listens there. */
function webhooksFile(directory: string): string {
  const file = path.join(directory, 'webhooks.json');
  const secret = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;
  writeFileSync(file, JSON.stringify({ targets: [{ id: 'ops', url: 'http://127.0.0.1:9/hook', secret }] }));
  return file;
}

interface Reviewed {
  readonly premise: string;
  readonly hypothesis: string;
  readonly label: string;
  readonly page_id: string;
}

const REVIEWED = readFileSync(path.join(packageRoot, 'demo', 'data', 'reviewed.jsonl'), 'utf8')
  .trimEnd()
  .split('\n')
  .slice(0, 24)
  .map((line) => JSON.parse(line) as Reviewed);

const OTHER: Readonly<Record<string, string>> = { supports: 'refutes', refutes: 'neutral', neutral: 'supports' };

interface Item {
  readonly id: string;
  readonly state: string;
}

async function fill(url: string, ids: Ids): Promise<void> {
  const pairs = REVIEWED.map(({ premise, hypothesis, page_id }, i) => ({
    pair_id: `c${i}`,
    premise,
    nli_hypothesis: hypothesis,
    page_id,
  }));
  const judged = await post<{ results: { prediction_id: string }[] }>(`${url}/nli`, { pairs });
  ids.prediction.push(...judged.body.results.map(({ prediction_id }) => prediction_id));
  const corrections = REVIEWED.map(({ premise, hypothesis, label, page_id }, i) => {
    const claimed = { original_label: OTHER[label], original_confidence: 0.95, correct_label: label };
    return i % 3 === 0
      ? { prediction_id: ids.prediction[i], correct_label: label }
      : { premise: `${premise} (${i})`, nli_hypothesis: hypothesis, page_id, ...claimed };
  });
  const stored = await post<{ results: { correction: { id: string } }[] }>(`${url}/corrections`, { corrections });
  ids.correction.push(...stored.body.results.map(({ correction }) => correction.id));
  for (const seed of [1, 2]) ids.adapter.push(await imported(url, seed));
  const run = await post<Item>(`${url}/training-runs`, { force: true, parameters: { epochs: 1, r: 2 } });
  ids.run.push(run.body.id);
  const { id } = (await post<Item>(`${url}/shadow-comparisons`, { adapter: ids.adapter[0] })).body;
  ids.comparison.push(id);
  await post(`${url}/adapters/${ids.adapter[0]}/promote`, { force: true, reason: 'to have a history' });
  await ended(`${url}/training-runs/${run.body.id}`);
  await ended(`${url}/shadow-comparisons/${id}`);
  const told = await get<{ items: Item[] }>(`${url}/webhook-deliveries`);
  ids.delivery.push(...told.body.items.map((item) => item.id));
}

async function imported(url: string, seed: number): Promise<string> {
  const body = formOf(randomAdapter(bundled.config, { seed, r: 2 }));
  const answer = await fetch(`${url}/adapters`, { method: 'POST', body });
  return ((await answer.json()) as Item).id;
}

async function ended(at: string): Promise<void> {
  for (;;) {
    const { state } = (await get<Item>(at)).body;
    if (!['queued', 'running'].includes(state)) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function settle(url: string): Promise<void> {
  const runs = (await get<{ items: Item[] }>(`${url}/training-runs?limit=200`)).body.items;
  const open = runs.filter(({ state }) => state === 'queued' || state === 'running');
  for (const { id } of open.toReversed()) await fetch(`${url}/training-runs/${id}/cancel`, { method: 'POST' });
  const compared = (await get<{ items: Item[] }>(`${url}/shadow-comparisons?limit=200`)).body.items;
  for (const { id } of compared.toReversed()) await ended(`${url}/shadow-comparisons/${id}`);
}

/** Which kind of thing an operation's `{id}` is, by the first part of its path. */
const BY_PATH: Readonly<Record<string, Kind>> = {
  predictions: 'prediction',
  corrections: 'correction',
  adapters: 'adapter',
  'training-runs': 'run',
  'shadow-comparisons': 'comparison',
  'webhook-deliveries': 'delivery',
};

const kindOf = ({ path: at }: Operation): Kind | undefined => BY_PATH[at.split('/')[1] ?? ''];

function knownTo(operation: Operation, ids: Ids): Record<string, Arbitrary<unknown>> {
  const from = (all: readonly string[]) => fc.nat(MOST_KNOWN - 1).map((i) => all[i % all.length] ?? 'none');
  const one = (kind: Kind) => from(ids[kind]);
  const adapter = fc.oneof(fc.constantFrom('active', 'base', 'v1', 'v2', 'v3'), one('adapter'));
  const kind = kindOf(operation);
  return {
    prediction_id: one('prediction'),
    correction_id: one('correction'),
    pair_id: fc.constantFrom('c1', 'c2', 'c9', 'unknown'),
    page_id: fc.constantFrom(...REVIEWED.map(({ page_id }) => page_id)),
    exclude: fc.uniqueArray(one('correction'), { maxLength: 4 }),
    adapter,
    against: adapter,
    cursor: fc.oneof({ weight: 5, arbitrary: from(cursorsOf(operation, ids)) }, { weight: 1, arbitrary: cursors() }),
    external_id: fc.constantFrom('e1', 'e2', 'e3'),
    'if-match': fc.constantFrom('*', '*', '*', '"base"', '"x"', 'W/"base"', '"a", "base"'),
    'idempotency-key': fc.nat(400).map((i) => `k${i}`),
    'last-event-id': fc.constantFrom('0', '1', '5', '999999999999999'),
    min_corrections: fc.constantFrom(1, 2, 100),
    // Longer runs are asked for by the schema alone.
    epochs: fc.constant(1),
    ...(kind !== undefined && { id: one(kind) }),
    [MULTIPART]: forms(),
    ...(operation.id === 'erase' && { 'application/json': erasures(one) }),
  };
}

function cursorsOf({ id }: Operation, { cursors: known }: Ids): string[] {
  const all = known.get(id) ?? [];
  known.set(id, all);
  return all;
}

/** Each of one subject, which the schema alone does not say. */
function erasures(one: (kind: Kind) => Arbitrary<string>): Arbitrary<object> {
  const reason = fc.constantFrom('because', 'right to be forgotten');
  const text = fc.constantFrom(...REVIEWED.map(({ premise }) => premise));
  return fc.oneof(
    fc.record({ reason, prediction_id: one('prediction') }),
    fc.record({ reason, correction_id: one('correction') }),
    fc.record({ reason, page_id: fc.string({ unit: 'grapheme', minLength: 1 }) }),
    fc.record({ reason, premise: text, nli_hypothesis: text }),
  );
}

/** Cursors of any list, and some that are none. */
function cursors(): Arbitrary<string> {
  const key = fc.oneof(
    fc.integer(),
    fc.double(),
    fc.string({ maxLength: 12 }),
    fc.constant('2026-01-02T00:00:00.000Z'),
  );
  const keys = fc.array(key, { minLength: 1, maxLength: 3 }).map(encodeCursor);
  return fc
    .oneof(
      keys,
      fc.json({ maxDepth: 1 }).map((text) => Buffer.from(text).toString('base64url')),
    )
    .filter((cursor) => cursor !== '');
}

const ADAPTERS = [1, 2, 3, 4].map((seed) => randomAdapter(bundled.config, { seed, r: seed }));

function forms(): Arbitrary<readonly Part[]> {
  const files = fc.constantFrom(...ADAPTERS);
  const bytes = fc.uint8Array({ maxLength: 64 });
  return fc
    .tuple(files, fc.oneof({ weight: 9, arbitrary: fc.constant(null) }, { weight: 1, arbitrary: bytes }))
    .map(([{ config, weights }, instead]) => [
      { name: 'adapter_config.json', filename: 'adapter_config.json', content: instead ?? config },
      { name: 'adapter_model.safetensors', filename: 'adapter_model.safetensors', content: instead ?? weights },
    ]);
}

interface Answered {
  readonly id?: unknown;
  readonly next_cursor?: unknown;
  readonly results?: readonly { readonly prediction_id?: unknown; readonly correction?: Answered | null }[];
}

function learn(operation: Operation, { status, headers, body }: Reply, ids: Ids): void {
  if (status >= 300 || headers['content-type']?.startsWith('application/json') !== true) return;
  const { id, next_cursor, results = [] } = JSON.parse(body.toString()) as Answered;
  keep(cursorsOf(operation, ids), next_cursor);
  const kind = kindOf(operation);
  if (kind !== undefined) keep(ids[kind], id);
  for (const { prediction_id, correction } of results) {
    keep(ids.prediction, prediction_id);
    keep(ids.correction, correction?.id);
  }
}

/** In the order of arrival, so that a seed meets the same things at the same place. */
function keep(ids: string[], id: unknown): void {
  if (typeof id !== 'string' || ids.includes(id)) return;
  if (ids.push(id) > MOST_KNOWN) ids.shift();
}
