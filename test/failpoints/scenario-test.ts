/** The test of one scenario: all its failpoints, over one data directory. */
import t from 'tap';
import { randomOf } from './kills.js';
import { drawn, firsts, seedOf } from './points.js';
import { SCENARIOS } from './scenarios.js';
import { each, killAt } from './sweep.js';

export function testScenario(wanted: string): void {
  const scenario = SCENARIOS.find(({ name }) => name === wanted);
  if (scenario === undefined) throw new Error(`there is no scenario ${wanted}`);
  const { once, often } = scenario;
  t.setTimeout(1_200_000);
  t.test(`${wanted}: killed at each failpoint, nothing that was acknowledged is lost or there twice`, async (t) => {
    const seed = seedOf(process.env);
    t.comment(`FAILPOINT_SEED=${seed}`);
    const targets = [...firsts([...once, ...often]), ...drawn(often, randomOf(seed))];
    const starts: number[] = [];
    const kills = await killAt(t.testdir(), scenario, each(targets), ({ ready_ms }) => starts.push(ready_ms ?? 0));
    t.equal(kills.length, targets.length);
    for (const { name, n, fired, faults } of kills) {
      t.strictSame(faults, [], `${name}:${n}`);
      t.ok(n > 1 || fired, `${name} is met`);
    }
    t.comment(`the slowest start took work after ${Math.round(Math.max(...starts))} ms`);
  });
}
