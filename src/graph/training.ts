/**
 * The gradient graph: the forward graph under an adapter, a loss, and its gradient by what is trained, as one ONNX
 * graph whose inputs are the batch, the adapter and the dropout masks.
 */
import type { Checkpoint } from '../checkpoint/checkpoint.js';
import { LAYER_LINEARS, type LayerLinear, linearShape, layerModule } from '../checkpoint/names.js';
import { type AdapterShape, HEAD_BIAS, HEAD_WEIGHT, loraInput } from './adapter-shape.js';
import type { DropoutRows } from './branches.js';
import { input, logSoftmax, multiply, reduceSum, reshape, times } from './build.js';
import { forward } from './deberta.js';
import { type Shape, mul } from './dims.js';
import { gradients } from './gradient.js';
import type { Linears } from './linears.js';
import type { Outputs } from './onnx.js';
import type { Value } from './value.js';

/** float32 [B, labels]: each row's label distribution times the row's weight in the loss. */
export const TARGETS = 'targets';
export const LOSS = 'loss';
export const gradientOutput = (adapterInput: string): string => `gradient.${adapterInput}`;

export interface AdaptedModule {
  readonly layer: number;
  readonly linear: LayerLinear;
}

/** A mask the graph multiplies a LoRA branch's input by: an input of the graph, [rows, width]. */
export interface DropoutMask {
  readonly name: string;
  /** Different for every mask of the model. */
  readonly id: number;
  readonly rows: DropoutRows;
  readonly shape: Shape;
}

export interface TrainingGraph {
  readonly outputs: Outputs;
  readonly masks: readonly DropoutMask[];
}

export interface TrainingShape {
  readonly adapter: AdapterShape & { readonly bank: false };
  /** The modules whose A and B are trained; the head always is. */
  readonly modules: readonly AdaptedModule[];
  /** With masks on the LoRA branches' inputs. */
  readonly dropout: boolean;
  /** Of the frozen Linears; float32 by default. */
  readonly linears?: Linears;
}

/** The lowest layer that is trained; below it the graph neither computes nor differentiates, it is fed `hidden_states`. */
export const lowestLayer = (modules: readonly AdaptedModule[]): number =>
  Math.min(...modules.map(({ layer }) => layer));

/**
 * Outputs: `loss`, the sum over the rows of the cross-entropy of `targets` and the logits, [1]; and
 * `gradient.<adapter input>` for A and B of every module and for the head.
 */
export function trainingGraph(
  checkpoint: Checkpoint,
  { adapter, modules, dropout, linears }: TrainingShape,
): TrainingGraph {
  const masks: DropoutMask[] = [];
  const trained = new Set(modules.map(({ layer, linear }) => layerModule(layer, linear)));
  const masked = (layer: number, linear: LayerLinear, x: Value, rows: DropoutRows): Value => {
    if (!trained.has(layerModule(layer, linear))) return x;
    const mask = dropoutMask(layer, linear, x, rows);
    masks.push(mask);
    return multiply(x, input(mask.name, 'float32', mask.shape));
  };
  const { logits } = forward(checkpoint, adapter, {
    ...(dropout && { dropout: masked }),
    ...(linears && { linears }),
    from: lowestLayer(modules),
  });
  const loss = crossEntropy(logits);
  const inputs = adapterInputs(checkpoint, adapter, modules);
  const slopes = gradients(
    loss,
    inputs.map(([name, dims]) => input(name, 'float32', dims)),
  );
  const outputs = inputs.map(([name], i) => [gradientOutput(name), slopes[i]!] as const);
  return { outputs: { [LOSS]: loss, ...Object.fromEntries(outputs) }, masks };
}

/** -Σ targets · log softmax(logits) over all rows, [1]. */
function crossEntropy(logits: Value): Value {
  const targets = input(TARGETS, 'float32', logits.shape);
  const products = multiply(logSoftmax(logits), targets);
  return times(reduceSum(reshape(products, mul(...logits.shape), 1), 0), -1);
}

function dropoutMask(layer: number, linear: LayerLinear, x: Value, rows: DropoutRows): DropoutMask {
  const shared = rows !== 'tokens';
  const name = `${layerModule(layer, linear)}.dropout${shared ? '.relative' : ''}`;
  const id = 2 * (LAYER_LINEARS.length * layer + LAYER_LINEARS.indexOf(linear)) + Number(shared);
  return { name, id, rows, shape: x.shape };
}

type NamedShape = readonly [string, readonly number[]];

function adapterInputs(
  { config }: Checkpoint,
  { rank }: AdapterShape,
  modules: readonly AdaptedModule[],
): NamedShape[] {
  const lora = modules.flatMap(({ layer, linear }): NamedShape[] => {
    const [out, inner] = linearShape(config, linear);
    const module = layerModule(layer, linear);
    return [
      [loraInput(module, 'A'), [rank, inner]],
      [loraInput(module, 'B'), [out, rank]],
    ];
  });
  const labels = config.id2label.length;
  return [...lora, [HEAD_WEIGHT, [labels, config.hiddenSize]], [HEAD_BIAS, [labels]]];
}
