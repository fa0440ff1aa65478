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

export interface SlotEvents {
  /** The child can take a batch. */
  readonly onIdle: () => void;
  /** The child died and will be replaced. */
  readonly onDeath: (reason: string) => void;
}

export class Slot {
  readonly #open: Omit<OpenMessage, 'kind'>;
  readonly #adapters: Adapters;
  readonly #mixes: Mixes;
  readonly #events: SlotEvents;
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

  /** `adapters` and `mixes` are read at every start: a new child is given what the engine holds then. */
  constructor(open: Omit<OpenMessage, 'kind'>, adapters: Adapters, mixes: Mixes, events: SlotEvents) {
    this.#open = open;
    this.#adapters = adapters;
    this.#mixes = mixes;
    this.#events = events;
    this.child = this.#start();
  }

  get wide(): boolean {
    return this.#open.wideThreads > 0;
  }

  /** Makes its child ready for batches that mix `adapters`. Rejects with ChildFailure when it cannot. */
  async mix(name: string, adapters: readonly (string | null)[]): Promise<void> {
    await mixIn(this.child, name, adapters, this.mixes);
  }

  /** Resolves when the process has ended. */
  close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#restart);
    this.child.kill('the engine was closed');
    return this.child.ended;
  }

  #start(): InferenceChild {
    const child = new InferenceChild(this.#open);
    const held = [...this.#adapters].map(([digest, tensors]) => child.hold(digest, tensors));
    this.mixes.clear();
    // A child that cannot mix is as good as any, but takes no riders.
    const mixed = [...this.#mixes].map(([name, adapters]) =>
      mixIn(child, name, adapters, this.mixes).catch(() => undefined),
    );
    Promise.all([child.ready, ...held, ...mixed]).then(
      ([rate]) => this.#ready(rate),
      (error: Error) => child.kill(error.message),
    );
    void child.ended.then(() => this.#ended(child.reason));
    return child;
  }

  #ready(rate: number): void {
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

async function mixIn(
  child: InferenceChild,
  name: string,
  adapters: readonly (string | null)[],
  mixes: Set<string>,
): Promise<void> {
  await child.mix(name, adapters);
  mixes.add(name);
}
