/** The one door to onnxruntime: a compiled graph becomes a session. Only child processes import this folder. */
import './telemetry.js';
import * as ort from 'onnxruntime-node';
import { type Bindings, evaluate } from '../graph/dims.js';
import type { CompiledGraph } from '../graph/onnx.js';

export interface Tensor {
  readonly data: Float32Array | Int32Array | Uint8Array;
  readonly shape: readonly number[];
}

export type Feeds = Readonly<Record<string, Tensor>>;

export interface SessionOptions {
  /** The folder that the graph's external data lie in. */
  readonly directory: string;
  readonly threads: number;
}

export interface Session {
  /** Runs the graph with every symbol of its shapes bound; the outputs by name. Blocks its thread while it runs. */
  run(feeds: Feeds, bindings: Bindings): Promise<Record<string, Float32Array>>;
}

export async function openSession(graph: CompiledGraph, { directory, threads }: SessionOptions): Promise<Session> {
  const session = await ort.InferenceSession.create(graph.bytes, {
    executionProviders: ['cpu'],
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    logSeverityLevel: 3,
    extra: { session: { model_external_initializers_file_folder_path: directory } },
  });
  return {
    run: async (feeds, bindings) => {
      const results = await session.run({ ...tensors(graph, feeds), ...dimsTensors(graph, bindings) });
      return Object.fromEntries(graph.outputs.map((name) => [name, results[name]!.data as Float32Array]));
    },
  };
}

function tensors(graph: CompiledGraph, feeds: Feeds): Record<string, ort.Tensor> {
  return Object.fromEntries(graph.inputs.map((name) => [name, tensor(feeds, name)]));
}

function tensor(feeds: Feeds, name: string): ort.Tensor {
  const feed = feeds[name];
  if (!feed) throw new TypeError(`graph input ${name} is not fed`);
  const { data, shape } = feed;
  if (data instanceof Uint8Array) return new ort.Tensor('uint8', data, shape);
  return data instanceof Float32Array ? new ort.Tensor('float32', data, shape) : new ort.Tensor('int32', data, shape);
}

function dimsTensors(graph: CompiledGraph, bindings: Bindings): Record<string, ort.Tensor> {
  return Object.fromEntries(
    graph.dimsFeeds.map(({ name, dims }) => {
      const sizes = BigInt64Array.from(dims.map((d) => BigInt(evaluate(d, bindings))));
      return [name, new ort.Tensor('int64', sizes, [sizes.length])];
    }),
  );
}
