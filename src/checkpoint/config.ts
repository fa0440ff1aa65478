/**
 * A checkpoint's config.json, read for what the forward graph needs
 * (keys: transformers, models/deberta_v2/configuration_deberta_v2.py). What would change the answer and is not
 * supported is refused by name.
 */
import { parseStrictJson, shown } from '../tensors/json.js';

export interface DebertaConfig {
  readonly hiddenSize: number;
  readonly embeddingSize: number;
  readonly layers: number;
  readonly heads: number;
  readonly headSize: number;
  readonly intermediateSize: number;
  readonly vocabSize: number;
  /** Rows of rel_embeddings on each side of distance 0. */
  readonly relativeSpan: number;
  /** 0 where distances are clamped, not bucketed. */
  readonly positionBuckets: number;
  readonly maxRelativePositions: number;
  readonly maxPositions: number;
  readonly c2p: boolean;
  readonly p2c: boolean;
  readonly normaliseRelative: boolean;
  readonly layerNormEpsilon: number;
  readonly padTokenId: number;
  readonly id2label: readonly string[];
}

/** A checkpoint that cannot be served: the message names the file and the key. */
export class CheckpointError extends Error {
  override readonly name = 'CheckpointError';
}

const fail = (reason: string): CheckpointError => new CheckpointError(`config.json: ${reason}`);

type Json = ReadonlyMap<string, unknown>;

/** Keys that change the forward pass: the values that are supported, the absent key included where it has a default. */
const REQUIRED: Readonly<Record<string, readonly unknown[]>> = {
  model_type: ['deberta-v2'],
  relative_attention: [true],
  share_att_key: [true],
  position_biased_input: [false],
  hidden_act: ['gelu', undefined],
  pooler_hidden_act: ['gelu', undefined],
  type_vocab_size: [0, undefined],
  conv_kernel_size: [0, undefined, null],
  norm_rel_ebd: ['layer_norm', 'none', undefined],
  problem_type: [undefined, null, 'single_label_classification'],
  quantization_config: [undefined, null],
  z_steps: [0, undefined, null],
};

/** More would be a mistake, and a list of names as long as the mistake. */
const MAX_LABELS = 10_000;

/** Parses and checks config.json; throws CheckpointError naming the key and what is supported. */
export function parseConfig(bytes: Uint8Array): DebertaConfig {
  const json = parseStrictJson(bytes, (reason) => fail(`is not valid JSON: ${reason}`));
  if (!(json instanceof Map)) throw fail('is not a JSON object');
  for (const [key, values] of Object.entries(REQUIRED)) requireOneOf(json, key, values);
  return Object.freeze({ ...sizes(json), ...positions(json), id2label: labels(json) });
}

function requireOneOf(json: Json, key: string, values: readonly unknown[]): void {
  const value = json.get(key);
  if (values.includes(value)) return;
  const supported = values.filter((v) => v !== undefined && v !== null).map(shown);
  throw fail(`${key} is ${shown(value)}; supported: ${supported.join(', ') || 'not set'}`);
}

function integer(json: Json, key: string, fallback?: number, least = 1): number {
  const value = json.get(key) ?? fallback;
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= least && value < 2 ** 31) return value;
  throw fail(`${key} is ${shown(value)}; an integer of at least ${least} is needed`);
}

/** The id that fills up shorter rows must be in the table of embeddings. */
function paddingId(json: Json): number {
  const id = integer(json, 'pad_token_id', 0, 0);
  if (id < integer(json, 'vocab_size')) return id;
  throw fail(`pad_token_id is ${id}; vocab_size is ${shown(json.get('vocab_size'))}`);
}

function sizes(json: Json) {
  const hiddenSize = integer(json, 'hidden_size');
  const heads = integer(json, 'num_attention_heads');
  const headSize = integer(json, 'attention_head_size', hiddenSize / heads);
  if (integer(json, 'pooler_hidden_size', hiddenSize) !== hiddenSize)
    throw fail('pooler_hidden_size differs from hidden_size');
  if (headSize * heads !== hiddenSize) throw fail('attention_head_size × num_attention_heads differs from hidden_size');
  return {
    hiddenSize,
    heads,
    headSize,
    embeddingSize: integer(json, 'embedding_size', hiddenSize),
    layers: integer(json, 'num_hidden_layers'),
    intermediateSize: integer(json, 'intermediate_size'),
    vocabSize: integer(json, 'vocab_size'),
    padTokenId: paddingId(json),
    layerNormEpsilon: epsilon(json),
  };
}

function positions(json: Json) {
  const maxPositions = integer(json, 'max_position_embeddings', 512);
  const given = integer(json, 'max_relative_positions', -1, -1);
  const maxRelativePositions = given < 1 ? maxPositions : given;
  const positionBuckets = buckets(json, maxRelativePositions);
  const attention = attentionTypes(json.get('pos_att_type'));
  return {
    maxPositions,
    maxRelativePositions,
    positionBuckets,
    relativeSpan: positionBuckets > 0 ? positionBuckets : maxRelativePositions,
    c2p: attention.includes('c2p'),
    p2c: attention.includes('p2c'),
    normaliseRelative: (json.get('norm_rel_ebd') ?? 'none') === 'layer_norm',
  };
}

/** The logarithm of the bucket formula needs distances on both sides of half the buckets. */
function buckets(json: Json, maxRelativePositions: number): number {
  const count = Math.max(0, integer(json, 'position_buckets', -1, -1));
  const middle = Math.floor(count / 2);
  if (count === 0 || (middle > 0 && maxRelativePositions - 1 > middle)) return count;
  throw fail(
    `position_buckets is ${count}; at least 2 and less than twice the ${maxRelativePositions} positions are needed`,
  );
}

function epsilon(json: Json): number {
  const value = json.get('layer_norm_eps') ?? 1e-7;
  if (typeof value === 'number' && value > 0 && value < 1) return value;
  throw fail(`layer_norm_eps is ${shown(value)}; a number between 0 and 1 is needed`);
}

function attentionTypes(value: unknown): readonly string[] {
  const list: unknown = typeof value === 'string' ? value.split('|').map((v) => v.trim().toLowerCase()) : (value ?? []);
  const known = Array.isArray(list) && list.every((v) => v === 'c2p' || v === 'p2c');
  if (!known || list.length === 0) throw fail(`pos_att_type is ${shown(value)}; supported: c2p, p2c or both`);
  return list;
}

/** transformers' defaults apply: without id2label there are num_labels (2) of them, named LABEL_0, LABEL_1 … */
function labels(json: Json): readonly string[] {
  const map = json.get('id2label');
  const count = map instanceof Map ? map.size : integer(json, 'num_labels', 2);
  if (count < 1 || count > MAX_LABELS) throw fail(`there are ${count} labels; 1 to ${MAX_LABELS} are supported`);
  if (map === undefined) return Array.from({ length: count }, (_, i) => `LABEL_${i}`);
  if (!(map instanceof Map)) throw fail('id2label is not an object');
  return Array.from({ length: count }, (_, i) => {
    const label: unknown = map.get(String(i));
    if (typeof label !== 'string') throw fail(`id2label has no text for "${i}"`);
    return label;
  });
}
