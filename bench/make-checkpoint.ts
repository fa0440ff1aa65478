/** Makes a checkpoint of DeBERTa-v3-xsmall's shape with random weights: as heavy as the real one, and nobody's. */
import { cp, mkdir, open, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { expectedShapes } from '../src/checkpoint/names.js';
import { parseConfig } from '../src/checkpoint/config.js';

export const XSMALL = {
  architectures: ['DebertaV2ForSequenceClassification'],
  model_type: 'deberta-v2',
  hidden_size: 384,
  num_hidden_layers: 12,
  num_attention_heads: 6,
  intermediate_size: 1536,
  vocab_size: 128100,
  type_vocab_size: 0,
  position_biased_input: false,
  relative_attention: true,
  pos_att_type: ['p2c', 'c2p'],
  share_att_key: true,
  norm_rel_ebd: 'layer_norm',
  max_relative_positions: -1,
  position_buckets: 256,
  max_position_embeddings: 512,
  layer_norm_eps: 1e-7,
  hidden_act: 'gelu',
  pooler_hidden_act: 'gelu',
  pad_token_id: 0,
  id2label: { 0: 'contradiction', 1: 'entailment', 2: 'neutral' },
};

const DEVIATION = 0.02;

/** Writes config.json, model.safetensors (float32) and the tokenizer of `tokenizerFolder` into `folder`. */
export async function makeCheckpoint(folder: string, tokenizerFolder: string, config: object = XSMALL): Promise<void> {
  await mkdir(folder, { recursive: true });
  const json = JSON.stringify(config, null, 2);
  await writeFile(path.join(folder, 'config.json'), json);
  for (const file of ['tokenizer.json', 'tokenizer_config.json'])
    await cp(path.join(tokenizerFolder, file), path.join(folder, file));
  await writeWeights(path.join(folder, 'model.safetensors'), [...expectedShapes(parseConfig(Buffer.from(json)))]);
}

async function writeWeights(file: string, shapes: readonly (readonly [string, readonly number[]])[]): Promise<void> {
  let end = 0;
  const entries = shapes.map(([name, shape]) => {
    const data_offsets = [end, (end += 4 * count(shape))];
    return [name, { dtype: 'F32', shape, data_offsets }];
  });
  const header = Buffer.from(JSON.stringify(Object.fromEntries(entries)));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  const handle = await open(file, 'w');
  await handle.writev([length, header]);
  const random = generator(1);
  for (const [name, shape] of shapes) await handle.write(tensorBytes(name, count(shape), random));
  await handle.close();
}

const count = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

function tensorBytes(name: string, length: number, random: () => number): Uint8Array {
  const offset = name.endsWith('LayerNorm.weight') ? 1 : 0;
  const data = new Float32Array(length);
  for (let i = 0; i < length; i++) data[i] = offset + DEVIATION * Math.sqrt(12) * (random() - 0.5);
  return new Uint8Array(data.buffer);
}

/** mulberry32 (public domain, Tommy Ettinger): uniform in [0, 1). */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
