/** A small random LoRA adapter of a checkpoint, in PEFT's form. */
import { type Adapter, parseAdapter } from '../../adapters/format.js';
import type { DebertaConfig } from '../../src/checkpoint/checkpoint.js';
import { floats, generator } from './random.js';
import { encode, type TestTensor } from './tensor-bytes.js';

const PREFIX = 'base_model.model.';
const RANK = 8;

/** Query and value adapted with values up to `size`, and a head of its own. */
export function randomAdapter(base: DebertaConfig, seed: number, size: number): Adapter {
  const random = generator(seed);
  const tensor = (shape: readonly number[]): TestTensor => ({
    shape,
    data: floats(
      random,
      shape.reduce((product, length) => product * length, 1),
      size,
    ),
  });
  const { hiddenSize: width, layers, id2label } = base;
  const tensors = new Map<string, TestTensor>();
  for (let layer = 0; layer < layers; layer++)
    for (const linear of ['query_proj', 'value_proj']) {
      const name = `${PREFIX}deberta.encoder.layer.${layer}.attention.self.${linear}`;
      tensors.set(`${name}.lora_A.weight`, tensor([RANK, width]));
      tensors.set(`${name}.lora_B.weight`, tensor([width, RANK]));
    }
  tensors.set(`${PREFIX}classifier.weight`, tensor([id2label.length, width]));
  tensors.set(`${PREFIX}classifier.bias`, tensor([id2label.length]));
  const config = {
    peft_type: 'LORA',
    task_type: 'SEQ_CLS',
    r: RANK,
    lora_alpha: 16,
    target_modules: ['query_proj', 'value_proj'],
  };
  return parseAdapter(Buffer.from(JSON.stringify(config)), encode(tensors, 'F32'), base);
}
