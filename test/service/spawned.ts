/** `errata serve` as a process of its own, on a free port. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import type { Test } from 'tap';
import { packageRoot } from '../../src/package.js';

const MAIN = path.join(packageRoot, 'dist', 'src', 'main.js');

export interface Spawned {
  readonly url: string;
  readonly port: number;
  readonly child: ChildProcess;
  /** Exit status, once it has ended. */
  readonly ended: Promise<number | null>;
}

/** Resolves when it listens. `limit`: what a shell does before, such as `ulimit`. */
export async function spawnService(t: Test, env: Record<string, string> = {}, limit = ''): Promise<Spawned> {
  // The runner's preloads would change what signals do.
  const script = `unset NODE_OPTIONS; ${limit} exec "$0" "$@"`;
  const data = env['ERRATA_DATA_DIR'] ?? t.testdir();
  const settings = { ERRATA_PORT: '0', ERRATA_LOG_LEVEL: 'silent', ...env, ERRATA_DATA_DIR: data };
  const child = spawn('sh', ['-c', script, process.execPath, MAIN, 'serve'], {
    env: { PATH: process.env['PATH'], ...settings },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  t.teardown(() => child.kill('SIGKILL'));
  const ended = once(child, 'exit').then(([code]) => code as number | null);
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
  while (child.exitCode === null) {
    const [, url, port] = /on (http:\/\/[\d.]+:(\d+))/.exec(said) ?? [];
    if (url !== undefined) return { url, port: Number(port), child, ended };
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(said);
}
