/** What peers need and a machine may lack: packages of the npm registry, and a Python with the right modules. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';

const TRANSFORMERS_JS = '@huggingface/transformers@4.3.1';
const INSTALL_LIMIT_MS = 300_000;

/** A peer that cannot be measured here: the message says what is missing. */
export class Missing extends Error {
  override readonly name = 'Missing';
}

/** The folder whose node_modules has transformers.js, below the system's folder for temporary files. No script is run. */
export function installTransformersJs(): string {
  const folder = path.join(os.tmpdir(), `errata-bench-${TRANSFORMERS_JS.replaceAll(/[^\w.]+/g, '-')}`);
  if (existsSync(folder)) return folder;
  const unfinished = `${folder}.${process.pid}`;
  mkdirSync(unfinished);
  const flags = ['--ignore-scripts', '--no-audit', '--no-fund', '--no-package-lock', '--prefix', unfinished];
  const { status, stderr } = spawnSync('npm', ['install', ...flags, TRANSFORMERS_JS], {
    cwd: unfinished,
    encoding: 'utf8',
    timeout: INSTALL_LIMIT_MS,
  });
  if (status !== 0) {
    rmSync(unfinished, { recursive: true });
    throw new Missing(`npm install ${TRANSFORMERS_JS} failed: ${npmErrors(stderr)}`);
  }
  renameSync(unfinished, folder);
  return folder;
}

/** Throws Missing unless `python` can import all of `modules`. */
export function requirePython(python: string, modules: readonly string[]): void {
  const { status, error, stderr } = spawnSync(python, ['-c', `import ${modules.join(', ')}`], { encoding: 'utf8' });
  if (error) throw new Missing(`${python} cannot be started: ${error.message}`);
  if (status !== 0) throw new Missing(`${python} -c "import ${modules.join(', ')}" fails: ${lastLine(stderr)}`);
}

const lastLine = (text: string): string => text.trimEnd().split('\n').at(-1)!;

/** The code and the sentence that npm begins with. */
const npmErrors = (text: string): string =>
  Array.from(text.matchAll(/^npm error (.*)/gm), ([, said]) => said)
    .slice(0, 3)
    .join('; ');
