/** The program of an inference child: opens the checkpoint, then answers batches until its parent is gone. */
import os from 'node:os';
import { endWithParent } from '../orphan.js';
import type { AdapterMessage, BatchMessage, FromChild, MixMessage, OpenMessage, ToChild } from './messages.js';
import { Model } from './model.js';

const WARM_UP_ROWS = 4;
const WARM_UP_TOKENS = 64;
const WARM_UP_RUNS = 3;
/** How much nicer than its parent, which must stay able to answer. */
const NICER = 10;

interface Opened {
  readonly model: Model;
  readonly threads: number;
  readonly wideThreads: number;
}

let opened: Promise<Opened> | undefined;

os.setPriority(Math.min(os.constants.priority.PRIORITY_LOW, os.getPriority() + NICER));
process.on('disconnect', () => process.exit());
// Ctrl-C, a closing terminal and a supervisor's stop reach the whole group: the parent drains first, then decides
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => undefined);
process.on('message', (message: ToChild) => {
  if (message.kind === 'open') opened = open(message);
  else void receive(message);
});

endWithParent();

const send = (message: FromChild): void => void process.send?.(message);

/** A child that lacks its model is of no use: it says why and ends. */
function end(error: unknown): Promise<never> {
  const message: FromChild = { kind: 'broken', reason: reasonOf(error) };
  return new Promise(() => process.send?.(message, () => process.exit(1)));
}

async function open({ checkpoint, precision, threads, wideThreads }: OpenMessage): Promise<Opened> {
  try {
    const engine = { model: new Model(checkpoint, precision), threads, wideThreads };
    send({ kind: 'ready', tokensPerSecond: await measure(engine) });
    return engine;
  } catch (error) {
    return end(error);
  }
}

async function receive(message: Exclude<ToChild, OpenMessage>): Promise<void> {
  const engine = await opened;
  if (!engine) return;
  if (message.kind === 'batch') await answer(engine, message);
  else if (message.kind === 'adapter') await hold(engine, message);
  else if (message.kind === 'mix') await mix(engine, message);
  else engine.model.forget(message.digest);
}

const threadsOf = ({ threads, wideThreads }: Opened): number[] =>
  wideThreads > 0 ? [threads, wideThreads] : [threads];

async function mix(engine: Opened, { id, adapters }: MixMessage): Promise<void> {
  try {
    await engine.model.mix(adapters, threadsOf(engine));
    send({ kind: 'prepared', id });
  } catch (error) {
    send({ kind: 'refused', id, reason: reasonOf(error) });
  }
}

async function hold(engine: Opened, { id, digest, tensors }: AdapterMessage): Promise<void> {
  const { model } = engine;
  try {
    await model.hold(digest, tensors, threadsOf(engine));
    send({ kind: 'prepared', id });
  } catch (error) {
    model.forget(digest);
    send({ kind: 'refused', id, reason: reasonOf(error) });
  }
}

async function answer({ model, threads, wideThreads }: Opened, message: BatchMessage): Promise<void> {
  const { id, ids, lengths, adapters, adapterOfRow, wide } = message;
  try {
    const logits = await model.judge(
      { rows: rowsOf(ids, lengths), adapters, adapterOfRow },
      wide ? wideThreads : threads,
    );
    send({ kind: 'result', id, logits });
  } catch (error) {
    send({ kind: 'failure', id, reason: reasonOf(error) });
  }
}

function rowsOf(ids: Int32Array, lengths: Int32Array): Int32Array[] {
  let offset = 0;
  return Array.from(lengths, (length) => ids.subarray(offset, (offset += length)));
}

/** Tokens per second of a small batch, the median of a few runs; every session has judged once after it. */
async function measure({ model, threads, wideThreads }: Opened): Promise<number> {
  const rows = Array.from({ length: WARM_UP_ROWS }, () => new Int32Array(WARM_UP_TOKENS).fill(1));
  const run = (n: number, on: number): Promise<Float32Array> =>
    model.judge({ rows: rows.slice(0, n), adapters: [null], adapterOfRow: new Int32Array(n) }, on);
  if (wideThreads > 0) await run(1, wideThreads);
  await run(WARM_UP_ROWS, threads);
  const times: number[] = [];
  for (let i = 0; i < WARM_UP_RUNS; i++) {
    const started = performance.now();
    await run(WARM_UP_ROWS, threads);
    times.push(performance.now() - started);
  }
  const median = times.toSorted((a, b) => a - b)[Math.floor(WARM_UP_RUNS / 2)] ?? 1;
  return (1000 * WARM_UP_ROWS * WARM_UP_TOKENS) / median;
}

const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
