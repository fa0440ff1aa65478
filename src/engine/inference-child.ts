/** An inference child as its parent sees it: a process that is started once, runs one batch at a time and may die. */
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { AdapterTensors } from '../graph/adapter-feeds.js';
import type { AdapterMessage, BatchMessage, FromChild, MixMessage, OpenMessage, ToChild } from './messages.js';
import { Preparations } from './preparations.js';

const PROGRAM = fileURLToPath(new URL('./child.js', import.meta.url));
const START_LIMIT_MS = 300_000;

/** The child could not do it, or is gone; its rows may be tried elsewhere. */
export class ChildFailure extends Error {
  override readonly name = 'ChildFailure';
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
  readonly #preparations: Preparations;
  #messages = 0;
  #pending: Pending | undefined;
  #gone = false;
  #reason = 'the inference child died';

  /** A child that makes nothing ready for `prepareLimitMs`, of what it was asked to, is killed. */
  constructor(open: Omit<OpenMessage, 'kind'>, prepareLimitMs: number) {
    this.#preparations = new Preparations(prepareLimitMs, () => this.#giveUp(prepareLimitMs));
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
    this.ready.then(
      () => this.#preparations.watch(),
      () => undefined,
    );
    this.#process.on('message', (message: FromChild) => this.#receive(message));
    void this.ended.then(() => this.#end());
    this.#send({ kind: 'open', ...open });
  }

  /** Why it ended, once it has. */
  get reason(): string {
    return this.#reason;
  }

  /** False from when its end is known. */
  get connected(): boolean {
    return !this.#gone && this.#process.connected;
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

  /**
   * Resolves when the child can answer with the adapter, also when it is to forget it by then; rejects with ChildFailure
   * when it cannot, ends before, or takes too long.
   */
  hold(digest: string, tensors: AdapterTensors): Promise<void> {
    return this.#prepare({ kind: 'adapter', id: ++this.#messages, digest, tensors });
  }

  /** Resolves when the child can run batches of these adapters; rejects as `hold` does. */
  mix(adapters: readonly (string | null)[]): Promise<void> {
    return this.#prepare({ kind: 'mix', id: ++this.#messages, adapters });
  }

  forget(digest: string): void {
    this.#send({ kind: 'forget', digest });
  }

  kill(reason: string): void {
    this.#reason = reason;
    this.#process.kill('SIGKILL');
  }

  async #prepare(message: AdapterMessage | MixMessage): Promise<void> {
    if (!this.connected) throw new ChildFailure(this.#reason);
    const prepared = this.#preparations.add(message.id);
    this.#send(message);
    await prepared;
  }

  /** What hangs is refused while the child still counts as alive: the next one would hang in it too. */
  #giveUp(limitMs: number): void {
    this.kill(`the inference child made no adapter ready for ${limitMs} ms`);
    this.#preparations.rejectAll(new ChildFailure(this.#reason));
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
    if (message.kind === 'prepared') this.#preparations.resolve(message.id);
    if (message.kind === 'refused') this.#preparations.reject(message.id, new ChildFailure(message.reason));
    if (message.kind !== 'result' && message.kind !== 'failure') return;
    if (this.#pending?.id !== message.id) return;
    if (message.kind === 'result') this.#pending.resolve(message.logits);
    else this.#pending.reject(new ChildFailure(message.reason));
  }

  #end(): void {
    this.#gone = true;
    const failure = new ChildFailure(this.#reason);
    this.#pending?.reject(failure);
    this.#preparations.rejectAll(failure);
  }

  /** A child that is already gone takes no message; its end is told by `ended`. */
  #send(message: ToChild): void {
    if (this.#process.connected) this.#process.send(message, () => undefined);
  }
}
