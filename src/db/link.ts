/** The main thread's end of one worker: asks, gets answers, and puts a new worker in a dead one's place. */
import { Worker } from 'node:worker_threads';
import { Problem } from '../errors.js';
import { failpoint } from '../failpoints.js';
import type { Log } from '../log.js';
import { unpackFailure } from './failures.js';
import type { OpenRequest, Replies, Request } from './messages.js';

export type LinkLog = Pick<Log, 'info' | 'error'>;

export interface LinkOptions {
  /** The worker's compiled file. */
  readonly script: URL;
  readonly open: OpenRequest;
  readonly log: LinkLog;
  /** The worker loads its code at once but opens the file only after this. */
  readonly after?: Promise<void>;
  /** Sees each message before the calls it answers are settled. */
  readonly onReplies?: (replies: Replies) => void;
}

interface Call {
  readonly resolve: (output: unknown) => void;
  readonly reject: (error: Error) => void;
}

const RETRY_MS = 1000;

export class Link {
  readonly #options: LinkOptions;
  readonly #calls = new Map<number, Call>();
  #worker: Promise<Worker>;
  #last = 0;
  #open = false;
  #closed = false;
  #restarts = 0;
  #retry: NodeJS.Timeout | undefined;

  constructor(options: LinkOptions) {
    this.#options = options;
    this.#worker = this.#start();
  }

  get open(): boolean {
    return this.#open;
  }

  /** How many workers have been put in a dead one's place. */
  get restarts(): number {
    return this.#restarts;
  }

  /** Resolves when the worker has opened its file; rejects with the reason it cannot. */
  async ready(): Promise<void> {
    await this.#worker;
  }

  /** Rejects with the error of the work itself, or with Problem 'storage-failed' when the worker dies under it. */
  async call(request: Request): Promise<unknown> {
    if (this.#closed) throw new Problem('storage-failed', 'the database is closed');
    return await this.#ask(await this.#worker, request);
  }

  /** Lets the worker finish what it has, then ends it. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#retry);
    const worker = await this.#worker.catch(() => null);
    if (worker === null || !this.#open) return;
    const ended = new Promise((resolve) => worker.once('exit', resolve));
    await this.#ask(worker, { kind: 'close' }).catch(() => worker.terminate());
    await ended;
  }

  #ask(worker: Worker, request: Request): Promise<unknown> {
    return new Promise((resolve, reject) => {
      // A worker that has ended takes messages without a word.
      if (worker.threadId === -1) return reject(this.#gone());
      const id = (this.#last += 1);
      worker.postMessage({ id, request });
      this.#calls.set(id, { resolve, reject });
      failpoint('database.asked');
    });
  }

  #start(): Promise<Worker> {
    const worker = new Worker(this.#options.script, { execArgv: [] });
    worker.on('message', (replies: Replies) => this.#settle(replies));
    worker.on('error', (error) => this.#options.log.error({ err: error }, 'a database worker failed'));
    worker.on('exit', () => this.#ended());
    const started = this.#askOpen(worker).then(
      () => this.#opened(worker),
      (error: unknown) => worker.terminate().then(() => Promise.reject(error as Error)),
    );
    started.catch(() => undefined);
    return started;
  }

  async #askOpen(worker: Worker): Promise<void> {
    await this.#options.after;
    await this.#ask(worker, this.#options.open);
  }

  #opened(worker: Worker): Worker {
    this.#open = true;
    return worker;
  }

  #settle(message: Replies): void {
    failpoint('database.answered');
    this.#options.onReplies?.(message);
    for (const reply of message.replies) {
      const call = this.#calls.get(reply.id);
      this.#calls.delete(reply.id);
      if (reply.ok) call?.resolve(reply.output);
      else call?.reject(unpackFailure(reply.failure));
    }
  }

  #gone(): Problem {
    return new Problem('storage-failed', `the ${this.#options.open.role} of the database ended`);
  }

  #ended(): void {
    const wasOpen = this.#open;
    this.#open = false;
    for (const { reject } of this.#calls.values()) reject(this.#gone());
    this.#calls.clear();
    if (this.#closed) return;
    if (wasOpen) this.#restart();
    else if (this.#restarts > 0) this.#retry = setTimeout(() => this.#restart(), RETRY_MS);
  }

  #restart(): void {
    this.#restarts += 1;
    this.#options.log.error(
      { role: this.#options.open.role, restarts: this.#restarts },
      'a database worker is replaced',
    );
    this.#worker = this.#start();
  }
}
