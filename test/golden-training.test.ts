import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import t, { type Test } from 'tap';
import { golden, withinLimits } from '../src/golden.js';
import { packageRoot } from '../src/package.js';

const FOLDERS = path.join(packageRoot, 'test', 'golden');
const KEYS = ['logits', 'adapter_logits', 'loss', 'gradient', 'trajectory_loss', 'final_adapter'];

for (const name of ['short-buckets', 'xsmall-shaped']) {
  t.test(`${name}: loss, gradients and a run of AdamW steps are those of transformers and PEFT`, async (t) => {
    const report = await golden(path.join(FOLDERS, name));
    t.strictSame(Object.keys(report), KEYS);
    t.ok(withinLimits(report), JSON.stringify(report));
    t.ok(Math.max(...Object.values(report)) < 5e-5, 'well within');
  });
}

interface Reference {
  gradient?: { loss: number; grads: Record<string, { data: number[] }> };
  trajectory?: { optimizer: { weight_decay: number; lr: number }; steps: { loss: number }[] };
}

/** A copy of the folder whose reference.json went through `change`. */
function changed(t: Test, change: (reference: Reference) => void): string {
  const folder = t.testdir();
  cpSync(path.join(FOLDERS, 'short-buckets'), folder, { recursive: true });
  const file = path.join(folder, 'reference.json');
  const reference = JSON.parse(readFileSync(file, 'utf8')) as Reference;
  change(reference);
  writeFileSync(file, JSON.stringify(reference));
  return folder;
}

/** One element of the tensor moved by a thousandth of its largest. */
function nudge(data: number[]): void {
  data[0] = data[0]! + 1e-3 * Math.max(...data.map(Math.abs));
}

const FAULTS: Record<string, (reference: Reference) => void> = {
  loss: ({ gradient }) => (gradient!.loss += 1e-3),
  gradient: ({ gradient }) =>
    Object.values(gradient!.grads)
      .slice(-1)
      .forEach(({ data }) => nudge(data)),
  trajectory_loss: ({ trajectory }) => (trajectory!.steps.at(-1)!.loss += 1e-2),
  final_adapter: ({ trajectory }) => (trajectory!.optimizer.weight_decay = 0.5),
};

for (const [key, fault] of Object.entries(FAULTS)) {
  t.test(`a reference with another ${key} is not met`, async (t) => {
    const report = await golden(changed(t, fault));
    t.notOk(withinLimits(report), JSON.stringify(report));
    t.ok(withinLimits({ ...report, [key]: 0, ...(key === 'final_adapter' && { trajectory_loss: 0 }) }), 'the rest is');
  });
}

t.test('only what the folder has a reference for is reported', async (t) => {
  const folder = changed(t, (reference) => delete reference.gradient);
  rmSync(path.join(folder, 'adapter-after-trajectory'), { recursive: true });
  t.strictSame(Object.keys(await golden(folder)), ['logits', 'adapter_logits', 'trajectory_loss']);
});
