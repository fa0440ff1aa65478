/** The real service in a process of its own that may die at any moment, and whatever processes it leaves. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { packageRoot } from '../../src/package.js';

export const MAIN = path.join(packageRoot, 'dist', 'src', 'main.js');

/** Small, so that many starts are cheap; judgements leave only when they are recorded. */
const SETTINGS = {
  ERRATA_PORT: '0',
  ERRATA_LOG_LEVEL: 'silent',
  ERRATA_RECORD: 'required',
  ERRATA_TRAIN_AFTER: '0',
  ERRATA_INFERENCE_CHILDREN: '1',
  ERRATA_TRAINING_CHILDREN: '1',
  ERRATA_WIDE_SESSION: 'off',
  ERRATA_BATCH_TOKENS: '4096',
} as const;

const PATIENCE_MS = 120_000;

/** The service is gone: no answer comes any more. */
export class Died extends Error {
  override readonly name = 'Died';
}

export interface RunningService {
  readonly child: ChildProcess;
  /** The environment that it and its descendants have, for finding those it leaves. */
  readonly life: string;
  readonly said: () => string;
  /** The signal or exit status it ended with. */
  readonly ended: Promise<string | number | null>;
}

export function startService(dataDir: string, life: string, env: Readonly<Record<string, string>>): RunningService {
  const child = spawn(process.execPath, [MAIN, 'serve'], {
    env: { PATH: process.env['PATH'], ...SETTINGS, ERRATA_DATA_DIR: dataDir, LIFE: life, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (text += chunk.toString()));
  const ended = once(child, 'close').then(([code, signal]) => (signal ?? code) as string | number | null);
  return { child, life, said: () => text, ended };
}

const isOver = ({ child }: RunningService): boolean => child.exitCode !== null || child.signalCode !== null;

/** Its address, once it takes work. Rejects with Died. */
export async function ready(service: RunningService): Promise<string> {
  for (const start = performance.now(); !isOver(service); await sleep(5)) {
    if (performance.now() - start > PATIENCE_MS) throw new Error(`it never became ready: ${service.said()}`);
    const url = /on (http:\/\/[\d.:]+)/.exec(service.said())?.[1];
    if (url === undefined) continue;
    const status = await fetch(`${url}/health/ready`).then(
      (response) => response.status,
      () => 0,
    );
    if (status === 200) return url;
  }
  throw new Died();
}

/** Processes with this life in their environment, dead ones that wait for their parent left out. */
export function processesOf(life: string): number[] {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return pids.filter((pid) => read(`/proc/${pid}/environ`).split('\0').includes(`LIFE=${life}`)).map(Number);
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

/** Those that are still there after a while; none by rights. */
export async function orphansOf({ life }: RunningService): Promise<number[]> {
  for (const start = performance.now(); processesOf(life).length > 0; await sleep(20))
    if (performance.now() - start > PATIENCE_MS / 8) break;
  return processesOf(life);
}
