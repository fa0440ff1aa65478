/** A child process ends when its parent has, also while its own thread is busy for long and hears nothing. */
import { Worker } from 'node:worker_threads';

const LOOK_EVERY_MS = 500;

/** A process whose parent has ended is given to another. It is SIGKILL, for what runs natively delays every other signal. */
const WATCH = `
const parent = process.ppid;
setInterval(() => process.ppid === parent || process.kill(process.pid, 'SIGKILL'), ${LOOK_EVERY_MS});
`;

/**
 * Ctrl-C, a closing terminal and a supervisor's stop reach the whole group: what is under way stays under way, and the
 * parent decides what becomes of it.
 */
export function leaveSignalsToParent(): void {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => undefined);
}

/** Watches from a thread of its own: the closed channel is told to the main thread only, and only between its steps. */
export function endWithParent(): void {
  const small = { maxOldGenerationSizeMb: 8, maxYoungGenerationSizeMb: 2, codeRangeSizeMb: 2 };
  new Worker(WATCH, { eval: true, resourceLimits: small, stdin: false }).unref();
}
