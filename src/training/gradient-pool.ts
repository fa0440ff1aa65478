/** The gradient children of a run: the micro-batches of a step, shared out to whoever is free, answered in their order. */
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { TrainingFailure } from './loop.js';
import type { FromGradientChild, OpenMessage, ToGradientChild } from './messages.js';
import type { MicroBatch, MicroResult } from './micro-batch.js';

const PROGRAM = fileURLToPath(new URL('./gradient-child.js', import.meta.url));

/** A micro-batch takes about a second at the longest; the first one also opens the session. */
const SILENCE_LIMIT_MS = 300_000;

/** A child is gone: killed, or ended by itself. */
export class ChildGone extends Error {
  override readonly name = 'ChildGone';
}

class GradientChild {
  readonly #process: ChildProcess;
  readonly ended: Promise<void>;
  #end: string | undefined;
  #pending: { resolve: (result: MicroResult) => void; reject: (error: Error) => void } | undefined;

  constructor(open: Omit<OpenMessage, 'kind'>) {
    this.#process = fork(PROGRAM, [], {
      serialization: 'advanced',
      execArgv: [],
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    this.ended = new Promise((resolve) => this.#process.once('exit', () => resolve()));
    this.#process.on('error', (error) => this.#ended(error.message));
    this.#process.once('exit', (code, signal) => this.#ended(signal ?? `exit code ${code}`));
    this.#process.on('message', (message: FromGradientChild) => this.#receive(message));
    this.send({ kind: 'open', ...open });
  }

  get pid(): number {
    return this.#process.pid ?? 0;
  }

  send(message: ToGradientChild): void {
    if (this.#process.connected) this.#process.send(message, () => undefined);
  }

  async run(micro: MicroBatch): Promise<MicroResult> {
    if (this.#end !== undefined) throw gone(this.#end);
    const watchdog = setTimeout(() => this.kill(), SILENCE_LIMIT_MS);
    try {
      return await new Promise<MicroResult>((resolve, reject) => {
        this.#pending = { resolve, reject };
        this.send({ kind: 'micro', micro });
      });
    } finally {
      clearTimeout(watchdog);
    }
  }

  kill(): void {
    this.#process.kill('SIGKILL');
  }

  #receive(message: FromGradientChild): void {
    if (message.kind === 'gradient') this.#pending?.resolve(message);
    else this.#pending?.reject(new TrainingFailure(message.reason));
  }

  #ended(how: string): void {
    this.#end ??= how;
    this.#pending?.reject(gone(how));
  }
}

const gone = (how: string): ChildGone =>
  new ChildGone(`a gradient child ended (${how})${how === 'SIGKILL' ? ': perhaps for want of memory' : ''}`);

export class GradientPool {
  readonly #children: readonly GradientChild[];

  constructor(open: Omit<OpenMessage, 'kind'>, children: number) {
    this.#children = Array.from({ length: children }, () => new GradientChild(open));
  }

  get pids(): number[] {
    return this.#children.map(({ pid }) => pid);
  }

  /** Rejects with ChildGone, or with TrainingFailure when a child could not compute. */
  async gradients(
    parameters: Float32Array,
    micros: readonly MicroBatch[],
    step: number,
  ): Promise<readonly MicroResult[]> {
    const results: MicroResult[] = [];
    let next = 0;
    const work = async (child: GradientChild): Promise<void> => {
      if (next < micros.length) child.send({ kind: 'parameters', parameters, step });
      while (next < micros.length) {
        const i = next++;
        results[i] = await child.run(micros[i]!);
      }
    };
    await Promise.all(this.#children.map(work));
    return results;
  }

  /** Resolves when every child has ended. */
  async close(): Promise<void> {
    for (const child of this.#children) child.kill();
    await Promise.all(this.#children.map(({ ended }) => ended));
  }
}
