/** Runs the compiled tests with tap: `node scripts/test.mjs [files]`, by default all of dist/test. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';

const require = createRequire(import.meta.url);
const tap = path.join(path.dirname(require.resolve('tap/package.json')), 'dist', 'esm', 'run.mjs');
const run = (args) => spawnSync(process.execPath, [tap, ...args], { stdio: 'inherit' }).status ?? 1;

// tap compiles its plugin set once after every install; .taprc leaves the TypeScript plugin out.
if (!existsSync('.tap/plugins') && run(['build']) !== 0) process.exit(1);
const files = process.argv.slice(2);
process.exit(run(['run', ...(files.length > 0 ? files : ['dist/test/**/*.test.js'])]));
