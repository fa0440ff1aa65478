/** The program of a run's child: the loop, its saved states and its gradient children. It ends when its parent is gone. */
import os from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { readHead } from '../checkpoint/head.js';
import { failpoint } from '../failpoints.js';
import { isFull } from '../files.js';
import { endWithParent, leaveSignalsToParent } from '../orphan.js';
import { epochBatches } from './batches.js';
import { type GradientPool, PATIENCE_MS } from './gradient-pool.js';
import { type Position, type StepReport, startOf, train, TrainingFailure } from './loop.js';
import type {
  AliveMessage,
  Job,
  LastMessage,
  ProgressMessage,
  StartMessage,
  StepMessage,
  TrainingRows,
} from './messages.js';
import { type Example, MICRO_ROWS, oneHot } from './micro-batch.js';
import { initialParameters, parameterLayout, planOf } from './parameters.js';
import { loadState, type SavedState, saveState } from './saved-state.js';
import { signsOfLife } from './signs.js';
import { openTriedPool } from './trial.js';

/** Of signs of life. */
const EVERY_MS = 1000;
const ROOM_RETRY_MS = 1000;
/** What takes longest: a precision is tried, with two openings and two gradients, each given up after the pool's patience. */
const STILL_MS = 5 * PATIENCE_MS;
const signs = signsOfLife(STILL_MS, () => performance.now());

os.setPriority(os.constants.priority.PRIORITY_LOW);
process.on('disconnect', () => process.exit());
leaveSignalsToParent();
process.once('message', ({ job }: StartMessage) => void work(job));
endWithParent();
setInterval(() => signs.alive() && send({ kind: 'alive' }), EVERY_MS).unref();

/** A parent that is gone takes no message; its end is told by 'disconnect'. */
const send = (message: ProgressMessage | AliveMessage): void => void process.send?.(message, () => undefined);

async function work(job: Job): Promise<void> {
  signs.moved();
  failpoint('child.asked');
  const outcome = await attempt(job).catch((error: unknown): LastMessage => {
    const reason = error instanceof Error ? error.message : String(error);
    // What the data and the recipe lead to comes again; a disk, a process or memory that failed may not
    return { kind: error instanceof TrainingFailure ? 'failed' : 'broken', reason };
  });
  failpoint('child.trained');
  // Without waiting for it, disconnecting would drop what is not written yet.
  process.send?.(outcome, () => process.disconnect());
}

async function attempt(job: Job): Promise<LastMessage> {
  const { checkpoint, setup, children } = job;
  const plan = planOf(checkpoint.config, setup);
  const options = {
    checkpoint,
    plan,
    dropout: setup.lora_dropout,
    seed: setup.seed,
    threads: 1,
    precision: setup.precision,
  };
  const { pool, fallback } = await openTriedPool(options, children, ...(await trialOf(job)));
  try {
    const position = await begin(job);
    signs.moved();
    failpoint('child.begun');
    send({ kind: 'started', epoch: position.epoch, pids: [process.pid, ...pool.pids], fallback });
    return { kind: 'trained', parameters: await run(job, position, pool) };
  } finally {
    await pool.close();
  }
}

/** Where the run begins, and the first rows of its first batch: enough to try a precision on. */
async function trialOf({ checkpoint, setup, rows }: Job): Promise<[Float32Array, Example[]]> {
  const layout = parameterLayout(checkpoint.config, planOf(checkpoint.config, setup));
  const parameters = initialParameters(layout, await readHead(checkpoint), setup.seed);
  const examples = examplesOf(rows, checkpoint.config.id2label.length);
  const lengths = examples.map(({ ids }) => ids.length);
  const [first] = epochBatches(lengths, { seed: setup.seed, batchSize: setup.batch_size }, 0);
  return [parameters, first!.slice(0, MICRO_ROWS).map((row) => examples[row]!)];
}

async function begin({ checkpoint, setup, directory, digest, states }: Job): Promise<Position> {
  const layout = parameterLayout(checkpoint.config, planOf(checkpoint.config, setup));
  const saved = await loadState(directory, digest, layout.length, states);
  return saved ?? startOf(initialParameters(layout, await readHead(checkpoint), setup.seed));
}

async function run(
  { checkpoint, setup, rows, directory, digest }: Job,
  from: Position,
  pool: GradientPool,
): Promise<Float32Array> {
  const examples = examplesOf(rows, checkpoint.config.id2label.length);
  const meter = startMeter((setup.epochs - from.epoch) * examples.length);
  return await train(examples, setup, from, {
    gradient: (...given) => pool.gradient(...given),
    onStep: (report) => {
      signs.moved();
      send(meter(report));
    },
    onEpoch: async (position) => {
      const saved = await whenThereIsRoom(position.epoch, () => saveState(directory, digest, position));
      signs.moved();
      failpoint('child.state.saved');
      send({ kind: 'epoch', ...saved });
    },
  });
}

/** A full disk is not the run's fault, and hours of work wait for its state. */
async function whenThereIsRoom(epoch: number, save: () => Promise<SavedState>): Promise<SavedState> {
  for (let told = false; ; told = true) {
    try {
      return await save();
    } catch (error) {
      if (!isFull(error)) throw error;
      if (!told) send({ kind: 'waiting', epoch, reason: 'no space left on the disk' });
    }
    signs.moved();
    await sleep(ROOM_RETRY_MS);
  }
}

function examplesOf({ ids, lengths, labels }: TrainingRows, count: number): Example[] {
  let end = 0;
  return Array.from(lengths, (length, i) => ({
    ids: ids.subarray(end, (end += length)),
    target: oneHot(labels[i]!, count),
  }));
}

/** Speed since the first step began, and what is left at that speed. */
function startMeter(rowsInAll: number): (report: StepReport) => StepMessage {
  const started = performance.now();
  let rows = 0;
  return (report) => {
    rows += report.rows;
    const samples_per_second = (1000 * rows) / (performance.now() - started);
    return { kind: 'step', ...report, samples_per_second, seconds_left: (rowsInAll - rows) / samples_per_second };
  };
}
