/** The door of src/training: a run's child, started, listened to and ended. */
import { type ChildProcess, fork } from 'node:child_process';
import { createHash } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import type { Checkpoint } from '../checkpoint/checkpoint.js';
import { LAYER_LINEARS, type LayerLinear } from '../checkpoint/names.js';
import { failpoint } from '../failpoints.js';
import type { AdapterTensors } from '../graph/adapter-feeds.js';
import type { Recipe } from '../recipe.js';
import type { FromRunChild, Job, LastMessage, ProgressMessage, StartMessage, TrainingRows } from './messages.js';
import { MICRO_ROWS } from './micro-batch.js';
import { adapterOf, parameterLayout, planOf } from './parameters.js';
import type { SavedState } from './saved-state.js';

export type { Job, ProgressMessage, StepMessage, TrainingRows } from './messages.js';
export { KEPT_STATES, pruneStates, stateName } from './saved-state.js';

const PROGRAM = fileURLToPath(new URL('./child.js', import.meta.url));

export type Outcome =
  | { readonly kind: 'trained'; readonly adapter: AdapterTensors }
  /** Would fail again. */
  | { readonly kind: 'failed'; readonly reason: string }
  /** May be tried again, and goes on from the last state. */
  | { readonly kind: 'broken'; readonly reason: string };

export interface TrainingProcess {
  readonly pid: number | undefined;
  /** Resolves when the child has ended, whatever way; never rejects. */
  readonly outcome: Promise<Outcome>;
  /** Ends it at once. Its gradient children end after the micro-batch they are in. */
  kill(): void;
}

export interface JobInput {
  readonly checkpoint: Checkpoint;
  readonly recipe: Recipe;
  readonly code_version: string;
  /** Token ids, and the place of the right label in the checkpoint's order. */
  readonly rows: readonly { readonly ids: Int32Array; readonly label: number }[];
  /** Where the run's states are kept; it is there. */
  readonly directory: string;
  /** What the run may go on from, the newest first. */
  readonly states: readonly SavedState[];
  /** Gradient children; more than a batch has micro-batches would idle. */
  readonly children: number;
}

export function createJob({ checkpoint, recipe, code_version, rows, directory, states, children }: JobInput): Job {
  const packed = pack(rows);
  const setup = { ...recipe, linears: linearsOf(recipe.target_modules) };
  const identity = JSON.stringify([checkpoint.digest, code_version, recipe]);
  const digest = createHash('sha256').update(identity);
  for (const { buffer, byteOffset, byteLength } of [packed.lengths, packed.labels, packed.ids])
    digest.update(new Uint8Array(buffer, byteOffset, byteLength));
  const useful = Math.ceil(Math.min(recipe.batch_size, rows.length) / MICRO_ROWS);
  return {
    checkpoint,
    setup,
    rows: packed,
    directory,
    states,
    digest: digest.digest('hex'),
    children: Math.max(1, Math.min(children, useful)),
  };
}

/** As PEFT reads target_modules: the whole name, or what it ends with after a dot. */
const linearsOf = (targets: readonly string[]): LayerLinear[] =>
  LAYER_LINEARS.filter((linear) => targets.some((target) => linear === target || linear.endsWith(`.${target}`)));

function pack(rows: JobInput['rows']): TrainingRows {
  const ids = new Int32Array(rows.reduce((sum, row) => sum + row.ids.length, 0));
  rows.reduce((offset, row) => (ids.set(row.ids, offset), offset + row.ids.length), 0);
  return {
    ids,
    lengths: Int32Array.from(rows, (row) => row.ids.length),
    labels: Int32Array.from(rows, ({ label }) => label),
  };
}

export interface TrainingListener {
  onProgress(message: ProgressMessage): void;
  /** A child that is silent for so long is stuck, and killed. */
  readonly silentAfterMs: number;
}

/** Starts the job in a process of its own, of lowest priority. */
export function startTraining(job: Job, listener: TrainingListener): TrainingProcess {
  const child = fork(PROGRAM, [], {
    serialization: 'advanced',
    execArgv: [],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  failpoint('run.child.started');
  const ended = lastMessage(child, listener);
  const start: StartMessage = { kind: 'start', job };
  if (child.connected) child.send(start, () => undefined); // else its 'error' is on the way
  failpoint('run.child.asked');
  return {
    pid: child.pid,
    outcome: ended.then((last) => outcomeOf(job, last)),
    kill: () => child.kill('SIGKILL'),
  };
}

function lastMessage(child: ChildProcess, { onProgress, silentAfterMs }: TrainingListener): Promise<LastMessage> {
  return new Promise((resolve) => {
    let last: LastMessage | undefined;
    let stuck: LastMessage | undefined;
    const silence = setTimeout(() => {
      stuck = broken(`no sign of life for ${Math.round(silentAfterMs / 1000)} s`);
      child.kill('SIGKILL');
    }, silentAfterMs);
    child.on('message', (message: FromRunChild) => {
      failpoint('run.child.heard');
      silence.refresh();
      if (message.kind === 'trained' || message.kind === 'failed' || message.kind === 'broken') last = message;
      else if (message.kind !== 'alive') onProgress(message);
    });
    const end = (how: LastMessage): void => {
      clearTimeout(silence);
      resolve(last ?? stuck ?? how);
    };
    child.once('error', (error) => {
      if (child.pid === undefined && child.connected) child.disconnect(); // it was never started
      end(broken(error.message));
    });
    child.once('exit', (code, signal) => end(broken(signal ?? `exit code ${code}`)));
  });
}

const broken = (how: string): LastMessage => ({ kind: 'broken', reason: `the training child ended (${how})` });

function outcomeOf({ checkpoint, setup }: Job, last: LastMessage): Outcome {
  if (last.kind !== 'trained') return last;
  const { config } = checkpoint;
  return { kind: 'trained', adapter: adapterOf(parameterLayout(config, planOf(config, setup)), last.parameters) };
}
