/**
 * transformers.js as a peer (peer.ts): `node transformers-js.js NODE_MODULES_PARENT MODEL_FOLDER THREADS`, with the float32
 * and the q8 file of the folder, all graph optimisations and THREADS threads for each operator.
 */
import { createRequire } from 'node:module';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';
import type { Answer, Question } from './peer.js';

type Model = (inputs: Readonly<Record<string, unknown>>) => Promise<{ logits: { tolist(): number[][] } }>;
type Tokenizer = (
  texts: readonly string[],
  options: { text_pair: readonly string[]; padding: true; truncation: true },
) => Readonly<Record<string, unknown>>;

/** The part of the package that is used here; it is installed by the benchmark, not a dependency. */
interface Transformers {
  readonly env: { allowRemoteModels: boolean; localModelPath: string; version: string };
  readonly AutoModelForSequenceClassification: { from_pretrained(name: string, options: object): Promise<Model> };
  readonly AutoTokenizer: { from_pretrained(name: string): Promise<Tokenizer> };
  readonly Tensor: new (type: 'int64', data: BigInt64Array, dims: readonly number[]) => unknown;
}

const [installed = '', folder = '', threads = '1'] = process.argv.slice(2);

async function main(): Promise<void> {
  const resolve = createRequire(path.join(installed, 'package.json')).resolve;
  const library = (await import(pathToFileURL(resolve('@huggingface/transformers')).href)) as Transformers;
  Object.assign(library.env, { allowRemoteModels: false, localModelPath: path.dirname(folder) });
  const name = path.basename(folder);
  const session_options = { intraOpNumThreads: Number(threads), graphOptimizationLevel: 'all', logSeverityLevel: 3 };
  const open = (dtype: string): Promise<Model> =>
    library.AutoModelForSequenceClassification.from_pretrained(name, { dtype, device: 'cpu', session_options });
  const models = { fp32: await open('fp32'), q8: await open('q8') } as Readonly<Record<string, Model>>;
  const tokenizer = await library.AutoTokenizer.from_pretrained(name);
  say({ versions: { transformers_js: library.env.version } });
  for await (const line of createInterface({ input: process.stdin })) {
    const question = JSON.parse(line) as Question;
    say(await answer(question, models[question.model]!, { library, tokenizer }));
  }
}

const say = (line: object): void => void process.stdout.write(`${JSON.stringify(line)}\n`);

interface Tools {
  readonly library: Transformers;
  readonly tokenizer: Tokenizer;
}

async function answer(question: Question, model: Model, { library, tokenizer }: Tools): Promise<Answer> {
  if (question.kind === 'train') throw new Error('transformers.js does not train');
  const started = performance.now();
  const inputs = question.kind === 'tokens' ? padded(library, question.rows) : encoded(tokenizer, question.pairs);
  const { logits } = await model(inputs);
  const ms = performance.now() - started;
  return { ms, logits: logits.tolist() };
}

function encoded(tokenizer: Tokenizer, pairs: readonly (readonly [string, string])[]) {
  const text_pair = pairs.map(([, hypothesis]) => hypothesis);
  return tokenizer(
    pairs.map(([premise]) => premise),
    { text_pair, padding: true, truncation: true },
  );
}

function padded({ Tensor }: Transformers, rows: readonly (readonly number[])[]) {
  const longest = Math.max(...rows.map(({ length }) => length));
  const ids = new BigInt64Array(rows.length * longest);
  const mask = new BigInt64Array(rows.length * longest);
  rows.forEach((row, r) => {
    row.forEach((id, i) => (ids[r * longest + i] = BigInt(id)));
    mask.fill(1n, r * longest, r * longest + row.length);
  });
  const tensor = (data: BigInt64Array): unknown => new Tensor('int64', data, [rows.length, longest]);
  return { input_ids: tensor(ids), attention_mask: tensor(mask) };
}

await main();
