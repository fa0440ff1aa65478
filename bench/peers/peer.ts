/**
 * A peer in a process of its own: one JSON question a line on its standard input, one JSON answer a line on its output. It
 * times its own work, so that what the question costs on the way is not counted against it.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import os from 'node:os';
import { createInterface } from 'node:readline';

export type Question =
  /** A forward pass over sequences that are already tokenised; the peer pads them to the longest. */
  | { readonly kind: 'tokens'; readonly model: string; readonly rows: readonly (readonly number[])[] }
  /** The same from texts, by the peer's own tokenizer. */
  | { readonly kind: 'texts'; readonly model: string; readonly pairs: readonly (readonly [string, string])[] }
  /** One optimizer step. */
  | {
      readonly kind: 'train';
      readonly model: string;
      readonly rows: readonly (readonly number[])[];
      readonly labels: readonly number[];
    };

/** `logits` of a forward pass, row by row; `loss` of a training step. */
export interface Answer {
  readonly ms: number;
  readonly logits?: readonly (readonly number[])[];
  readonly loss?: number;
}

export interface Hello {
  readonly versions: Readonly<Record<string, string>>;
}

/** That of Errata's inference children: on a machine that is not quite idle, nobody shall be served first. */
const PRIORITY = 10;

export class Peer {
  readonly #process: ChildProcess;
  readonly #waiting: { resolve(line: string): void; reject(error: Error): void }[] = [];
  #said = '';

  private constructor(command: string, args: readonly string[]) {
    this.#process = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'] });
    if (this.#process.pid !== undefined) os.setPriority(this.#process.pid, PRIORITY);
    this.#process.stderr!.on('data', (chunk: Buffer) => (this.#said = (this.#said + chunk.toString()).slice(-2000)));
    createInterface({ input: this.#process.stdout! }).on('line', (line) => this.#waiting.shift()?.resolve(line));
    const end = (error?: Error): void => {
      const reason = new Error(`${command} ${args[0]} has ended: ${error?.message ?? this.#said}`);
      for (const { reject } of this.#waiting.splice(0)) reject(reason);
    };
    this.#process.once('error', end).once('close', () => end());
  }

  /** Resolves with the peer's first line: it has its models, and what it is made of. Rejects with what it said last. */
  static async start(command: string, args: readonly string[]): Promise<{ peer: Peer; hello: Hello }> {
    const peer = new Peer(command, args);
    return { peer, hello: JSON.parse(await peer.#line()) as Hello };
  }

  async ask(question: Question): Promise<Answer> {
    const line = this.#line();
    this.#process.stdin!.write(`${JSON.stringify(question)}\n`);
    return JSON.parse(await line) as Answer;
  }

  close(): void {
    this.#process.stdin!.end();
    this.#process.kill('SIGKILL');
  }

  #line(): Promise<string> {
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }
}
