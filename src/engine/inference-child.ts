/** An inference child as its parent sees it: a process that is started once, runs one batch at a time and may die. */
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { AdapterTensors } from '../graph/adapter-feeds.js';
import type { AdapterMessage, BatchMessage, FromChild, MixMessage, OpenMessage, ToChild } from './messages.js';

const PROGRAM = fileURLToPath(new URL('./child.js', import.meta.url));
const START_LIMIT_MS = 300_000;

/** The child could not do it, or is gone; its rows may be tried elsewhere. */
export class ChildFailure extends Error {
  override readonly name = 'ChildFailure';
}

interface Holding {
  readonly resolve: () => void;
  readonly reject: (reason: ChildFailure) => void;
}

interface Pending {
  readonly id: number;
  readonly resolve: (logits: Float32Array) => void;
  readonly reject: (reason: ChildFailure) => void;
}

export class InferenceChild {
  readonly #process: ChildProcess;
  /** Tokens per second, measured; rejects with ChildFailure when the child ends before it is ready. */
  readonly ready: Promise<number>;
  /** Resolves when the process has ended. */
  readonly ended: Promise<void>;
  readonly #holding = new Map<string, Holding>();
  #pending: Pending | undefined;
  #reason = 'the inference child died';

  constructor(open: Omit<OpenMessage, 'kind'>) {
    this.#process = fork(PROGRAM, [], {
      serialization: 'advanced',
      execArgv: [],
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    this.ended = new Promise((resolve) => {
      this.#process.once('exit', () => resolve());
      this.#process.on('error', (error) => {
        this.#reason = error.message;
        if (this.pid === undefined) resolve(); // it was never started, so there will be no 'exit'
      });
    });
    this.ready = this.#awaitReady();
    this.ready.catch(() => undefined);
    this.#process.on('message', (message: FromChild) => this.#receive(message));
    void this.ended.then(() => this.#failAll());
    this.#send({ kind: 'open', ...open });
  }

  /** Why it ended, once it has. */
  get reason(): string {
    return this.#reason;
  }

  /** False from when its end is known. */
  get connected(): boolean {
    return this.#process.connected;
  }

  get pid(): number | undefined {
    return this.#process.pid;
  }

  /** The batch's logits; the child is killed when they have not come after `limitMs`. */
  async run(batch: Omit<BatchMessage, 'kind'>, limitMs: number): Promise<Float32Array> {
    const watchdog = setTimeout(
      () => this.kill(`the inference child gave no answer for ${Math.round(limitMs)} ms`),
      limitMs,
    );
    try {
      return await new Promise<Float32Array>((resolve, reject) => {
        this.#pending = { id: batch.id, resolve, reject };
        this.#send({ kind: 'batch', ...batch });
      });
    } finally {
      this.#pending = undefined;
      clearTimeout(watchdog);
    }
  }

  /** Resolves when the child can answer with the adapter; rejects with ChildFailure when it cannot, or ends before. */
  hold(digest: string, tensors: AdapterTensors): Promise<void> {
    return this.#prepared(digest, { kind: 'adapter', digest, tensors });
  }

  /** Resolves when the child can run batches of these adapters; rejects as `hold` does. */
  mix(mix: string, adapters: readonly (string | null)[]): Promise<void> {
    return this.#prepared(mix, { kind: 'mix', mix, adapters });
  }

  async #prepared(name: string, message: AdapterMessage | MixMessage): Promise<void> {
    if (!this.connected) throw new ChildFailure(this.#reason);
    await new Promise<void>((resolve, reject) => {
      this.#holding.set(name, { resolve, reject });
      this.#send(message);
    });
  }

  forget(digest: string): void {
    this.#holding.delete(digest);
    this.#send({ kind: 'forget', digest });
  }

  kill(reason: string): void {
    this.#reason = reason;
    this.#process.kill('SIGKILL');
  }

  #awaitReady(): Promise<number> {
    return new Promise((resolve, reject) => {
      const limit = setTimeout(() => this.kill('the inference child did not start in time'), START_LIMIT_MS);
      this.#process.on('message', (message: FromChild) => {
        if (message.kind === 'broken') this.#reason = message.reason;
        if (message.kind !== 'ready') return;
        clearTimeout(limit);
        resolve(message.tokensPerSecond);
      });
      void this.ended.then(() => {
        clearTimeout(limit);
        reject(new ChildFailure(this.#reason));
      });
    });
  }

  #receive(message: FromChild): void {
    if (message.kind === 'held') this.#holding.get(message.digest)?.resolve();
    if (message.kind === 'refused') this.#holding.get(message.digest)?.reject(new ChildFailure(message.reason));
    if (message.kind !== 'result' && message.kind !== 'failure') return;
    if (this.#pending?.id !== message.id) return;
    if (message.kind === 'result') this.#pending.resolve(message.logits);
    else this.#pending.reject(new ChildFailure(message.reason));
  }

  #failAll(): void {
    const failure = new ChildFailure(this.#reason);
    this.#pending?.reject(failure);
    for (const { reject } of this.#holding.values()) reject(failure);
  }

  /** A child that is already gone takes no message; its end is told by `ended`. */
  #send(message: ToChild): void {
    if (this.#process.connected) this.#process.send(message, () => undefined);
  }
}
