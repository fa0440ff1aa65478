import t from 'tap';
import { COMMANDS } from './commands.js';
import { randomOf } from './kills.js';
import { drawn, firsts, seedOf } from './points.js';

t.setTimeout(1_200_000);

for (const { name, once, often, prepare, kill } of COMMANDS)
  t.test(`${name}: killed at each failpoint and given again, the command does all, once`, async (t) => {
    const seed = seedOf(process.env);
    t.comment(`FAILPOINT_SEED=${seed}`);
    const home = t.testdir();
    await prepare(home);
    for (const target of [...firsts([...once, ...often]), ...drawn(often, randomOf(seed))]) {
      const { fired, faults } = await kill(home, target);
      t.strictSame(faults, [], `${target.name}:${target.n}`);
      t.ok(target.n > 1 || fired, `${target.name} is met`);
    }
  });
