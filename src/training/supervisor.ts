/** The door of src/training: a run's child, started, listened to and ended. */
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { FromRunChild, Job, Outcome, ProgressMessage, StartMessage } from './messages.js';

export type { Job, Outcome, ProgressMessage, StepMessage, TrainingRows, TrainingSetup } from './messages.js';

const PROGRAM = fileURLToPath(new URL('./child.js', import.meta.url));

export interface TrainingProcess {
  readonly pid: number | undefined;
  /** Resolves when the child has ended, whatever way; never rejects. */
  readonly outcome: Promise<Outcome>;
  /** Ends it at once. Its gradient children end after the micro-batch they are in. */
  kill(): void;
}

/** Starts the job in a process of its own, of lowest priority. */
export function startTraining(job: Job, onProgress: (message: ProgressMessage) => void): TrainingProcess {
  const child = fork(PROGRAM, [], {
    serialization: 'advanced',
    execArgv: [],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  const outcome = outcomeOf(child, onProgress);
  const start: StartMessage = { kind: 'start', job };
  child.send(start, () => undefined);
  return { pid: child.pid, outcome, kill: () => child.kill('SIGKILL') };
}

function outcomeOf(child: ChildProcess, onProgress: (message: ProgressMessage) => void): Promise<Outcome> {
  return new Promise((resolve) => {
    let last: Outcome | undefined;
    child.on('message', (message: FromRunChild) => {
      if (message.kind === 'trained' || message.kind === 'failed' || message.kind === 'broken') last = message;
      else onProgress(message);
    });
    const broken = (how: string): Outcome => ({ kind: 'broken', reason: `the training child ended (${how})` });
    child.once('error', (error) => resolve(broken(error.message)));
    child.once('exit', (code, signal) => resolve(last ?? broken(signal ?? `exit code ${code}`)));
  });
}
