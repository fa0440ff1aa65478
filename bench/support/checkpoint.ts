/** The xsmall-shaped checkpoint that benchmarks share; made once, below the system's folder for temporary files. */
import { existsSync } from 'node:fs';
import { rename } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { packageRoot } from '../../src/package.js';
import { makeCheckpoint } from '../make-checkpoint.js';

export const TOKENIZER_FOLDER = path.join(packageRoot, 'test', 'golden', 'tokenizer');

export async function benchCheckpoint(): Promise<string> {
  const folder = path.join(os.tmpdir(), 'errata-bench-xsmall');
  if (existsSync(folder)) return folder;
  const unfinished = `${folder}.${process.pid}`;
  await makeCheckpoint(unfinished, TOKENIZER_FOLDER);
  await rename(unfinished, folder);
  return folder;
}
