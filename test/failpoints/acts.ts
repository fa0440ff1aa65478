/** What clients do, over HTTP, with everything noted in the ledger before it is sent and after it is acknowledged. */
import { createHash } from 'node:crypto';
import { appendFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import Sqlite from 'better-sqlite3';
import { fileOf } from '../../adapters/store.js';
import { openCheckpoint } from '../../src/checkpoint/checkpoint.js';
import { formOf, randomAdapter } from '../support/adapter-files.js';
import { TINY } from '../support/checkpoints.js';
import { type Entry, entry, type Ledger, unique } from './ledger.js';
import { Died } from './service.js';

export interface Client {
  readonly url: string;
  readonly dataDir: string;
  readonly ledger: Ledger;
  /** Work that was not acknowledged, to be done again under the same keys. */
  readonly pending: Pending[];
}

/** Sends one more time; throws Died when no answer comes. */
type Pending = (client: Client) => Promise<void>;

interface Answer {
  readonly status: number;
  readonly body: unknown;
}

const JSON_TYPE = { 'content-type': 'application/json' };

/** Throws Died when the service does not answer any more, and an Error for an answer that is none of `expected`. */
async function ask(url: string, init: RequestInit, ...expected: readonly number[]): Promise<Answer> {
  let status: number;
  let text: string;
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(60_000), ...init });
    status = response.status;
    text = await response.text();
  } catch (error) {
    throw new Died(String(error), { cause: error });
  }
  if (!expected.includes(status)) throw new Error(`${init.method ?? 'GET'} ${url} answered ${status}: ${text}`);
  return { status, body: text.startsWith('{') ? (JSON.parse(text) as unknown) : text };
}

const send = (method: string, body: unknown, headers: Record<string, string> = {}): RequestInit => ({
  method,
  headers: { ...JSON_TYPE, ...headers },
  body: JSON.stringify(body),
});

/** Sends now; what is not acknowledged stays pending. */
async function perform(client: Client, entries: readonly Entry[], once: Pending): Promise<void> {
  const attempt: Pending = async (now) => {
    for (const one of entries) one.times += 1;
    await once(now);
    for (const one of entries) one.answered = true;
  };
  client.pending.push(attempt);
  await attempt(client);
  client.pending.splice(client.pending.indexOf(attempt), 1);
}

/** Sends again all that was not acknowledged. */
export async function settle(client: Client): Promise<void> {
  for (const attempt of client.pending.slice()) {
    await attempt(client);
    client.pending.splice(client.pending.indexOf(attempt), 1);
  }
}

const pairOf = (key: string, page_id: string) => ({
  premise: `${key} was given to half of the patients, and they recovered.`,
  nli_hypothesis: 'The patients recovered.',
  page_id,
});

/** Judges pairs; without an answer nothing is sent again: nobody promises that a judgement is recorded once. */
export async function judge(client: Client, count: number, page = 'page'): Promise<string[]> {
  const entries = Array.from({ length: count }, () => entry(unique(client.ledger, 'pair')));
  client.ledger.judgements.push(...entries);
  const pairs = entries.map(({ key }) => ({ pair_id: key, ...pairOf(key, page) }));
  for (const one of entries) one.times += 1;
  const { body } = await ask(`${client.url}/nli`, send('POST', { pairs }), 200);
  for (const one of entries) one.answered = true;
  return (body as { results: { prediction_id: string }[] }).results.map(({ prediction_id }) => prediction_id);
}

const CLAIM = { original_label: 'supports', original_confidence: 0.95, correct_label: 'neutral' } as const;

function claims(client: Client, count: number, page: string) {
  const entries = Array.from({ length: count }, () => entry(unique(client.ledger, 'correction')));
  client.ledger.corrections.push(...entries);
  const rows = entries.map(({ key }) => ({ ...CLAIM, ...pairOf(key, page), reason: key }));
  return { entries, rows };
}

/** One correction of a judgement, under an Idempotency-Key alone. */
export async function correctOne(client: Client, prediction_id: string): Promise<void> {
  const one = entry(unique(client.ledger, 'correction'));
  client.ledger.corrections.push(one);
  const body = { prediction_id, correct_label: 'refutes', reason: one.key };
  await perform(client, [one], async ({ url }) => {
    await ask(`${url}/corrections`, send('POST', body, { 'idempotency-key': one.key }), 201);
  });
}

/** Several in one request, each with an external_id, under one Idempotency-Key. */
export async function correctMany(client: Client, count: number, page = 'page'): Promise<void> {
  const { entries, rows } = claims(client, count, page);
  const corrections = rows.map((row) => ({ ...row, external_id: row.reason }));
  const key = unique(client.ledger, 'request');
  await perform(client, entries, async ({ url }) => {
    const { body } = await ask(`${url}/corrections`, send('POST', { corrections }, { 'idempotency-key': key }), 200);
    const failed = (body as { results: { error: unknown }[] }).results.filter(({ error }) => error !== null);
    if (failed.length > 0) throw new Error(`corrections were refused: ${JSON.stringify(failed)}`);
  });
}

/** An import with external ids. */
export async function importLines(client: Client, count: number, pages = 1): Promise<void> {
  const { entries, rows } = claims(client, count, 'page');
  const lines = rows.map((row, i) =>
    JSON.stringify({ ...row, page_id: `page-${i % pages}`, external_id: row.reason, correct_label: LABELS[i % 2] }),
  );
  const init = { method: 'POST', headers: { 'content-type': 'application/x-ndjson' }, body: lines.join('\n') };
  await perform(client, entries, async ({ url }) => {
    const { body } = await ask(`${url}/corrections/import`, init, 200);
    const { stored, unchanged, failed } = body as { stored: number; unchanged: number; failed: number };
    if (stored + unchanged !== count || failed > 0) throw new Error(`the import told ${JSON.stringify(body)}`);
  });
}

const LABELS = ['neutral', 'refutes'] as const;

/** One correction, and another that takes its place. */
export async function replaceOne(client: Client): Promise<void> {
  const { entries, rows } = claims(client, 2, 'page');
  const [first, second] = entries as [Entry, Entry];
  const { premise } = rows[0]!;
  for (const [one, label] of [
    [first, 'neutral'],
    [second, 'refutes'],
  ] as const)
    await perform(client, [one], async ({ url }) => {
      const body = { ...rows[0], premise, reason: one.key, external_id: one.key, correct_label: label };
      await ask(`${url}/corrections`, send('POST', body), 201);
    });
}

/** One correction that is taken back. */
export async function withdrawOne(client: Client): Promise<void> {
  const { entries, rows } = claims(client, 1, 'page');
  const [one] = entries as [Entry];
  let id = '';
  await perform(client, [one], async ({ url }) => {
    const { body } = await ask(`${url}/corrections`, send('POST', { ...rows[0], external_id: one.key }), 201);
    ({ id } = body as { id: string });
  });
  const withdrawal = entry(one.key);
  client.ledger.withdrawals.push(withdrawal);
  await perform(client, [withdrawal], async ({ url }) => {
    await ask(`${url}/corrections/${id}/withdraw`, send('POST', {}), 200);
  });
}

const { config: base } = await openCheckpoint(TINY);

/** Imports an adapter of random numbers; resolves with its id. */
export async function importAdapter(client: Client, seed: number): Promise<string> {
  const files = randomAdapter(base, { seed, r: 1, strength: 0.001 });
  const one = entry(createHash('sha256').update(files.weights).digest('hex'));
  client.ledger.adapters.push(one);
  let id = '';
  await perform(client, [one], async ({ url }) => {
    const { body } = await ask(`${url}/adapters`, { method: 'POST', body: formOf(files) }, 200, 201);
    const adapter = body as { id: string; digest: string };
    ({ id } = adapter);
    client.ledger.damaged.delete(adapter.digest);
  });
  return id;
}

/** Without an answer it is not sent again: whether it moved is read from what is active. */
export async function promote({ url, ledger }: Client, adapter: string): Promise<void> {
  const move = { ...entry(adapter), act: 'promote' as const, times: 1 };
  ledger.moves.push(move);
  await ask(`${url}/adapters/${adapter}/promote`, send('POST', { force: true, reason: 'a test' }), 200);
  move.answered = true;
}

export async function rollBack({ url, ledger }: Client): Promise<void> {
  const move = { ...entry('rollback'), act: 'rollback' as const, times: 1 };
  ledger.moves.push(move);
  await ask(`${url}/adapters/rollback`, send('POST', {}), 200);
  move.answered = true;
}

/** The smallest run there is. */
export async function train(client: Client, parameters: object = {}): Promise<string> {
  const small = { epochs: 1, r: 1, max_tokens: 64, target_modules: ['query_proj'], replay: 'none', ...parameters };
  const asked = send('POST', { force: true, parameters: small });
  const { body } = await ask(`${client.url}/training-runs`, asked, 202);
  const { id } = body as { id: string };
  client.ledger.runs.push({ key: id, times: 1, answered: true });
  return id;
}

export async function cancel({ url }: Client, run: string): Promise<void> {
  await ask(`${url}/training-runs/${run}/cancel`, send('POST', {}), 200, 202, 409);
}

/** How many runs and comparisons are queued or run. */
export async function underWay({ url }: Client): Promise<number> {
  let open = 0;
  for (const list of ['training-runs', 'shadow-comparisons']) {
    const { body } = await ask(`${url}/${list}`, {}, 200);
    open += (body as { items: { state: string }[] }).items.filter(({ state }) => OPEN.has(state)).length;
  }
  return open;
}

/** Whether the newest run, or the newest comparison, was given up. */
export async function gaveUp({ url }: Client): Promise<boolean> {
  const states: (string | undefined)[] = [];
  for (const list of ['training-runs', 'shadow-comparisons']) {
    const { body } = await ask(`${url}/${list}?limit=1`, {}, 200);
    states.push((body as { items: { state: string }[] }).items[0]?.state);
  }
  return states.includes('failed');
}

const OPEN = new Set(['queued', 'running']);

/** Resolves when no run and no comparison is under way. */
export async function quiet(client: Client): Promise<void> {
  while ((await underWay(client)) > 0) await sleep(50);
}

/** Resolves when every event is delivered and noted. */
export async function delivered({ url }: Client): Promise<void> {
  for (let events = 0; ; await sleep(50)) {
    const { body } = await ask(`${url}/webhook-deliveries?limit=200`, {}, 200);
    const { items } = body as { items: { state: string }[] };
    if (items.length > 0 && items.length === events && items.every(({ state }) => state !== 'pending')) return;
    events = items.length;
  }
}

/** A page with a judgement and a correction that then go for good. */
export async function erasePage(client: Client): Promise<void> {
  const { judgements, corrections, erasures } = client.ledger;
  const page = unique(client.ledger, 'page');
  const before = [judgements.length, corrections.length] as const;
  const [prediction_id] = await judge(client, 1, page);
  await correctOne(client, prediction_id ?? '');
  await correctMany(client, 1, page);
  const one = entry(page);
  erasures.push(one);
  for (const other of [...judgements.slice(before[0]), ...corrections.slice(before[1])]) other.erasedBy = one;
  await perform(client, [one], async ({ url }) => {
    await ask(`${url}/erasures`, send('POST', { page_id: page, reason: 'asked for' }), 200);
  });
}

/** Sends the newest delivery again. */
export async function replayOne({ url }: Client): Promise<void> {
  const { body } = await ask(`${url}/webhook-deliveries?limit=1`, {}, 200);
  const [newest] = (body as { items: { id: string }[] }).items;
  if (newest) await ask(`${url}/webhook-deliveries/${newest.id}/replay`, send('POST', {}), 202);
}

/** Changes a byte of an adapter's file, as a bad disk would. */
export function damage({ dataDir, ledger }: Client, adapter: string): void {
  const database = new Sqlite(path.join(dataDir, 'errata.db'), { readonly: true });
  const digest = database.prepare('select digest from adapters where id = ?').pluck().get(adapter) as string;
  database.close();
  ledger.sound.delete(digest);
  ledger.damaged.add(digest);
  appendFileSync(fileOf(dataDir, digest, 'adapter_model.safetensors'), 'x');
}

/** Makes the judgements of now as old as none may be; the next start forgets them. */
export function age({ dataDir, ledger }: Client): void {
  ledger.judgements.splice(0);
  const database = new Sqlite(path.join(dataDir, 'errata.db'), { timeout: 5000 });
  database.exec(`update predictions set created_at = '2020-01-01T00:00:00.000Z'`);
  database.close();
}

/** The id of what answers; null: the base model. */
export async function activeOf({ url }: Pick<Client, 'url'>): Promise<string | null> {
  const { body } = await ask(`${url}/adapters/active`, {}, 200);
  return (body as { adapter: { id: string } | null }).adapter?.id ?? null;
}
