/** A place for an inference child: whoever dies in it is replaced, ever more slowly while starts fail. */
import type { AdapterTensors } from '../graph/adapter-feeds.js';
import { InferenceChild } from './inference-child.js';
import type { OpenMessage } from './messages.js';
import { Rate } from './rate.js';

const MAX_BACKOFF_MS = 5000;
const FIRST_BACKOFF_MS = 100;

export type Adapters = ReadonlyMap<string, AdapterTensors>;

/** Name → the adapters that batches mix. */
export type Mixes = ReadonlyMap<string, readonly (string | null)[]>;

/** What every child has to be ready for; read at each start. */
export interface Given {
  readonly adapters: Adapters;
  readonly mixes: Mixes;
}

export interface SlotOptions {
  readonly open: Omit<OpenMessage, 'kind'>;
  /** A child that makes nothing ready for so long, of what it was asked to, is replaced. */
  readonly prepareLimitMs: number;
}

export interface SlotEvents {
  /** The child can take a batch. */
  readonly onIdle: () => void;
  /** The child died and will be replaced. */
  readonly onDeath: (reason: string) => void;
}

export class Slot {
  readonly #options: SlotOptions;
  readonly #given: Given;
  readonly #events: SlotEvents;
  /** What the child is to do before its first batch. */
  #told: Promise<void>[] = [];
  #closed = false;
  #restart: NodeJS.Timeout | undefined;
  child: InferenceChild;
  state: 'starting' | 'idle' | 'busy' = 'starting';
  /** Takes no batch although it may be idle: it makes an adapter ready. */
  reserved = false;
  /** Of the everyday session. */
  rate = new Rate(0);
  /** The mixes that its child is ready for. */
  readonly mixes = new Set<string>();
  /** Starts in a row that failed. */
  failures = 0;

  constructor(options: SlotOptions, given: Given, events: SlotEvents) {
    this.#options = options;
    this.#given = given;
    this.#events = events;
    this.child = this.#start();
  }

  get wide(): boolean {
    return this.#options.open.wideThreads > 0;
  }

  /** Makes its child ready for batches that mix `adapters`. Rejects with ChildFailure when it cannot. */
  mix(name: string, adapters: readonly (string | null)[]): Promise<void> {
    return this.#mixIn(this.child, name, adapters);
  }

  /** Keeps a child that starts from batches until `work` is done; it is replaced when that fails. */
  tell(work: Promise<void>): void {
    work.catch(() => undefined); // heard when its turn comes
    this.#told.push(work);
  }

  /** Unless the mix is over by then. */
  async #mixIn(child: InferenceChild, name: string, adapters: readonly (string | null)[]): Promise<void> {
    await child.mix(adapters);
    if (child === this.child && this.#given.mixes.has(name)) this.mixes.add(name);
  }

  /** Resolves when the process has ended. */
  close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#restart);
    this.child.kill('the engine was closed');
    return this.child.ended;
  }

  #start(): InferenceChild {
    const { open, prepareLimitMs } = this.#options;
    const child = new InferenceChild(open, prepareLimitMs);
    this.#told = [];
    this.mixes.clear();
    for (const [digest, tensors] of this.#given.adapters) this.tell(child.hold(digest, tensors));
    // A child that cannot mix is as good as any, but takes no riders.
    for (const [name, adapters] of this.#given.mixes)
      this.tell(this.#mixIn(child, name, adapters).catch(() => undefined));
    this.#opened(child, this.#told).then(
      (rate) => this.#ready(child, rate),
      (error: Error) => child.kill(error.message),
    );
    void child.ended.then(() => this.#ended(child.reason));
    return child;
  }

  /** The rate of the child, once it has done all that it was told until then. */
  async #opened(child: InferenceChild, told: Promise<void>[]): Promise<number> {
    const rate = await child.ready;
    for (let next = told.shift(); next !== undefined; next = told.shift()) await next;
    return rate;
  }

  /** One that died meanwhile, while it prepared what it may fail at, is no child to give a batch to. */
  #ready(child: InferenceChild, rate: number): void {
    if (child !== this.child || !child.connected) return;
    this.rate = new Rate(rate);
    this.state = 'idle';
    this.failures = 0;
    this.#events.onIdle();
  }

  #ended(reason: string): void {
    if (this.#closed) return;
    this.failures = this.state === 'starting' ? this.failures + 1 : 0;
    this.state = 'starting';
    this.#events.onDeath(reason);
    const backoff = this.failures === 0 ? 0 : Math.min(MAX_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** this.failures);
    this.#restart = setTimeout(() => this.#startAgain(), backoff);
  }

  /** The system may refuse another process; later it may not. */
  #startAgain(): void {
    try {
      this.child = this.#start();
    } catch (error) {
      this.#ended(error instanceof Error ? error.message : String(error));
    }
  }
}
