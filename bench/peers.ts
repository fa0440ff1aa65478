/**
 * `npm run -s bench:peers -- --json`: Errata beside what a user could run instead, on one machine in one run, each in turn:
 * transformers.js (installed into a temporary folder), and where a Python has them PyTorch with transformers, PEFT and
 * Python's onnxruntime. Prints JSON; without --json the block of docs/performance.md. `--python PATH` names the Python;
 * bench/peers/debian-python.sh makes one.
 */
import { parseArgs } from 'node:util';
import { type Checkpoint, openCheckpoint } from '../src/checkpoint/checkpoint.js';
import { openText } from '../src/text/text.js';
import { idsOf, tokenizerOf } from './peers/contenders.js';
import { type Field, openField } from './peers/open.js';
import { compared, comparedAll } from './peers/compared.js';
import { type PeersReport, page } from './peers/page.js';
import { differences, mixedTextTimes, mixedTokenTimes, pairTimes, shapeTimes } from './peers/sections.js';
import { trainingTimes } from './peers/training.js';
import { benchCheckpoint } from './support/checkpoint.js';
import { openGemm, openGemmInt8, peakOf } from './support/gemm.js';
import { machine } from './support/machine.js';
import { SETS, readPairs } from './support/reviewed.js';
import { rounded } from './support/statistics.js';

const { values } = parseArgs({
  options: { json: { type: 'boolean' }, python: { type: 'string', default: 'python3' } },
});
const ROUNDS = 9;
const MIXED_ROUNDS = 3;
const MIXED_PAIRS = 96;
const TRAINING_ROUNDS = 5;

async function measure(): Promise<PeersReport> {
  const folder = await benchCheckpoint();
  const checkpoint = await openCheckpoint(folder);
  const peaks = [await peaksNow()];
  const field = await openField(checkpoint, folder, values.python);
  const inference = await inferenceFigures(field, checkpoint);
  await Promise.all(field.errata.map((one) => one.close()));
  peaks.push(await peaksNow());
  const { times, whole_run_seconds } = await trainingTimes(checkpoint, field.trainer, TRAINING_ROUNDS);
  await Promise.all(field.peers.map((one) => one.close()));
  peaks.push(await peaksNow());
  const { versions, skipped, onnx } = field;
  return {
    machine: { ...machine(), ...bestOf(peaks) },
    versions,
    skipped,
    onnx_files: onnx,
    inference,
    training: { steps: comparedAll(times), whole_run_seconds },
  };
}

async function inferenceFigures({ errata, peers }: Field, { config, directory }: Checkpoint) {
  const all = [...errata, ...peers];
  const text = await openText(tokenizerOf(directory));
  const pairs = readPairs(SETS.reviewed).slice(0, MIXED_PAIRS);
  const rows = await idsOf(text, pairs);
  await text.close();
  return {
    logits_differ_by: await differences(all, config.vocabSize),
    shapes: comparedAll(await shapeTimes(all, config.vocabSize, ROUNDS)),
    one_pair_of_texts_64_tokens: compared(await pairTimes(all, ROUNDS)),
    mixed: {
      pairs: rows.length,
      tokens: compared(await mixedTokenTimes(all, rows, MIXED_ROUNDS)),
      texts: compared(await mixedTextTimes(all, pairs, MIXED_ROUNDS)),
    },
  };
}

async function peaksNow() {
  return { fp32: await peakOf(await openGemm()), int8: await peakOf(await openGemmInt8()) };
}

/** Of one large product, the best of the run. */
function bestOf(peaks: readonly { fp32: number; int8: number }[]) {
  const best = (of: 'fp32' | 'int8'): number => rounded(Math.max(...peaks.map((peak) => peak[of])), 0);
  return { gemm_fp32_gflops: best('fp32'), gemm_int8_gops: best('int8') };
}

const report = await measure();
console.log(values.json ? JSON.stringify(report) : page(report));
