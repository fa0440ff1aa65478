/** The program of a run's child: the loop, its saved states and its gradient children. It ends when its parent is gone. */
import os from 'node:os';
import { readHead } from '../checkpoint/head.js';
import { failpoint } from '../failpoints.js';
import { GradientFailure, type GradientPool, openGradientPool } from './gradient-pool.js';
import { type Position, type StepReport, startOf, train } from './loop.js';
import type { Job, LastMessage, ProgressMessage, StartMessage, StepMessage, TrainingRows } from './messages.js';
import { type Example, oneHot } from './micro-batch.js';
import { initialParameters, parameterLayout, planOf } from './parameters.js';
import { loadState, saveState } from './saved-state.js';

os.setPriority(os.constants.priority.PRIORITY_LOW);
process.on('disconnect', () => process.exit());
process.on('SIGINT', () => undefined); // the terminal's Ctrl-C reaches the whole group; the service decides
process.once('message', ({ job }: StartMessage) => void work(job));

/** A parent that is gone takes no message; its end is told by 'disconnect'. */
const send = (message: ProgressMessage): void => void process.send?.(message, () => undefined);

async function work(job: Job): Promise<void> {
  failpoint('child.asked');
  const outcome = await attempt(job).catch((error: unknown): LastMessage => {
    const reason = error instanceof Error ? error.message : String(error);
    return { kind: error instanceof GradientFailure && error.gone ? 'broken' : 'failed', reason };
  });
  failpoint('child.trained');
  // Without waiting for it, disconnecting would drop what is not written yet.
  process.send?.(outcome, () => process.disconnect());
}

async function attempt(job: Job): Promise<LastMessage> {
  const { checkpoint, setup, children } = job;
  const plan = planOf(checkpoint.config, setup);
  const options = { checkpoint, plan, dropout: setup.lora_dropout, seed: setup.seed, threads: 1 };
  const pool = await openGradientPool(options, children);
  try {
    const position = await begin(job);
    failpoint('child.begun');
    send({ kind: 'started', epoch: position.epoch, pids: [process.pid, ...pool.pids] });
    return { kind: 'trained', parameters: await run(job, position, pool) };
  } finally {
    await pool.close();
  }
}

async function begin({ checkpoint, setup, directory, digest }: Job): Promise<Position> {
  const layout = parameterLayout(checkpoint.config, planOf(checkpoint.config, setup));
  const saved = await loadState(directory, digest, layout.length);
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
    onStep: (report) => send(meter(report)),
    onEpoch: async (position) => {
      await saveState(directory, digest, position);
      failpoint('child.state.saved');
      send({ kind: 'epoch', epoch: position.epoch });
    },
  });
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
