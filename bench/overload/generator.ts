/**
 * A program of its own that asks over bare sockets. Open loop: every request leaves at its time whether others were answered
 * or not, on a free connection or a new one; closed loop: so many clients, each asks anew when it is answered.
 */
import { connect, type Socket } from 'node:net';
import { pairOf } from '../support/pairs.js';

export interface Load {
  readonly port: number;
  readonly seconds: number;
  readonly pairs: number;
  readonly tokens: number;
  readonly deadlineMs: number;
  /** Requests per second (open loop), or clients (closed loop). */
  readonly perSecond?: number;
  readonly clients?: number;
}

/** One request; times in milliseconds since the load began. */
export interface Asked {
  /** When it was to leave, and when it left. */
  readonly due: number;
  readonly left: number;
  readonly took: number;
  /** 0: the connection broke. */
  readonly status: number;
}

export interface Generated {
  readonly asked: Asked[];
  readonly connections: number;
  readonly cpuSeconds: number;
}

/** Different texts, so that nothing is answered from memory. */
const BODIES = 200;
/** Answers are waited for so long after the last request left. */
const PATIENCE_MS = 10_000;

class Connection {
  readonly #socket: Socket;
  #received = '';
  #settle: ((status: number) => void) | undefined;

  constructor(port: number) {
    this.#socket = connect(port, '127.0.0.1').setNoDelay().setEncoding('latin1');
    this.#socket.on('data', (text) => this.#receive(text.toString()));
    this.#socket.on('error', () => undefined).on('close', () => this.#settle?.(0));
  }

  get open(): boolean {
    return !this.#socket.destroyed;
  }

  ask(request: Buffer): Promise<number> {
    return new Promise((resolve) => {
      this.#settle = resolve;
      if (this.open) this.#socket.write(request);
      else resolve(0);
    });
  }

  end(): void {
    this.#socket.destroy();
  }

  #receive(text: string): void {
    this.#received += text;
    const head = this.#received.indexOf('\r\n\r\n');
    if (head < 0) return;
    const length = Number(/\r\ncontent-length: (\d+)/i.exec(this.#received)?.[1] ?? 0);
    if (this.#received.length < head + 4 + length) return;
    const status = Number(this.#received.slice(9, 12));
    this.#received = '';
    this.#settle?.(status);
  }
}

class Generator {
  readonly #load: Load;
  readonly #requests: readonly Buffer[];
  readonly #free: Connection[] = [];
  readonly #all: Connection[] = [];
  readonly #began = performance.now();
  readonly #asked: Asked[] = [];
  #sent = 0;

  constructor(load: Load) {
    this.#load = load;
    this.#requests = Array.from({ length: BODIES }, (_, seed) => requestOf(load, seed));
  }

  async run(): Promise<Generated> {
    const { perSecond, clients = 0 } = this.#load;
    if (perSecond === undefined) await Promise.all(Array.from({ length: clients }, () => this.#client()));
    else await this.#arrivals(perSecond);
    for (const connection of this.#all) connection.end();
    const { user, system } = process.cpuUsage();
    return { asked: this.#asked, connections: this.#all.length, cpuSeconds: (user + system) / 1e6 };
  }

  get #now(): number {
    return performance.now() - this.#began;
  }

  async #client(): Promise<void> {
    while (this.#now < this.#load.seconds * 1000) await this.#ask(this.#now);
  }

  async #arrivals(perSecond: number): Promise<void> {
    const all = Math.round(this.#load.seconds * perSecond);
    const open = new Set<Promise<void>>();
    for (let next = 0; next < all;) {
      for (; next < all && (1000 * next) / perSecond <= this.#now; next++) {
        const asked: Promise<void> = this.#ask((1000 * next) / perSecond).finally(() => open.delete(asked));
        open.add(asked);
      }
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    await Promise.race([Promise.all(open), new Promise((resolve) => setTimeout(resolve, PATIENCE_MS))]);
  }

  async #ask(due: number): Promise<void> {
    const connection = this.#free.pop() ?? this.#connect();
    const left = this.#now;
    const status = await connection.ask(this.#requests[this.#sent++ % BODIES]!);
    this.#asked.push({ due, left, took: this.#now - left, status });
    if (connection.open) this.#free.push(connection);
  }

  #connect(): Connection {
    const connection = new Connection(this.#load.port);
    this.#all.push(connection);
    return connection;
  }
}

function requestOf({ pairs, tokens, deadlineMs }: Load, seed: number): Buffer {
  const body = JSON.stringify({ pairs: Array.from({ length: pairs }, (_, i) => pairOf(tokens, seed * pairs + i)) });
  const head = ['POST /nli HTTP/1.1', 'host: 127.0.0.1', 'content-type: application/json'];
  const lengths = [`content-length: ${body.length}`, `x-errata-deadline-ms: ${deadlineMs}`];
  return Buffer.from(`${[...head, ...lengths].join('\r\n')}\r\n\r\n${body}`);
}

process.on('message', (load: Load) => {
  void new Generator(load).run().then((generated) => process.send?.(generated, () => process.disconnect()));
});
