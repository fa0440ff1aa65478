import t from 'tap';
import { killUnderLoad, randomOf } from './kills.js';
import { seedOf } from './points.js';

const KILLS = 20;
t.setTimeout(1_200_000);

t.test(
  'killed 20 times under reviews, judgements and promotions: all that was acknowledged is there, once',
  async (t) => {
    const seed = seedOf(process.env);
    t.comment(`FAILPOINT_SEED=${seed}`);
    const lives = await killUnderLoad(t.testdir(), KILLS, randomOf(seed));
    t.equal(lives.length, KILLS + 1);
    for (const [i, { faults, ready_ms }] of lives.entries()) {
      t.strictSame(faults, [], `start ${i + 1}`);
      t.ok(ready_ms !== null, 'it became ready');
    }
  },
);
