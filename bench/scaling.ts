/**
 * `npm run -s bench:scaling -- --json`: how the figures grow, each with its log-log slope; without --json tables for
 * docs/scaling.md. `--only rows,adapters` measures some curves; `--million` adds a table of 1,000,000 corrections, which
 * takes long.
 */
import { parseArgs } from 'node:util';
import { openCheckpoint } from '../src/checkpoint/checkpoint.js';
import { type Curve, curveTable } from './scaling/curve.js';
import { againstAdapters, againstChildren, againstRows, againstTokens } from './scaling/inference.js';
import { readinessAgainstRows, runsAgainstCorrections } from './scaling/learning.js';
import { benchCheckpoint } from './support/checkpoint.js';
import { gemmPeak } from './support/gemm.js';
import { machine } from './support/machine.js';
import { rounded } from './support/statistics.js';

const { values } = parseArgs({
  options: { json: { type: 'boolean' }, million: { type: 'boolean' }, only: { type: 'string' } },
});

const checkpoint = await openCheckpoint(await benchCheckpoint());
const TABLE_SIZES = [1000, 10_000, 100_000, ...(values.million ? [1_000_000] : [])];
const CURVES: Readonly<Record<string, () => Promise<Curve>>> = {
  rows: () => againstRows(checkpoint),
  tokens: () => againstTokens(checkpoint),
  adapters: () => againstAdapters(checkpoint),
  children: () => againstChildren(checkpoint),
  corrections: () => runsAgainstCorrections(checkpoint),
  tables: () => readinessAgainstRows(TABLE_SIZES),
};

const names = values.only?.split(',') ?? Object.keys(CURVES);
const unknown = names.filter((name) => !(name in CURVES));
if (unknown.length > 0)
  throw new Error(`no such curve: ${unknown.join(', ')}; there are ${Object.keys(CURVES).join(', ')}`);

const curves: Record<string, Curve> = {};
for (const name of names) {
  console.error(`measuring against ${name}`);
  curves[name] = await CURVES[name]!();
}
const report = { machine: { ...machine(), gemm_fp32_gflops: rounded(await gemmPeak(), 0) }, curves };
const tables = Object.entries(curves).map(([name, found]) => `${name}\n\n${curveTable(found)}`);
console.log(values.json ? JSON.stringify(report) : tables.join('\n\n'));
