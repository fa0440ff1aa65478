/** What the benchmarks make of times, and what they do about peers that are missing or die. */
import t from 'tap';
import { compared } from '../../bench/peers/compared.js';
import { Missing, requirePython } from '../../bench/peers/install.js';
import { interleaved } from '../../bench/peers/interleave.js';
import { Peer } from '../../bench/peers/peer.js';
import { curve, curveTable } from '../../bench/scaling/curve.js';

t.test('works take turns, and what they took in the warm-up is not counted', async (t) => {
  const order: string[] = [];
  const work = (name: string) => async (): Promise<number> => order.push(name);
  const times = await interleaved({ a: work('a'), b: work('b') }, 2, { warmUp: 1 });
  t.strictSame(order, ['a', 'b', 'a', 'b', 'a', 'b']);
  t.strictSame(times, { a: [3, 5], b: [4, 6] });
  order.length = 0;
  const again = await interleaved({ a: work('a'), b: work('b') }, 1, { warmUp: 0, again: 1 });
  t.strictSame(order, ['a', 'a', 'b', 'b'], 'a turn of several runs');
  t.strictSame(again, { a: [2], b: [4] }, 'the last of which counts');
});

t.test('a ratio is the median of the ratios of single rounds, not that of two medians', async (t) => {
  const { ms, times_faster } = compared({ 'Errata x': [1, 2, 10], peer: [4, 4, 10] });
  t.equal(ms['peer']!.median, 4);
  t.strictSame(times_faster, { 'Errata x': { peer: { median: 2, quartiles: [1, 4], range: [1, 4] } } });
});

t.test('the slope of a curve is the exponent of its growth', async (t) => {
  const points = [1, 10, 100, 1000].map((x) => ({ x, linear: 7 * x, square: 3 * x ** 2, root: Math.sqrt(x), flat: 5 }));
  const found = curve('x', points);
  t.strictSame(found.slopes, { linear: 1, square: 2, root: 0.5, flat: 0 });
  t.match(curveTable(found), /\| log-log slope \| 1 +\| 2 +\| 0\.5/);
});

t.test('a peer answers line by line, and one that dies says its last words', async (t) => {
  const program = `
    console.log(JSON.stringify({ versions: { it: '1' } }));
    require('readline').createInterface({ input: process.stdin }).on('line', (line) => {
      if (JSON.parse(line).model === 'fatal') throw new Error('cannot go on');
      console.log(JSON.stringify({ ms: JSON.parse(line).rows.length }));
    });`;
  const { peer, hello } = await Peer.start(process.execPath, ['-e', program]);
  t.strictSame(hello, { versions: { it: '1' } });
  t.strictSame(await peer.ask({ kind: 'tokens', model: 'fp32', rows: [[1], [2]] }), { ms: 2 });
  await t.rejects(peer.ask({ kind: 'tokens', model: 'fatal', rows: [] }), /cannot go on/);
});

t.test('a program that cannot be started is told, and so is a Python without a module', async (t) => {
  await t.rejects(Peer.start('no-such-program', ['x']), /no-such-program x has ended: .*ENOENT/);
  t.throws(() => requirePython('no-such-python', ['json']), { name: 'Missing', message: /cannot be started/ });
  t.throws(() => requirePython(process.execPath, ['no_such_module']), Missing);
});
