import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { type Checkpoint, openCheckpoint } from '../src/checkpoint/checkpoint.js';
import { type Engine, openEngine } from '../src/engine/engine.js';
import { packageRoot } from '../src/package.js';
import { openText } from '../src/text/text.js';
import { startTraining, type TrainingSetup } from '../src/training/supervisor.js';
import { adapterOf, parameterLayout, planOf } from '../src/training/parameters.js';
import { type Answer, answersOf, type Example, examplesOf, readPairs, reviewOf, SETS } from './support/reviewed.js';

const model = path.join(packageRoot, 'models', 'nli-deberta-v3-tiny');
const checkpoint = await openCheckpoint(model);
const text = await openText({ tokenizerPath: path.join(model, 'tokenizer.json'), tokenizerConfigPath: path.join(model, 'tokenizer_config.json'), maxTokens: 512 });
const engine = await openEngine(checkpoint);
const reviewed = await examplesOf(text, checkpoint, readPairs(SETS.reviewed));
const heldOut = await examplesOf(text, checkpoint, readPairs(SETS.held_out));
const general = await examplesOf(text, checkpoint, readPairs(SETS.general));
await text.close();
const base = { reviewed: await answersOf(engine, reviewed, null), heldOut: await answersOf(engine, heldOut, null), general: await answersOf(engine, general, null) };
const review = reviewOf(reviewed, base.reviewed);
const held = reviewOf(heldOut, base.heldOut);
const rightAndSure = (ex: readonly Example[], a: readonly Answer[]) => ex.filter((e, i) => a[i]!.label === e.gold && a[i]!.confidence > 0.8);
const sure = rightAndSure(reviewed, base.reviewed);
const sureHeld = rightAndSure(heldOut, base.heldOut);
console.log(sure.length, sureHeld.length);
const share = (ex: readonly Example[], a: readonly Answer[]) => ex.filter((e, i) => a[i]!.label === e.gold).length / ex.length;
console.log({ corrections: review.corrections.length, confirmations: review.confirmations.length, heldC: held.corrections.length, heldK: held.confirmations.length,
 heldKconf: reviewOf(heldOut, base.heldOut).confirmations.length, base: share(heldOut, base.heldOut), general: share(general, base.general), meanlen: reviewed.reduce((s,e)=>s+e.ids.length,0)/reviewed.length });
const nC = Number(process.argv[2]??9999);
const nK = Number(process.argv[3]??9999);
let n = 0;
for (const spec of process.argv.slice(4)) {
  const [lr, epochs, batch, rep, seeds] = spec.split(',').map(Number) as [number, number, number, number, number];
  for (let seed = 1; seed <= (seeds||1); seed++) {
  const C = review.corrections.slice(0, nC), K = sure.slice(0, nK);
  const rows = [...C, ...Array.from({ length: Math.round(rep * C.length) }, (_, i) => K[i % K.length]!)];
  const setup: TrainingSetup = { learning_rate: lr, epochs, batch_size: batch, warmup_ratio: 0.1, weight_decay: 0.01, max_grad_norm: 1, seed, r: 8, lora_alpha: 16, lora_dropout: 0.1, linears: ['attention.self.query_proj', 'attention.self.value_proj'] };
  const directory = mkdtempSync(path.join(os.tmpdir(), 'sweep-'));
  const t0 = performance.now();
  const p = startTraining({ digest: `sweep${n}`, checkpoint, setup, directory, children: 2, rows: { ids: Int32Array.from(rows.flatMap(({ ids }) => [...ids])), lengths: Int32Array.from(rows.map(({ ids }) => ids.length)), labels: Int32Array.from(rows.map(({ gold }) => gold)) } }, () => undefined);
  const out = await p.outcome;
  rmSync(directory, { recursive: true });
  if (out.kind !== 'trained') { console.log(spec, out); continue; }
  const s = (performance.now() - t0) / 1000;
  const digest = `d${n++}`;
  await engine.hold(digest, adapterOf(parameterLayout(checkpoint.config, planOf(checkpoint.config, setup)), out.parameters));
  const of = async (ex: readonly Example[]) => share(ex, await answersOf(engine, ex, digest));
  console.log(spec, 'seed', seed, 'rows', rows.length, `${s.toFixed(0)}s`, 'corr', (await of(held.corrections)).toFixed(3), 'conf', (await of(held.confirmations)).toFixed(3), 'sureconf', (await of(sureHeld)).toFixed(3), 'heldout', (await of(heldOut)).toFixed(3), 'general', (await of(general)).toFixed(3), 'train', (await of(rows)).toFixed(3));
  engine.forget(digest);
  }
}
await engine.close();
