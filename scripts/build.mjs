/**
 * Compiles into a folder beside dist/ and puts it in its place at the end: a service that runs from dist/ starts its
 * processes from there at any time, and a build that fails leaves the one before.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, renameSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';

const tsc = path.join(path.dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin', 'tsc');
const [fresh, old] = ['new', 'old'].map((name) => `dist.${process.pid}.${name}`);

const remove = (folder) => rmSync(folder, { recursive: true, force: true });

const { status } = spawnSync(process.execPath, [tsc, '-p', '.', '--outDir', fresh], { stdio: 'inherit' });
if (status === 0) {
  if (existsSync('dist')) renameSync('dist', old);
  renameSync(fresh, 'dist');
}
remove(fresh);
remove(old);
process.exit(status ?? 1);
