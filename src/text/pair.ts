/** Two texts to `[CLS] premise [SEP] hypothesis [SEP]`, with the limits on both. Pure. */
import type { Encoded, PairTexts, PairTrouble } from './types.js';
import type { Tokenizer } from './tokenizer.js';

export interface Limits {
  /** Tokens of a pair, [CLS] and both [SEP] included. */
  readonly maxTokens: number;
  /** Unicode characters of one text, as given. */
  readonly maxCharacters: number;
}

type Side = 'premise' | 'hypothesis';

/** A premise cut shorter than this says too little to judge by; a hypothesis that asks for it is refused instead. */
export const PREMISE_MINIMUM = 32;
/** [CLS], [SEP], [SEP]. */
export const SPECIAL_TOKENS = 3;

const SURROGATE_PAIR = /[\ud800-\udbff][\udc00-\udfff]/g;
/** Something a reader would see: not white space, nor a control, format or otherwise ignorable character. */
const VISIBLE = /[^\p{White_Space}\p{Cc}\p{Cf}\p{Default_Ignorable_Code_Point}\u2581]/u;

function countCharacters(text: string): number {
  return text.length - (text.match(SURROGATE_PAIR)?.length ?? 0);
}

function checkLength(side: Side, text: string, limit: number): PairTrouble | null {
  const length = text.length > limit ? countCharacters(text) : 0;
  if (length <= limit) return null;
  return { code: `${side}-too-long`, detail: `the ${side} has ${length} characters; the limit is ${limit}` };
}

function emptyTrouble(side: Side): PairTrouble {
  return { code: `${side}-empty`, detail: `the ${side} has no visible character` };
}

function noRoom(left: number, maxTokens: number): PairTrouble {
  const room = `leaves ${Math.max(0, left)} of ${maxTokens} tokens for the premise`;
  return { code: 'hypothesis-too-long', detail: `the hypothesis ${room}, which needs ${PREMISE_MINIMUM}` };
}

/** Int32Array [3 + premise + hypothesis]. */
function assemble(tokenizer: Tokenizer, premise: readonly number[], hypothesis: readonly number[]): Int32Array {
  const { clsId, sepId } = tokenizer;
  const ids = new Int32Array(SPECIAL_TOKENS + premise.length + hypothesis.length);
  ids[0] = clsId;
  ids.set(premise, 1);
  ids[premise.length + 1] = sepId;
  ids.set(hypothesis, premise.length + 2);
  ids[ids.length - 1] = sepId;
  return ids;
}

function fit(tokenizer: Tokenizer, premise: string, hypothesis: string, maxTokens: number): Encoded {
  const second = tokenizer.encode(hypothesis, maxTokens);
  const room = maxTokens - SPECIAL_TOKENS - second.length;
  if (room < 1) return noRoom(room, maxTokens);
  const first = tokenizer.encode(premise, room);
  const truncated = first.length > room;
  if (truncated && room < PREMISE_MINIMUM) return noRoom(room, maxTokens);
  return { truncated, ids: assemble(tokenizer, truncated ? first.slice(0, room) : first, second) };
}

/**
 * Encodes one pair. Only the premise's end is ever cut; a hypothesis that leaves fewer than 32 tokens for a premise
 * that needs them is the pair's trouble, and so is a text that is too long or in which nothing is visible.
 */
export function encodePair(tokenizer: Tokenizer, pair: PairTexts, limits: Limits): Encoded {
  const tooLong =
    checkLength('premise', pair.premise, limits.maxCharacters) ??
    checkLength('hypothesis', pair.hypothesis, limits.maxCharacters);
  if (tooLong !== null) return tooLong;
  const premise = tokenizer.normalize(pair.premise);
  if (!VISIBLE.test(premise)) return emptyTrouble('premise');
  const hypothesis = tokenizer.normalize(pair.hypothesis);
  if (!VISIBLE.test(hypothesis)) return emptyTrouble('hypothesis');
  return fit(tokenizer, premise, hypothesis, limits.maxTokens);
}
