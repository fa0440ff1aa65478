/**
 * The layers below the lowest adapted one. Nothing in them changes while a run learns, and a row's hidden states do not
 * depend on what shares its batch: they are computed once for each row and kept.
 */
import { type Checkpoint, readUnchanged } from '../checkpoint/checkpoint.js';
import { batch } from '../graph/batch.js';
import { HIDDEN_STATES, lowerLayers } from '../graph/deberta.js';
import { float32Linears, int8Linears } from '../graph/linears.js';
import { compile } from '../graph/onnx.js';
import { weightsOf } from '../graph/weights.js';
import type { TrainingPrecision } from '../recipe.js';
import { int8Limit } from '../runtime/int8.js';
import { type Feeds, type Session, openSession } from '../runtime/session.js';
import { PASSES } from './passes.js';

export interface LowerLayersOptions {
  readonly checkpoint: Checkpoint;
  /** How many; 0: nothing is fed. */
  readonly layers: number;
  readonly precision: TrainingPrecision;
  readonly threads: number;
  /** Kept hidden states; what comes later is computed at every step. */
  readonly keptBytes?: number;
}

const KEPT_BYTES = 256 * 1024 * 1024;

/** Gives the feeds of a batch of rows. */
export type LowerLayers = (rows: readonly Int32Array[]) => Promise<Feeds>;

export async function openLowerLayers(options: LowerLayersOptions): Promise<LowerLayers> {
  if (options.layers === 0) return async () => ({});
  const { hiddenSize } = options.checkpoint.config;
  const kept = keptStates(await openStates(options), options.keptBytes ?? KEPT_BYTES);
  return async (rows) => ({ [HIDDEN_STATES]: positionMajor(await kept(rows), hiddenSize) });
}

/** Hidden states of each row, [tokens, d]. */
type States = (rows: readonly Int32Array[]) => Promise<Float32Array[]>;

async function openStates({ checkpoint, layers, precision, threads }: LowerLayersOptions): Promise<States> {
  const weights = weightsOf(checkpoint);
  const inIntegers = PASSES[precision].forward === 'int8';
  const linears = inIntegers ? int8Linears(weights, await int8Limit()) : float32Linears(weights);
  const graph = compile(lowerLayers(checkpoint, layers, linears));
  const { directory, config } = checkpoint;
  const session: Session = await readUnchanged(checkpoint, () => openSession(graph, { directory, threads }));
  return async (rows) => {
    const { feeds, bindings } = batch(config, rows);
    const { hidden_states } = await session.run(feeds, bindings);
    return rows.map(({ length }, b) => rowOf(hidden_states!, b, length, bindings.B, config.hiddenSize));
  };
}

function rowOf(states: Float32Array, b: number, tokens: number, rows: number, width: number): Float32Array {
  const own = new Float32Array(tokens * width);
  for (let l = 0; l < tokens; l++)
    own.set(states.subarray((l * rows + b) * width, (l * rows + b + 1) * width), l * width);
  return own;
}

function keptStates(compute: States, mostBytes: number): States {
  const kept = new Map<string, Float32Array>();
  let bytes = 0;
  const keep = (key: string, states: Float32Array): void => {
    if (bytes + states.byteLength > mostBytes) return;
    kept.set(key, states);
    bytes += states.byteLength;
  };
  return async (rows) => {
    const keys = rows.map(keyOf);
    // A row that is there twice is computed once
    const missing = new Map(rows.flatMap((row, i) => (kept.has(keys[i]!) ? [] : [[keys[i]!, row] as const])));
    const computed = missing.size > 0 ? await compute([...missing.values()]) : [];
    const fresh = new Map([...missing.keys()].map((key, i) => [key, computed[i]!]));
    for (const [key, states] of fresh) keep(key, states);
    return keys.map((key) => (fresh.get(key) ?? kept.get(key))!);
  };
}

const keyOf = (ids: Int32Array): string => Buffer.from(ids.buffer, ids.byteOffset, ids.byteLength).toString('latin1');

/** Rows padded with zeros, which attention masks: position l of row b at l·B + b. */
function positionMajor(rows: readonly Float32Array[], width: number): Feeds[string] {
  const positions = Math.max(...rows.map(({ length }) => length)) / width;
  const data = new Float32Array(positions * rows.length * width);
  rows.forEach((row, b) => {
    for (let l = 0; l * width < row.length; l++)
      data.set(row.subarray(l * width, (l + 1) * width), (l * rows.length + b) * width);
  });
  return { data, shape: [positions * rows.length, width] };
}
