/** From pairs to logits: room in the engine, text, engine. */
import type { AdapterRef } from '../db/prediction-rows.js';
import { overdue } from '../errors.js';
import { inTime } from '../in-time.js';
import type { JudgeParts, Shadowed } from './parts.js';
import type { JudgePair } from './judgement.js';
import type { Known } from './result-cache.js';
import type { Encoded, Encoding, PairTrouble } from '../text/text.js';
import type { TokenEstimate } from './token-estimate.js';

/** What became of a pair; logits are null where they are not finite. */
export type Outcome = (Omit<Known, 'logits'> & { readonly logits: Known['logits'] | null }) | PairTrouble;

export interface Asked {
  readonly pairs: readonly JudgePair[];
  readonly adapter: AdapterRef | null;
  /** In the clock of `monotonic`. */
  readonly deadline: number;
  readonly signal?: AbortSignal | undefined;
  /** Who judges that many rows too. */
  readonly shadow: (rows: number) => Shadowed | null;
}

export interface Judged {
  /** One for each pair. */
  readonly outcomes: readonly Outcome[];
  readonly shadowed: Shadowed | null;
}

export type RowParts = Pick<JudgeParts, 'text' | 'engine' | 'clock' | 'maxTokens'> & {
  readonly estimate: TokenEstimate;
};

/** Rejects with Problem 'queue-full', 'deadline' or 'unavailable', or the signal's reason. */
export async function judgeRows(parts: RowParts, asked: Asked): Promise<Judged> {
  if (asked.pairs.length === 0) return { outcomes: [], shadowed: null };
  const release = keepRoom(parts, asked);
  try {
    const encoded = await prepare(parts, asked);
    const shadowed = asked.shadow(encoded.filter(isEncoding).length);
    const logits = await classify(parts, encoded.filter(isEncoding), { asked, shadowed, release });
    return { outcomes: outcomesOf(encoded, logits), shadowed };
  } finally {
    release();
  }
}

function outcomesOf(encoded: readonly Encoded[], logits: readonly (Float32Array | null)[]): Outcome[] {
  const each = logits.values();
  return encoded.map((one) =>
    isEncoding(one) ? { logits: each.next().value ?? null, truncated: one.truncated } : one,
  );
}

const isEncoding = (one: Encoded): one is Encoding => 'ids' in one;

/** Until the rows are in the queue, so that no more is encoded, nor waits for its adapter, than can be judged. */
function keepRoom({ engine, estimate, maxTokens }: RowParts, { pairs, deadline }: Asked): () => void {
  const tokens = pairs.reduce((sum, pair) => sum + Math.min(maxTokens, estimate.of(charactersOf(pair))), 0);
  return engine.reserve({ pairs: pairs.length, tokens, deadline });
}

async function prepare(parts: RowParts, { pairs, deadline, signal }: Asked): Promise<readonly Encoded[]> {
  const encoded = await encode(parts, pairs, deadline, signal);
  learn(parts.estimate, pairs, encoded);
  return encoded;
}

const charactersOf = ({ premise, nli_hypothesis }: JudgePair): number => premise.length + nli_hypothesis.length;

async function encode(
  { text, clock }: RowParts,
  pairs: readonly JudgePair[],
  deadline: number,
  signal?: AbortSignal,
): Promise<Encoded[]> {
  const leftMs = deadline - clock.monotonic();
  if (leftMs <= 0) throw overdue();
  const texts = pairs.map(({ premise, nli_hypothesis }) => ({ premise, hypothesis: nli_hypothesis }));
  return inTime((ended) => text.encode(texts, ended), leftMs, overdue, signal);
}

/** Of the pairs that are encoded whole. */
function learn(estimate: TokenEstimate, pairs: readonly JudgePair[], encoded: readonly Encoded[]): void {
  let [characters, tokens] = [0, 0];
  for (const [at, one] of encoded.entries()) {
    if (!isEncoding(one) || one.truncated) continue;
    characters += charactersOf(pairs[at] as JudgePair);
    tokens += one.ids.length;
  }
  estimate.learn(characters, tokens);
}

interface Classified {
  readonly asked: Asked;
  readonly shadowed: Shadowed | null;
  /** Ends the room that is kept. */
  readonly release: () => void;
}

async function classify(
  { engine }: RowParts,
  encodings: readonly Encoding[],
  { asked: { adapter, deadline, signal }, shadowed, release: reserved }: Classified,
): Promise<(Float32Array | null)[]> {
  signal?.throwIfAborted();
  if (encodings.length === 0) return [];
  const rows = encodings.map(({ ids }) => ids);
  const also = { ...(signal && { signal }), ...(shadowed && { riders: shadowed.riders }) };
  const logits = await engine.classify(rows, { adapter: adapter?.digest ?? null, deadline, reserved, ...also });
  if (logits.length !== rows.length) throw new Error(`the engine answered ${logits.length} rows to ${rows.length}`);
  return logits;
}
