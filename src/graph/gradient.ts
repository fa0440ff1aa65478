/**
 * Reverse-mode differentiation at build time: from a loss back to chosen inputs, one rule per operator, and the result
 * is more of the same graph.
 */
import { floats } from './build.js';
import { GRADIENT_RULES, type GradientRule } from './gradient-rules.js';
import type { Node, Value } from './value.js';

/**
 * d loss / d input for each of `inputs` (graph inputs, in their order); `loss` has one element. Only what lies between is
 * differentiated: nothing is made for frozen weights. Throws a TypeError for an input the loss does not depend on.
 */
export function gradients(loss: Value, inputs: readonly Value[]): Value[] {
  const wanted = new Set(inputs.map(key));
  const between = nodesBetween(loss, wanted);
  const sums = new Map<Key, Value>([
    [
      key(loss),
      floats(
        [1],
        loss.shape.map(() => 1),
      ),
    ],
  ]);
  for (const [node, y] of [...between].toReversed()) {
    ruleOf(node)(node, sums.get(node)!, y).forEach((accumulate, i) => {
      const x = node.inputs[i]!;
      if (wanted.has(key(x)) || between.has(key(x) as Node)) sums.set(key(x), accumulate(sums.get(key(x)) ?? null));
    });
  }
  return inputs.map((x) => sums.get(key(x)) ?? missing(x));
}

type Key = Node | string;

/** Nodes by identity, leaves by name. */
function key({ source }: Value): Key {
  if (source.kind !== 'node') return source.kind === 'input' || source.kind === 'weight' ? source.name : '';
  if (source.output > 0) throw new TypeError(`${source.node.op}: only the first output is differentiated`);
  return source.node;
}

/** The nodes that `loss` is made of and that depend on `wanted`, each after its inputs, with their outputs. */
function nodesBetween(loss: Value, wanted: ReadonlySet<Key>): Map<Node, Value> {
  const between = new Map<Node, Value>();
  const visited = new Map<Node, boolean>();
  const leads = (v: Value): boolean => {
    if (v.source.kind !== 'node') return wanted.has(key(v));
    const { node } = v.source;
    const known = visited.get(node);
    if (known !== undefined) return known;
    const found = differentiated(node).map(leads).includes(true);
    visited.set(node, found);
    if (found) between.set(node, v);
    return found;
  };
  leads(loss);
  return between;
}

const differentiated = (node: Node): readonly Value[] =>
  node.op === 'StraightThrough' ? node.inputs.slice(0, 1) : node.inputs;

/** The table pairs each operator with its own rule, which the type of a node picked at run time cannot show. */
const ruleOf = (node: Node): GradientRule => GRADIENT_RULES[node.op] as GradientRule;

function missing({ source }: Value): never {
  throw new TypeError(`the loss does not depend on ${source.kind === 'input' ? source.name : source.kind}`);
}
