/** Looking at processes from outside. */
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

const PATIENCE_MS = 30_000;

/** Child processes of this one that have not ended. */
export const ownChildren = (): number => process.getActiveResourcesInfo().filter((one) => one === 'ProcessWrap').length;

/** Whether the process runs; one that has ended and waits for its parent does not. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT' && isSignalled(pid);
  }
}

/** For systems without /proc. */
function isSignalled(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

/** Resolves when `condition` holds; rejects when it never does. */
export async function eventually(condition: () => boolean): Promise<void> {
  for (const start = performance.now(); !condition(); await sleep(5)) {
    if (performance.now() - start > PATIENCE_MS) throw new Error(`never came true: ${String(condition)}`);
  }
}
