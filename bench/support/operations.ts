/** How much arithmetic a graph's matrix products are, to set its time against what the machine can do. */
import { type Bindings, evaluate, size } from '../../src/graph/dims.js';
import type { Outputs } from '../../src/graph/onnx.js';
import { type Node, type Value, isNode } from '../../src/graph/value.js';

/**
 * Floating-point operations of one run: two for each multiplication and addition of a product (Gemm, FusedMatMul). What
 * depends on no input is computed when the session opens and does not count, nor does anything between the products.
 */
export function productOperations(outputs: Outputs, bindings: Bindings): number {
  const walk = new Walk(bindings);
  for (const output of Object.values(outputs)) walk.visit(output);
  return walk.operations;
}

class Walk {
  operations = 0;
  readonly #bindings: Bindings;
  /** Whether each node depends on an input. */
  readonly #seen = new Map<Node, boolean>();

  constructor(bindings: Bindings) {
    this.#bindings = bindings;
  }

  /** Whether `v` depends on an input. */
  visit({ source }: Value): boolean {
    if (source.kind !== 'node') return source.kind === 'input' || source.kind === 'dims';
    const known = this.#seen.get(source.node);
    return known ?? this.#enter(source.node);
  }

  #enter(node: Node): boolean {
    const varies = node.inputs.map((input) => this.visit(input)).includes(true);
    this.#seen.set(node, varies);
    if (varies) this.operations += this.#of(node);
    return varies;
  }

  #of(node: Node): number {
    const inner = innerAxis(node);
    if (inner === undefined) return 0;
    const [a] = node.inputs as [Value];
    return 2 * evaluate(size(node.outputs[0]!.shape), this.#bindings) * evaluate(a.shape.at(inner)!, this.#bindings);
  }
}

/** The axis of a product's first factor that is summed over. */
function innerAxis(node: Node): number | undefined {
  if (isNode(node, 'Gemm')) return node.attributes.transA ? 0 : 1;
  if (!isNode(node, 'FusedMatMul')) return undefined;
  const { transA, transBatchA } = node.attributes;
  if (!transA) return -1;
  return transBatchA ? 0 : -2;
}
