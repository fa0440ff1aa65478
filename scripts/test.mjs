/**
 * Runs the compiled tests: `node scripts/test.mjs [files]`, by default all of dist/test, two files at a time. Not by tap's
 * own command: what that preloads for mocks and coverage goes into every process and thread that a test starts, and
 * doubles the processor time of all of them.
 */
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { report } from '@tapjs/reporter';
import { t } from 'tap';

const JOBS = 2;
const TIMEOUT_S = 300;

const all = () =>
  readdirSync('dist/test', { recursive: true })
    .filter((name) => name.endsWith('.test.js'))
    .map((name) => path.join('dist', 'test', name))
    .toSorted();
const files = process.argv.length > 2 ? process.argv.slice(2) : all();
const env = { ...process.env, TAP_TIMEOUT: String(TIMEOUT_S) };
t.jobs = JOBS;
t.setTimeout(0); // each file has its own
// For people; into a pipe or a file goes TAP.
if (process.stdout.isTTY) await report('base', t, { get: () => undefined, values: {} });
for (const file of files)
  // tap puts its preloads into NODE_OPTIONS, and nothing else keeps them out.
  void t.spawn('env', ['-u', 'NODE_OPTIONS', process.execPath, '--enable-source-maps', file], {
    name: file,
    env,
    buffered: true,
    timeout: 1000 * TIMEOUT_S,
  });
