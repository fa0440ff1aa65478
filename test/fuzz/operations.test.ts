/** Every operation of openapi.yaml against the whole real service: hostile and valid requests made from its schemas. */
import Sqlite from 'better-sqlite3';
import path from 'node:path';
import t from 'tap';
import { verifyAudit } from '../../src/db/audit-verify.js';
import { get } from '../service/service.js';
import { openApi } from '../support/contract.js';
import { fuzzOperation, type Tally } from './fuzz.js';
import { createClient } from './http.js';
import { type Operation, operationsOf } from './operations.js';
import { fillService } from './state.js';
import { createJudge } from './verdict.js';

t.setTimeout(600_000);

const seed = Number(process.env['FUZZ_SEED'] ?? 20_260_102);
const cases = Number(process.env['FUZZ_CASES'] ?? 200);
const only = process.env['FUZZ_ONLY']?.split(',');

/** What leaves work behind comes while there is little to work on; what removes things comes last. */
const FIRST = ['startTrainingRun', 'cancelTrainingRun', 'startShadowComparison'];
const LAST = ['erase'];
const place = ({ id }: Operation): number =>
  FIRST.includes(id) ? FIRST.indexOf(id) - FIRST.length : LAST.indexOf(id) + 1;
const operations = operationsOf(openApi).toSorted((a, b) => place(a) - place(b));

t.test(`${cases} requests to each of ${operations.length} operations, seed ${seed}`, async (t) => {
  const service = await fillService(t, operations);
  const client = createClient(service.url);
  t.teardown(() => client.close());
  const judge = createJudge(openApi.components, [service.dataDir]);
  const source = (operation: Operation) => ({ components: openApi.components, known: service.known(operation) });
  const { learn: seen } = service;
  const tallies = new Map<string, Tally>();
  for (const operation of operations.filter(({ id }) => only?.includes(id) ?? true)) {
    const started = performance.now();
    const tally = await fuzzOperation(operation, { client, judge, source, seed, cases, seen });
    t.equal(tally.fault, null, operation.id);
    t.comment(`${operation.id} ${Math.round(performance.now() - started)} ms ${JSON.stringify(tally)}`);
    tallies.set(operation.id, tally);
    if (FIRST.includes(operation.id)) await service.settle();
  }

  await t.test('each was reached in full', async (t) => {
    for (const [id, { valid, hostile }] of tallies) {
      const sent = Object.values({ ...valid }).concat(Object.values(hostile));
      t.ok(sent.reduce((sum, count) => sum + count, 0) >= cases, `${id} got its requests`);
      t.ok(
        Object.keys(valid).some((status) => Number(status) < 300),
        `${id} did what it is for`,
      );
    }
  });

  await t.test('and left the service whole', async (t) => {
    await service.settle();
    t.match(await get(`${service.url}/health/ready`), { status: 200, body: { status: 'ok' } });
    t.equal(({} as { polluted?: unknown }).polluted, undefined, 'no prototype was changed');
    await service.close();
    const file = path.join(service.dataDir, 'errata.db');
    const database = new Sqlite(file, { readonly: true });
    t.equal(database.pragma('integrity_check', { simple: true }), 'ok');
    t.strictSame(database.pragma('foreign_key_check'), []);
    database.close();
    t.strictSame(verifyAudit(file).faults, []);
  });
});
