import t from 'tap';
import { TokenEstimate } from '../../src/judge/token-estimate.js';

t.test('four characters are a token, until texts have told better', async (t) => {
  const estimate = new TokenEstimate();
  t.equal(estimate.of(0), 0);
  t.equal(estimate.of(400), 100);
  t.equal(estimate.of(1), 1, 'no text is for nothing');
  for (let i = 0; i < 100; i++) estimate.learn(1000, 1000);
  t.ok(estimate.of(1000) > 900 && estimate.of(1000) <= 1000, String(estimate.of(1000)));
  for (let i = 0; i < 1000; i++) estimate.learn(1000, 200);
  t.ok(estimate.of(1000) < 210, 'the latest count');
});
