/** P7: whatever files are uploaded as an adapter, they are taken in whole or refused by name. */
import { createHash } from 'node:crypto';
import fc from 'fast-check';
import t from 'tap';
import { AdapterError, type AdapterFiles, parseAdapter } from '../../adapters/format.js';
import { LAYER_LINEARS } from '../../src/checkpoint/names.js';
import { get, post, startService } from '../service/service.js';
import { randomAdapter } from '../support/adapter-files.js';
import { openApi } from '../support/contract.js';
import { bundled } from '../support/registry.js';
import { formRequest } from './draft.js';
import { hostileAdapters } from './hostile-adapters.js';
import { createClient } from './http.js';
import { operationsOf } from './operations.js';
import { createJudge } from './verdict.js';

t.setTimeout(1_800_000);

const seed = Number(process.env['FUZZ_SEED'] ?? 20_260_102);
const parsed = Number(process.env['FUZZ_PARSED_ADAPTERS'] ?? 10_000);
const sent = Number(process.env['FUZZ_ADAPTERS'] ?? 500);

const base = bundled.config;
const patterns = { rank_pattern: new Map([['query_proj', 2]]), alpha_pattern: new Map([['query_proj', 4]]) };
const VALID: readonly AdapterFiles[] = [
  randomAdapter(base, { seed: 1, r: 1 }),
  randomAdapter(base, { seed: 2, r: 2, settings: patterns }),
  randomAdapter(base, { seed: 3, r: 1, linears: LAYER_LINEARS }),
];

/** Far above what such files need, far below what a file can claim to have. */
const MOST_BYTES = 1e9;

t.test(`${parsed} mutated adapters are read or refused by name, seed ${seed}`, async (t) => {
  const counts = { read: 0, config: 0, weights: 0 };
  const property = fc.property(hostileAdapters(VALID), ({ config, weights }) => {
    try {
      const { digest, modules, head } = parseAdapter(config, weights, base);
      const finite = [...modules.values()].every(({ a, b }) => a.every(Number.isFinite) && b.every(Number.isFinite));
      counts.read += 1;
      return finite && head.weight.every(Number.isFinite) && /^[\da-f]{64}$/.test(digest);
    } catch (error) {
      if (!(error instanceof AdapterError) || error.message.length > 1000) throw error;
      const [file] = /^adapter_(?:config\.json|model\.safetensors)(?=: .)/.exec(error.message) ?? [];
      if (file === undefined) throw error;
      counts[file === 'adapter_config.json' ? 'config' : 'weights'] += 1;
      return true;
    }
  });
  const result = fc.check(property, { seed, numRuns: parsed });
  t.equal(result.failed && fc.defaultReportMessage(result), false);
  t.comment(JSON.stringify(counts));
  for (const [outcome, count] of Object.entries(counts)) t.ok(count > parsed / 100, `${outcome}: ${count}`);
  t.ok(process.memoryUsage.rss() < MOST_BYTES, 'no file took memory for what it claims to hold');
});

interface Imported {
  readonly id: string;
  readonly digest: string;
}

t.test(`${sent} mutated adapters over HTTP, seed ${seed}`, async (t) => {
  const { url } = await startService(t, { ERRATA_INFERENCE_CHILDREN: '1', ERRATA_WIDE_SESSION: 'off' });
  const client = createClient(url);
  t.teardown(() => client.close());
  const judge = createJudge(openApi.components, [t.testdirName]);
  const operation = operationsOf(openApi).find(({ id }) => id === 'importAdapter')!;
  const statuses: Record<number, number> = {};
  const imported = new Map<string, { id: string; sha256: string }>();
  const property = fc.asyncProperty(hostileAdapters(VALID), async (files) => {
    const reply = await client.send(formRequest(operation, files));
    statuses[reply.status] = (statuses[reply.status] ?? 0) + 1;
    const fault = judge.fault(operation, reply);
    if (fault !== undefined) throw new Error(fault);
    if (reply.status !== 201) return;
    const { id, digest } = JSON.parse(reply.body.toString()) as Imported;
    imported.set(digest, { id, sha256: createHash('sha256').update(files.weights).digest('hex') });
  });
  const result = await fc.check(property, { seed, numRuns: sent });
  t.equal(result.failed && fc.defaultReportMessage(result), false);
  t.comment(JSON.stringify(statuses));
  t.strictSame(Object.keys(statuses), ['200', '201', '422'], 'taken in, there already, or refused');
  t.ok(process.memoryUsage.rss() < MOST_BYTES, 'no file took memory for what it claims to hold');

  await t.test('those that were taken in are served as they came, and judge or are refused', async (t) => {
    for (const { id, sha256 } of [...imported.values()].slice(-40)) {
      const file = await fetch(`${url}/adapters/${id}/files/adapter_model.safetensors`);
      t.equal(
        createHash('sha256')
          .update(Buffer.from(await file.arrayBuffer()))
          .digest('hex'),
        sha256,
      );
      const pairs = [{ premise: 'A man sleeps.', nli_hypothesis: 'A man is awake.' }];
      const { status, body } = await post<{ results: { error: string | null; confidence: number }[] }>(`${url}/nli`, {
        pairs,
        adapter: id,
      });
      t.equal(status, 200);
      const [result_] = body.results;
      t.ok(result_?.error !== null || (result_.confidence > 0 && result_.confidence <= 1));
    }
  });
  t.match(await get(`${url}/health/ready`), { status: 200 });
});
