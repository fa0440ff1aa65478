import { mkdirSync } from 'node:fs';
import path from 'node:path';
import t from 'tap';
import { COMMANDS } from './commands.js';
import { randomOf } from './kills.js';
import { drawn, firsts, seedOf } from './points.js';

t.setTimeout(600_000);

for (const { name, once, often, kill } of COMMANDS)
  t.test(`${name}: killed at each failpoint and given again, the command does all, once`, async (t) => {
    const seed = seedOf(process.env);
    t.comment(`FAILPOINT_SEED=${seed}`);
    const home = t.testdir();
    for (const [i, target] of [...firsts([...once, ...often]), ...drawn(often, randomOf(seed))].entries()) {
      const directory = path.join(home, String(i));
      mkdirSync(directory);
      const { fired, faults } = await kill(directory, target);
      t.strictSame(faults, [], `${target.name}:${target.n}`);
      t.ok(target.n > 1 || fired, `${target.name} is met`);
    }
  });
