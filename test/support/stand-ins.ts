/** Small deterministic stand-ins at the process boundaries: what src/text and src/engine promise, without children. */
import type { Engine, EngineStatus } from '../../src/engine/engine.js';
import type { Work } from '../../src/engine/engine.js';
import type { Classifier, ClassifyWith } from '../../src/judge/parts.js';
import type { Encoded, PairTexts, Text } from '../../src/text/text.js';

const CLS = 1;
const SEP = 2;

/** One id for each character; the troubles that src/text finds. */
export const textStandIn: Pick<Text, 'encode'> = { encode: async (pairs) => pairs.map(encode) };

function encode({ premise, hypothesis }: PairTexts): Encoded {
  if (premise.trim() === '') return { code: 'premise-empty', detail: 'the premise is empty' };
  if (hypothesis.trim() === '') return { code: 'hypothesis-empty', detail: 'the hypothesis is empty' };
  if (premise.length > 20_000) return { code: 'premise-too-long', detail: 'the premise is over 20000 characters' };
  const ids = Int32Array.from([CLS, ...codes(premise), SEP, ...codes(hypothesis), SEP]);
  return { ids, truncated: premise.endsWith('…') };
}

const codes = (text: string): number[] => Array.from(text, (character) => character.codePointAt(0) ?? 0);

/** Three logits that depend on the ids alone. */
export function logitsOf(ids: Int32Array): Float32Array {
  const logits = new Float32Array(3);
  for (const [at, id] of ids.entries()) logits[(at + id) % 3] = ((logits[(at + id) % 3] ?? 0) + id * 0.37) % 5;
  return logits;
}

export interface EngineStandIn
  extends Classifier, Pick<Engine, 'status' | 'warmUp' | 'hold' | 'forget' | 'mix' | 'unmix'> {
  /** Work that has room. */
  readonly reserved: Work[];
  readonly calls: { readonly rows: readonly Int32Array[]; readonly options: ClassifyWith }[];
}

export interface EngineBehaviour {
  /** Instead of the deterministic logits, which are the same for all of `adapters`. */
  classify?(rows: readonly Int32Array[], options: ClassifyWith): Promise<(Float32Array | null)[]>;
  ready?: boolean;
  /** Thrown to work that asks for room. */
  refusal?: Error;
}

export function engineStandIn({ classify, ready = true, refusal }: EngineBehaviour = {}): EngineStandIn {
  const calls: EngineStandIn['calls'] = [];
  const reserved: Work[] = [];
  const state = ready ? 'idle' : 'starting';
  const status: EngineStatus = {
    ready,
    children: [1, 2].map((pid) => ({ pid, state })),
    queuedPairs: 3,
    queuedTokens: 96,
    tokensPerSecond: 1000,
    totals: { batches: 5, rows: 6, tokens: 70, paddedTokens: 80, mixedBatches: 2, retries: 1, restarts: 4 },
  };
  return {
    calls,
    classify: async (rows, options) => {
      calls.push({ rows, options });
      if (classify !== undefined) return classify(rows, options);
      options.reserved?.();
      return rows.flatMap((row) => (options.adapters ?? [null]).map(() => logitsOf(row)));
    },
    reserved,
    reserve: (work) => {
      if (refusal !== undefined) throw refusal;
      reserved.push(work);
      return () => void (reserved.includes(work) && reserved.splice(reserved.indexOf(work), 1));
    },
    hold: async () => undefined,
    forget: () => undefined,
    mix: async () => undefined,
    unmix: () => undefined,
    status: () => status,
    warmUp: async () => undefined,
  };
}
