import t from 'tap';
import { signsOfLife } from '../../src/training/signs.js';

t.test('signs of life stop when nothing has moved for long, and come back when something does', async (t) => {
  let now = 1000;
  const signs = signsOfLife(100, () => now);
  t.ok(signs.alive(), 'at the start');
  now += 99;
  t.ok(signs.alive(), 'a long step');
  now += 1;
  t.notOk(signs.alive(), 'too long a step');
  signs.moved();
  t.ok(signs.alive(), 'it went on');
  now += 100;
  t.notOk(signs.alive());
});
