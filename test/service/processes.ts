/** Processes of this machine, from Linux' /proc. */
import { readFileSync, readdirSync } from 'node:fs';

/** Children of `parent` whose command line has `words` in it. */
export function processChildren(parent: number, words: string): number[] {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return pids.map(Number).filter((pid) => parentOf(pid) === parent && read(`/proc/${pid}/cmdline`).includes(words));
}

const parentOf = (pid: number): number => Number(/^PPid:\s+(\d+)/m.exec(read(`/proc/${pid}/status`))?.[1]);

/** A process may end while we look. */
function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
