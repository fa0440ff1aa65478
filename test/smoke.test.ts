import t from 'tap';
import { LABELS } from '../src/labels.js';

t.test('three labels', (t) => {
  t.equal(LABELS.length, 3);
  t.end();
});
