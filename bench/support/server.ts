/** The real service in a process of its own, on a free port, with its data in a temporary folder. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { packageRoot } from '../../src/package.js';

export interface BenchServer {
  readonly url: string;
  readonly pid: number;
  /** Milliseconds from the process's start to its first answer. */
  readonly startMs: number;
  stop(): Promise<void>;
}

const SETTINGS = { ERRATA_PORT: '0', ERRATA_LOG_LEVEL: 'warn' };

export async function startServer(env: Record<string, string>): Promise<BenchServer> {
  const data = mkdtempSync(path.join(os.tmpdir(), 'errata-bench-'));
  const started = performance.now();
  const child = spawn(process.execPath, [path.join(packageRoot, 'dist', 'src', 'main.js'), 'serve'], {
    // What is measured asks the same pairs again and again, and wants them run.
    env: { ...process.env, ERRATA_RESULT_CACHE: '0', ...SETTINGS, ERRATA_DATA_DIR: data, ...env },
    stdio: ['ignore', 2, 'pipe'], // its log is no part of the report
  });
  const url = await listening(child);
  await judge(url, [{ premise: 'one', nli_hypothesis: 'two' }]);
  return { url, pid: child.pid ?? 0, startMs: performance.now() - started, stop: () => stop(child, data) };
}

function listening(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let said = '';
    child.stderr?.on('data', (chunk: Buffer) => {
      said += chunk.toString();
      const url = /on (http:\/\/\S+)/.exec(said)?.[1];
      if (url) resolve(url);
    });
    child.once('exit', () => reject(new Error(`the server ended before it listened: ${said}`)));
  });
}

async function stop(child: ChildProcess, data: string): Promise<void> {
  child.kill('SIGTERM');
  await once(child, 'exit');
  rmSync(data, { recursive: true, force: true });
}

export async function judge(url: string, pairs: readonly object[]): Promise<void> {
  const response = await fetch(`${url}/nli`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ pairs }),
  });
  await response.arrayBuffer();
  if (response.status !== 200) throw new Error(`POST /nli answered ${response.status}`);
}
