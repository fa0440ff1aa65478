/** From pairs to logits: room in the engine, text, engine. */
import type { AdapterRef } from './db/prediction-rows.js';
import { overdue } from './errors.js';
import { inTime } from './in-time.js';
import type { JudgeParts, Shadowed } from './judge-parts.js';
import type { JudgePair } from './judgement.js';
import type { Known } from './result-cache.js';
import type { Encoded, Encoding, PairTrouble } from './text/text.js';
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
  const encoded = await prepare(parts, asked);
  const encodings = encoded.filter(isEncoding);
  const shadowed = asked.shadow(encodings.length);
  const logits = (await classify(parts, encodings, asked, shadowed)).values();
  const outcomes = encoded.map((one) =>
    isEncoding(one) ? { logits: logits.next().value ?? null, truncated: one.truncated } : one,
  );
  return { outcomes, shadowed };
}

const isEncoding = (one: Encoded): one is Encoding => 'ids' in one;

/** Room in the engine is kept meanwhile, so that no more is encoded than can be judged. */
async function prepare(parts: RowParts, { pairs, deadline, signal }: Asked): Promise<readonly Encoded[]> {
  const { engine, estimate, maxTokens } = parts;
  const tokens = pairs.reduce((sum, pair) => sum + Math.min(maxTokens, estimate.of(charactersOf(pair))), 0);
  const release = engine.reserve({ pairs: pairs.length, tokens, deadline });
  try {
    const encoded = await encode(parts, pairs, deadline, signal);
    learn(estimate, pairs, encoded);
    return encoded;
  } finally {
    release();
  }
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

async function classify(
  { engine }: RowParts,
  encodings: readonly Encoding[],
  { adapter, deadline, signal }: Asked,
  shadowed: Shadowed | null,
): Promise<(Float32Array | null)[]> {
  signal?.throwIfAborted();
  if (encodings.length === 0) return [];
  const rows = encodings.map(({ ids }) => ids);
  const also = { ...(signal && { signal }), ...(shadowed && { riders: shadowed.riders }) };
  const logits = await engine.classify(rows, { adapter: adapter?.digest ?? null, deadline, ...also });
  if (logits.length !== rows.length) throw new Error(`the engine answered ${logits.length} rows to ${rows.length}`);
  return logits;
}
