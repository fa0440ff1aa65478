import { copyFileSync, readdirSync, statSync, truncateSync, unlinkSync } from 'node:fs';
import path from 'node:path';
import t from 'tap';
import type { Position } from '../../src/training/loop.js';
import { decodeState, encodeState, loadState, pruneStates, saveState } from '../../src/training/saved-state.js';

const position = (epoch: number): Position => ({
  epoch,
  parameters: Float32Array.of(epoch, 0.1, -0),
  optimizer: { step: 3 * epoch, first: Float32Array.of(1e-8, 2, 3), second: Float32Array.of(4, 5, 1e-38) },
});

t.test('the newest state that counts is read as it was saved, and an older one is kept', async (t) => {
  const directory = t.testdir();
  t.equal(await loadState(directory, 'job', 3, []), null);
  const saved = [];
  for (const epoch of [8, 9, 10, 11]) saved.unshift(await saveState(directory, 'job', position(epoch)));
  const counting = saved.slice(1);
  t.strictSame(await loadState(directory, 'job', 3, counting), position(10));
  await pruneStates(directory, 10);
  t.strictSame(readdirSync(directory).sort(), ['epoch-10.state', 'epoch-11.state', 'epoch-9.state']);
});

t.test('a state that is damaged, gone or not the one that counts is passed over', async (t) => {
  for (const spoil of [
    (file: string) => truncateSync(file, statSync(file).size - 1),
    (file: string) => unlinkSync(file),
    (file: string) => copyFileSync(file.replace('-2', '-1'), file),
  ]) {
    const directory = t.testdir();
    const saved = [];
    for (const epoch of [1, 2]) saved.unshift(await saveState(directory, 'job', position(epoch)));
    spoil(path.join(directory, 'epoch-2.state'));
    t.strictSame(await loadState(directory, 'job', 3, saved), position(1));
  }
});

t.test('no byte can be changed or missing, and another job or size has no state', async (t) => {
  const bytes = Buffer.from(encodeState('job', position(5)).file);
  t.strictSame(decodeState(bytes, 'job', 3), position(5));
  t.equal(decodeState(bytes, 'other', 3), null);
  t.equal(decodeState(bytes, 'job', 4), null);
  const body = bytes.indexOf('\n') + 1;
  for (let i = body; i < bytes.length; i++) {
    const changed = Buffer.from(bytes);
    changed[i]! ^= 1;
    t.equal(decodeState(changed, 'job', 3), null, `byte ${i}`);
  }
  for (const length of [0, 1, body - 1, body, bytes.length - 1])
    t.equal(decodeState(bytes.subarray(0, length), 'job', 3), null, `${length} bytes`);
  for (const text of ['null\n', '{}\n', 'x\n', '\n', '[1]\n']) t.equal(decodeState(Buffer.from(text), 'job', 3), null);
});
