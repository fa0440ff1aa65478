/** One place of the pool: a worker from its start to its end, with at most one batch in its hands. */
import type { Worker } from 'node:worker_threads';
import type { EncodeBatch, EncodedBatch, FromWorker } from './messages.js';
import { unpackEncodings } from './pack.js';
import { type TextRequest, settleBatch } from './request.js';

export interface SlotEvents {
  /** The worker has loaded, or a batch is done. */
  idle(): void;
  /** The worker has ended, whatever the reason; `batch` is what it had not answered. */
  lost(batch: readonly TextRequest[], reason: Error): void;
}

/** A tokenizer of 5 MB loads in half a second on an idle core. */
const LOADING_MS = 60_000;

export class Slot {
  readonly #worker: Worker;
  readonly #patienceMs: number;
  readonly #events: SlotEvents;
  #state: 'loading' | 'idle' | 'busy' | 'killed' = 'loading';
  #loaded = false;
  #batch: readonly TextRequest[] = [];
  #reason = new Error('the tokenizer worker ended');
  #watchdog: NodeJS.Timeout | undefined;

  constructor(worker: Worker, patienceMs: number, events: SlotEvents) {
    this.#worker = worker;
    this.#patienceMs = patienceMs;
    this.#events = events;
    worker.on('message', (message: FromWorker) => this.#receive(message));
    worker.on('messageerror', (error) => this.#kill(error));
    worker.on('error', (error) => this.#blame(error));
    worker.on('exit', () => this.#end());
    this.#watch(LOADING_MS);
  }

  get loaded(): boolean {
    return this.#loaded;
  }

  get idle(): boolean {
    return this.#state === 'idle';
  }

  send(batch: readonly TextRequest[]): void {
    this.#state = 'busy';
    this.#batch = batch;
    this.#watch(this.#patienceMs);
    const message: EncodeBatch = { type: 'encode', texts: batch.flatMap((request) => request.texts) };
    this.#worker.postMessage(message);
  }

  /** Resolves when the thread has ended. */
  async close(): Promise<void> {
    await this.#worker.terminate();
  }

  #receive(message: FromWorker): void {
    clearTimeout(this.#watchdog);
    if (this.#state === 'killed') return;
    if (message.type === 'refused') this.#blame(new Error(message.reason));
    else this.#rest(message);
  }

  #rest(message: { readonly type: 'ready' } | EncodedBatch): void {
    const batch = this.#batch;
    this.#batch = [];
    this.#state = 'idle';
    this.#loaded = true;
    if (message.type === 'encoded') settleBatch(batch, unpackEncodings(message));
    this.#events.idle();
  }

  #watch(patienceMs: number): void {
    const overdue = (): Error => new Error(`the tokenizer worker was silent for ${patienceMs} ms`);
    this.#watchdog = setTimeout(() => this.#kill(overdue()), patienceMs);
  }

  #blame(error: unknown): void {
    this.#reason = error instanceof Error ? error : new Error(String(error));
  }

  #kill(reason: Error): void {
    this.#blame(reason);
    this.#state = 'killed';
    void this.#worker.terminate();
  }

  #end(): void {
    clearTimeout(this.#watchdog);
    this.#events.lost(this.#batch, this.#reason);
  }
}
