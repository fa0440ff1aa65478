import t from 'tap';
import { Line } from '../../src/compare/line.js';

t.test('pieces are done one after the other until none is left, and again when woken', async (t) => {
  const left = [1, 2, 3];
  const done: number[] = [];
  let [running, most] = [0, 0];
  const line = new Line(async () => {
    most = Math.max(most, ++running);
    await new Promise(setImmediate);
    running -= 1;
    const piece = left.shift();
    if (piece === undefined) return false;
    done.push(piece);
    return true;
  });
  const until = (count: number) => line.until(async () => (done.length >= count ? true : undefined));
  line.wake();
  line.wake();
  await until(3);
  left.push(4);
  line.wake();
  await until(4);
  t.same([done, most], [[1, 2, 3, 4], 1]);
  await line.close();
});

t.test('a piece that threw is tried again after a while', async () => {
  let tries = 0;
  const line = new Line(async () => {
    tries += 1;
    if (tries < 3) throw new Error('the disk is full');
    return false;
  }, 5);
  line.wake();
  await line.until(async () => (tries === 3 ? true : undefined));
  await line.close();
});

t.test('closing stops the piece under way, and tells who waits', async (t) => {
  const line = new Line((signal) => new Promise((resolve) => signal.addEventListener('abort', () => resolve(true))));
  line.wake();
  const waiting = t.rejects(
    line.until(async () => undefined),
    { code: 'unavailable' },
  );
  await line.close();
  await waiting;
  await t.rejects(
    line.until(async () => undefined),
    { code: 'unavailable' },
  );
  line.wake();
  t.equal(await line.until(async () => 'found'), 'found', 'what is there is still told');
});
