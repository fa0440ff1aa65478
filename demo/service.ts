/** The real service in a process of its own, on a free port, with its data in a temporary directory. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('../src/main.js', import.meta.url));

/** Longer than an orderly stop takes. */
const PATIENCE_MS = 25_000;

export interface DemoService {
  readonly url: string;
  /** What the service keeps. */
  readonly directory: string;
  /** Ends the process; then its data are gone, unless they are to be kept. */
  stop(options?: { readonly keep?: boolean }): Promise<void>;
}

/** Resolves when it listens. Rejects with what it said when it ends before. */
export async function startService(signal: AbortSignal): Promise<DemoService> {
  signal.throwIfAborted();
  const directory = mkdtempSync(path.join(os.tmpdir(), 'errata-demo-'));
  const remove = (): void => rmSync(directory, { recursive: true, force: true });
  const child = spawn(process.execPath, [MAIN, 'serve'], {
    env: { ...withoutSettings(process.env), ...settings(directory) },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const ended = once(child, 'close');
  // The last resort, where this process ends without having stopped it.
  const abandon = (): void => {
    child.kill('SIGKILL');
    remove();
  };
  process.once('exit', abandon);
  const stop = async ({ keep = false } = {}): Promise<void> => {
    await end(child, ended);
    process.off('exit', abandon);
    if (!keep) remove();
  };
  try {
    return { url: await listening(child, ended, signal), directory, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

const settings = (directory: string): Record<string, string> => ({
  ERRATA_PORT: '0',
  ERRATA_DATA_DIR: directory,
  ERRATA_RECORD: 'required',
  ERRATA_LOG_LEVEL: 'error',
  // The operator starts the run here; by default the hundredth correction would.
  ERRATA_TRAIN_AFTER: '0',
});

/** The demo shows the bundled model whatever the environment says. */
function withoutSettings(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith('ERRATA_')));
}

async function listening(child: ChildProcess, ended: Promise<unknown>, signal: AbortSignal): Promise<string> {
  let said = '';
  const url = new Promise<string>((resolve, reject) => {
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      said += text;
      const found = /serving .+ on (http:\/\/\S+)/.exec(said)?.[1];
      if (found !== undefined) resolve(found);
    });
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
  });
  const early = ended.then(() => Promise.reject(new Error(`the service ended before it listened:\n${said.trim()}`)));
  return await Promise.race([url, early]);
}

async function end(child: ChildProcess, ended: Promise<unknown>): Promise<void> {
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), PATIENCE_MS);
  await ended;
  clearTimeout(timer);
}
