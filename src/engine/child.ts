/** The program of an inference child: opens the checkpoint, then answers batches until its parent is gone. */
import os from 'node:os';
import type { Checkpoint } from '../checkpoint/checkpoint.js';
import { batch } from '../graph/batch.js';
import { forward } from '../graph/deberta.js';
import { compile } from '../graph/onnx.js';
import { type Session, openSession } from '../runtime/session.js';
import type { BatchMessage, FromChild, OpenMessage, ToChild } from './messages.js';

interface Opened {
  readonly checkpoint: Checkpoint;
  readonly everyday: Session;
  readonly wide: Session | null;
}

const WARM_UP_ROWS = 4;
const WARM_UP_TOKENS = 64;
const WARM_UP_RUNS = 3;

const send = (message: FromChild): void => void process.send?.(message);
let opened: Promise<Opened> | undefined;

os.setPriority(os.constants.priority.PRIORITY_BELOW_NORMAL);
process.on('disconnect', () => process.exit());
process.on('SIGINT', () => undefined); // the terminal's Ctrl-C reaches the whole group; the parent decides
process.on('message', (message: ToChild) => {
  if (message.kind === 'open') opened = start(message);
  else void answer(message);
});

async function start(message: OpenMessage): Promise<Opened> {
  try {
    const engine = await open(message);
    send({ kind: 'ready', tokensPerSecond: await measure(engine) });
    return engine;
  } catch (error) {
    send({ kind: 'broken', reason: reasonOf(error) });
    process.disconnect();
    throw error;
  }
}

async function open({ checkpoint, threads, wideThreads }: OpenMessage): Promise<Opened> {
  const graph = compile(forward(checkpoint, null));
  const session = (n: number): Promise<Session> => openSession(graph, { directory: checkpoint.directory, threads: n });
  return { checkpoint, everyday: await session(threads), wide: wideThreads > 0 ? await session(wideThreads) : null };
}

async function answer({ id, ids, lengths, wide }: BatchMessage): Promise<void> {
  try {
    const engine = await opened;
    if (!engine) throw new Error('no checkpoint is open');
    send({ kind: 'result', id, logits: await judge(engine, rowsOf(ids, lengths), wide) });
  } catch (error) {
    send({ kind: 'failure', id, reason: reasonOf(error) });
  }
}

async function judge({ checkpoint, everyday, wide }: Opened, rows: readonly Int32Array[], useWide: boolean): Promise<Float32Array> {
  const { feeds, bindings } = batch(checkpoint.config, rows);
  const { logits } = await ((useWide && wide) || everyday).run(feeds, bindings);
  if (!logits) throw new Error('the graph gave no logits');
  return logits;
}

function rowsOf(ids: Int32Array, lengths: Int32Array): Int32Array[] {
  let end = 0;
  return Array.from(lengths, (length) => ids.subarray(end, (end += length)));
}

/** Tokens per second of a small batch, the median of a few runs; every session has judged once after it. */
async function measure(engine: Opened): Promise<number> {
  const rows = Array.from({ length: WARM_UP_ROWS }, () => new Int32Array(WARM_UP_TOKENS).fill(1));
  if (engine.wide) await judge(engine, rows.slice(0, 1), true);
  await judge(engine, rows, false);
  const times: number[] = [];
  for (let run = 0; run < WARM_UP_RUNS; run++) {
    const started = performance.now();
    await judge(engine, rows, false);
    times.push(performance.now() - started);
  }
  const median = times.sort((a, b) => a - b)[Math.floor(WARM_UP_RUNS / 2)] ?? 1;
  return (1000 * WARM_UP_ROWS * WARM_UP_TOKENS) / median;
}

const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
