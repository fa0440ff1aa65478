import t from 'tap';
import { withReplay } from '../../src/training/replay.js';

const CASES: readonly [name: string, corrections: string[], confirmations: string[], rows: string[]][] = [
  ['as many of both', ['a', 'b'], ['x', 'y'], ['a', 'b', 'x', 'y']],
  ['fewer confirmations come again in turn', ['a', 'b', 'c'], ['x', 'y'], ['a', 'b', 'c', 'x', 'y', 'x']],
  ['more confirmations are not needed', ['a'], ['x', 'y'], ['a', 'x']],
  ['no confirmation: errors only', ['a', 'b'], [], ['a', 'b']],
  ['no correction: nothing', [], ['x'], []],
];

t.test('a confirmation for each correction', async (t) => {
  for (const [name, corrections, confirmations, rows] of CASES)
    t.strictSame(withReplay(corrections, confirmations), rows, name);
});
