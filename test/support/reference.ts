/**
 * DeBERTa-v2's sequence classifier in float64, written from the published formulas with plain loops over one sequence:
 * an oracle that shares no code with src/graph. The raw config.json is read here, so its interpretation is checked too.
 */
import { gelu, total } from './array.js';
import type { Tensors } from './tensor-bytes.js';

export interface RawConfig {
  readonly hidden_size: number;
  readonly num_hidden_layers: number;
  readonly num_attention_heads: number;
  readonly layer_norm_eps: number;
  readonly position_buckets?: number;
  readonly max_relative_positions?: number;
  readonly max_position_embeddings: number;
  readonly pos_att_type: string | readonly string[];
  readonly norm_rel_ebd?: string;
  readonly embedding_size?: number;
  readonly [key: string]: unknown;
}

type Matrix = number[][];

/** Logits of one sequence, without padding. */
export function referenceLogits(config: RawConfig, tensors: Tensors, ids: readonly number[]): number[] {
  const model = new Reference(config, tensors);
  let x = model.embed(ids);
  const relative = model.relativeTable();
  for (let layer = 0; layer < config.num_hidden_layers; layer++)
    x = model.layer(`deberta.encoder.layer.${layer}`, x, relative);
  const pooled = model.linear('pooler.dense', [x[0]!]).map((row) => row.map(gelu));
  return model.linear('classifier', pooled)[0]!;
}

class Reference {
  readonly #config: RawConfig;
  readonly #tensors: Tensors;

  constructor(config: RawConfig, tensors: Tensors) {
    this.#config = config;
    this.#tensors = tensors;
  }

  #vector(name: string): number[] {
    return [...this.#tensors.get(name)!.data];
  }

  #matrix(name: string): Matrix {
    const { shape, data } = this.#tensors.get(name)!;
    const [rows, columns] = shape as [number, number];
    return Array.from({ length: rows }, (_, r) => [...data.subarray(r * columns, (r + 1) * columns)]);
  }

  /** x·Wᵀ + b; b may be missing. */
  linear(module: string, x: Matrix): Matrix {
    const weight = this.#matrix(`${module}.weight`);
    const bias = this.#tensors.has(`${module}.bias`) ? this.#vector(`${module}.bias`) : [];
    return x.map((row) => weight.map((w, o) => total(row.length, (k) => row[k]! * w[k]!) + (bias[o] ?? 0)));
  }

  norm(module: string, x: Matrix): Matrix {
    const [scale, shift] = [this.#vector(`${module}.weight`), this.#vector(`${module}.bias`)];
    return x.map((row) => {
      const mean = total(row.length, (k) => row[k]!) / row.length;
      const variance = total(row.length, (k) => (row[k]! - mean) ** 2) / row.length;
      return row.map(
        (v, k) => ((v - mean) / Math.sqrt(variance + this.#config.layer_norm_eps)) * scale[k]! + shift[k]!,
      );
    });
  }

  embed(ids: readonly number[]): Matrix {
    const table = this.#matrix('deberta.embeddings.word_embeddings.weight');
    const words = ids.map((id) => table[id]!);
    const { embedding_size: width, hidden_size } = this.#config;
    const wide =
      width === undefined || width === hidden_size ? words : this.linear('deberta.embeddings.embed_proj', words);
    return this.norm('deberta.embeddings.LayerNorm', wide);
  }

  relativeTable(): Matrix {
    const table = this.#matrix('deberta.encoder.rel_embeddings.weight');
    return this.#config.norm_rel_ebd === 'layer_norm' ? this.norm('deberta.encoder.LayerNorm', table) : table;
  }

  layer(name: string, x: Matrix, relative: Matrix): Matrix {
    const context = this.#attention(`${name}.attention.self`, x, relative);
    const attended = this.norm(
      `${name}.attention.output.LayerNorm`,
      sum(this.linear(`${name}.attention.output.dense`, context), x),
    );
    const inner = this.linear(`${name}.intermediate.dense`, attended).map((row) => row.map(gelu));
    return this.norm(`${name}.output.LayerNorm`, sum(this.linear(`${name}.output.dense`, inner), attended));
  }

  #attention(name: string, x: Matrix, relative: Matrix): Matrix {
    const [q, k, v] = ['query_proj', 'key_proj', 'value_proj'].map((p) => this.linear(`${name}.${p}`, x)) as [
      Matrix,
      Matrix,
      Matrix,
    ];
    const positions = {
      query: this.linear(`${name}.query_proj`, relative),
      key: this.linear(`${name}.key_proj`, relative),
    };
    const { num_attention_heads: heads, hidden_size } = this.#config;
    const width = hidden_size / heads;
    const part = (rows: Matrix, h: number): Matrix => rows.map((row) => row.slice(h * width, (h + 1) * width));
    const outputs = Array.from({ length: heads }, (_, h) => {
      const scores = this.#scores(part(q, h), part(k, h), {
        query: part(positions.query, h),
        key: part(positions.key, h),
      });
      return scores
        .map(softmax)
        .map((p) =>
          Array.from({ length: width }, (_unused, d) => total(p.length, (j) => p[j]! * v[j]![h * width + d]!)),
        );
    });
    return x.map((_, i) => outputs.flatMap((head) => head[i]!));
  }

  #scores(q: Matrix, k: Matrix, pos: { query: Matrix; key: Matrix }): Matrix {
    const types = this.#config.pos_att_type;
    const [c2p, p2c] = [types.includes('c2p'), types.includes('p2c')];
    const divisor = Math.sqrt(q[0]!.length * (1 + Number(c2p) + Number(p2c)));
    return q.map((query, i) =>
      k.map((key, j) => {
        let score = dot(query, key);
        if (c2p) score += dot(query, pos.key[this.#row(i - j)]!);
        if (p2c) score += dot(key, pos.query[this.#row(-(j - i))]!);
        return score / divisor;
      }),
    );
  }

  #row(distance: number): number {
    const {
      position_buckets: buckets = -1,
      max_relative_positions: given = -1,
      max_position_embeddings,
    } = this.#config;
    const most = given < 1 ? max_position_embeddings : given;
    const span = buckets > 0 ? buckets : most;
    const bucket = buckets > 0 ? logBuckets([distance], buckets, most)[0]! : distance;
    return Math.min(Math.max(bucket + span, 0), 2 * span - 1);
  }
}

const dot = (a: readonly number[], b: readonly number[]): number => total(a.length, (k) => a[k]! * b[k]!);
const sum = (a: Matrix, b: Matrix): Matrix => a.map((row, i) => row.map((value, k) => value + b[i]![k]!));

function softmax(row: readonly number[]): number[] {
  const top = Math.max(...row);
  const powers = row.map((value) => Math.exp(value - top));
  const whole = total(powers.length, (k) => powers[k]!);
  return powers.map((power) => power / whole);
}

/** make_log_bucket_position on tensors of float32, step by step as the reference takes them. */
export function logBuckets(distances: readonly number[], buckets: number, maxPosition: number): number[] {
  const mid = Math.floor(buckets / 2);
  const inside = distances.map((d) => (d < mid && d > -mid ? mid - 1 : Math.abs(d)));
  const logs = Float32Array.from(
    Float32Array.from(inside, (d) => d / mid),
    Math.log,
  );
  const [span] = Float32Array.of(Math.log(Math.fround((maxPosition - 1) / mid)));
  const scaled = Float32Array.from(
    Float32Array.from(logs, (log) => log / span!),
    (ratio) => ratio * (mid - 1),
  );
  return distances.map((d, i) => (inside[i]! <= mid ? d : Math.sign(d) * (Math.ceil(scaled[i]!) + mid)));
}
