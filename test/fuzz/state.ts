/** The whole real service with something of everything in it, and what of that requests may name. */
import { createServer } from 'node:http';
import { writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import type { Arbitrary } from 'fast-check';
import type { Test } from 'tap';
import { formOf, randomAdapter } from '../support/adapter-files.js';
import { bundled } from '../support/registry.js';
import { get, post, startService } from '../service/service.js';
import type { Reply } from './http.js';
import { type Answered, cursorsOf, type Ids, keep, learn, noIds } from './ids.js';
import { knownTo, REVIEWED } from './known.js';
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

export async function fillService(t: Test, operations: readonly Operation[]): Promise<Filled> {
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
  const ids = noIds();
  await fill(url, ids);
  for (const operation of operations) await firstPage(url, operation, ids);
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
  t.teardown(() => server.close().closeAllConnections());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** Nobody listens there. */
function webhooksFile(directory: string): string {
  const file = path.join(directory, 'webhooks.json');
  const secret = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;
  writeFileSync(file, JSON.stringify({ targets: [{ id: 'ops', url: 'http://127.0.0.1:9/hook', secret }] }));
  return file;
}

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
  for (const adapter of ids.adapter)
    await post(`${url}/adapters/${adapter}/promote`, { force: true, reason: 'to have a history' });
  await ended(`${url}/training-runs/${run.body.id}`);
  await ended(`${url}/shadow-comparisons/${id}`);
  const told = await get<{ items: Item[] }>(`${url}/webhook-deliveries`);
  ids.delivery.push(...told.body.items.map((item) => item.id));
}

/** So that there is a cursor to go on with. */
async function firstPage(url: string, operation: Operation, ids: Ids): Promise<void> {
  if (!operation.parameters.some(({ name }) => name === 'cursor')) return;
  const { body } = await get<Answered>(`${url}${operation.path}?limit=1`);
  keep(cursorsOf(operation, ids), body.next_cursor);
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
