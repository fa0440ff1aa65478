import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import t, { type Test } from 'tap';
import { type Checkpoint, openCheckpoint } from '../../src/checkpoint/checkpoint.js';
import { homeFor, MODEL, pidsOf, type Setup, trained } from './fixtures/training.js';

const HALF_NAN = 0x7e00;
const fail = (message: string) => async () => Promise.reject(new Error(message));

const FAILURES: readonly [what: string, setup: Setup, error: RegExp][] = [
  ['no tokenizer', { encode: fail('no tokenizer') }, /^no tokenizer$/],
  ['a full disk when the adapter is kept', { keepAdapter: fail('ENOSPC: no space left') }, /^ENOSPC: no space left$/],
  ['no comparison', { compare: fail('cannot compare') }, /^cannot compare$/],
];

for (const [what, setup, error] of FAILURES)
  t.test(`${what} fails the run, once, with the reason`, async (t) => {
    const { run, events } = await trained(t, setup);
    t.match(run, { state: 'failed', error, attempt: 1, ended_at: String });
    t.match(events.at(-1), { type: 'state', state: 'failed', error });
  });

/** The bundled model with a bias of its head that is no number. */
async function brokenModel(t: Test): Promise<Checkpoint> {
  const folder = path.join(homeFor(t), 'model');
  cpSync(MODEL, folder, { recursive: true });
  const { weights } = await openCheckpoint(folder);
  const file = path.join(folder, 'model.safetensors');
  const bytes = readFileSync(file);
  bytes.writeUInt16LE(HALF_NAN, weights.get('classifier.bias')?.offset);
  writeFileSync(file, bytes);
  return await openCheckpoint(folder);
}

t.test('a loss that is not finite fails the run at that step', async (t) => {
  const { run } = await trained(t, { checkpoint: await brokenModel(t) });
  t.match(run, { state: 'failed', error: /^the loss is not finite at step 1 of 6 \(learning rate/, attempt: 1 });
});

t.test('states that cannot be saved fail the run', async (t) => {
  const home = homeFor(t);
  writeFileSync(path.join(home, 'a-file'), '');
  const { run } = await trained(t, { home, directory: path.join(home, 'a-file', 'runs') });
  t.match(run, { state: 'failed', error: /ENOTDIR/ });
});

t.test('a run whose child always dies is given up after three attempts', async (t) => {
  const { run, events } = await trained(t, { recipe: { epochs: 100 } }, async (training, id) => {
    for (const attempt of [1, 2, 3]) process.kill((await pidsOf(training, id, attempt))[0] as number, 'SIGKILL');
  });
  t.match(run, { state: 'failed', attempt: 3, error: /training child ended \(SIGKILL\); given up after 3 attempts/ });
  t.equal(events.filter(({ type }) => type === 'interrupted').length, 3);
});
