/**
 * Data-parallel gradients: a batch's micro-batches are dealt out to single-threaded children and summed in their order,
 * so the sum is the same to the bit whatever the number of children. One thread each in several children is faster than
 * several threads in one.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { FromGradientChild, ToGradientChild, WorkMessage } from './messages.js';
import { type Example, type MicroResult, microBatches, summed } from './micro-batch.js';
import type { TrainingOptions } from './session.js';

const PROGRAM = fileURLToPath(new URL('./gradient-child.js', import.meta.url));

export interface GradientPool {
  readonly pids: readonly number[];
  /** Mean loss of `batch` and that mean's gradient. `step` counts optimizer steps. Rejects with GradientFailure. */
  gradient(parameters: Float32Array, batch: readonly Example[], step: number): Promise<MicroResult>;
  /** Kills the children; a gradient under way rejects. */
  close(): Promise<void>;
}

/** A gradient child could not do it, or is gone. */
export class GradientFailure extends Error {
  override readonly name = 'GradientFailure';
}

/** A child silent for so long is stuck: a share of a batch takes seconds, opening the graph perhaps a minute. */
export const PATIENCE_MS = 300_000;

/** Opens the gradient graph in `children` processes of low priority. */
export async function openGradientPool(options: TrainingOptions, children: number): Promise<GradientPool> {
  const pool = Array.from({ length: children }, () => new GradientChild());
  const close = async (): Promise<void> => void (await Promise.all(pool.map((child) => child.kill())));
  try {
    await Promise.all(pool.map((child) => child.ask({ kind: 'open', options })));
  } catch (error) {
    await close();
    throw error;
  }
  return { pids: pool.map(({ pid }) => pid), gradient: (...work) => gradient(pool, ...work), close };
}

async function gradient(
  pool: readonly GradientChild[],
  parameters: Float32Array,
  batch: readonly Example[],
  step: number,
): Promise<MicroResult> {
  const micros = microBatches(batch);
  const shares = pool.map((_, child) => micros.filter((__, i) => i % pool.length === child));
  const answers = await Promise.all(pool.map((child, i) => child.work({ parameters, micros: shares[i]!, step })));
  return summed(micros.map((_, i) => answers[i % pool.length]![Math.floor(i / pool.length)]!));
}

class GradientChild {
  readonly #process: ChildProcess;
  readonly #ended: Promise<void>;
  #pending: { resolve: (answer: FromGradientChild) => void; reject: (reason: GradientFailure) => void } | undefined;
  /** One question after the other: where another child failed, one may be asked before it has answered. */
  #turn: Promise<unknown> = Promise.resolve();
  #failure: GradientFailure | undefined;

  constructor() {
    this.#process = fork(PROGRAM, [], {
      serialization: 'advanced',
      execArgv: [],
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    this.#ended = new Promise((resolve) => {
      this.#process.once('exit', () => resolve());
      this.#process.once('error', () => {
        if (this.#process.pid !== undefined) return;
        // It was never started: there will be no 'exit', and its channel is open
        if (this.#process.connected) this.#process.disconnect();
        resolve();
      });
    });
    this.#process.on('message', (message: FromGradientChild) => this.#receive(message));
    this.#process.on('error', (error) => this.#fail(error.message));
    this.#process.on('exit', (code, signal) => this.#fail(`a gradient child ended (${signal ?? code})`));
  }

  get pid(): number {
    return this.#process.pid ?? 0;
  }

  async work(work: Omit<WorkMessage, 'kind'>): Promise<readonly MicroResult[]> {
    if (work.micros.length === 0) return [];
    const answer = await this.ask({ kind: 'work', ...work });
    return answer.kind === 'results' ? answer.results : [];
  }

  /** The child's answer. */
  ask(message: ToGradientChild): Promise<FromGradientChild> {
    const answer = this.#turn.then(() => this.#exchange(message));
    this.#turn = answer.catch(() => undefined);
    return answer;
  }

  async #exchange(message: ToGradientChild): Promise<FromGradientChild> {
    const patience = setTimeout(() => this.#process.kill('SIGKILL'), PATIENCE_MS);
    try {
      return await new Promise((resolve, reject) => {
        if (this.#failure) return reject(this.#failure);
        this.#pending = { resolve, reject };
        // One that could not be started has no channel, and its 'error' is on the way
        if (this.#process.connected) this.#process.send(message, (error) => error && this.#failAtItsEnd(error));
      });
    } finally {
      clearTimeout(patience);
    }
  }

  async kill(): Promise<void> {
    this.#process.kill('SIGKILL');
    await this.#ended;
  }

  #receive(message: FromGradientChild): void {
    if (message.kind === 'broken') this.#fail(message.reason);
    else this.#pending?.resolve(message);
  }

  /** What cannot be sent to a child is sent to one that dies: how it ended says more than a broken pipe. */
  #failAtItsEnd({ message }: Error): void {
    void this.#ended.then(() => this.#fail(message));
  }

  /** The first reason is the one that is told. */
  #fail(reason: string): void {
    this.#failure ??= new GradientFailure(reason);
    this.#pending?.reject(this.#failure);
  }
}
