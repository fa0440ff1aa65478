/** How large an adapter of a base model can be. */
import type { DebertaConfig } from '../src/checkpoint/checkpoint.js';
import { LAYER_LINEARS, linearShape } from '../src/checkpoint/names.js';
import { BYTES } from '../src/tensors/dtype.js';
import { ADAPTER_LIMITS } from '../src/tensors/safetensors.js';
import { MAX_CONFIG_BYTES, MAX_RANK } from './peft-config.js';

/** Room for what a multipart body has around two files. */
const AROUND = 16 * 1024;

/** Bytes of a body that imports the largest adapter: every Linear at the largest rank, and the head, in float32. */
export function largestAdapter(base: DebertaConfig): number {
  const perLayer = LAYER_LINEARS.map((linear) => linearShape(base, linear)).reduce(
    (sum, [out, inner]) => sum + out + inner,
    0,
  );
  const head = base.id2label.length * (base.hiddenSize + 1);
  const values = base.layers * MAX_RANK * perLayer + head;
  return values * BYTES.F32 + ADAPTER_LIMITS.maxHeader + MAX_CONFIG_BYTES + AROUND;
}
