/** The test of one scenario: all its failpoints, over one data directory. */
import t from 'tap';
import { randomOf } from './kills.js';
import { drawn, firsts, seedOf } from './points.js';
import { SCENARIOS } from './scenarios.js';
import { each, killAt } from './sweep.js';

/** Promised are 10 s; a machine that tests share is slower. */
const READY_MS = 20_000;

export function testScenario(wanted: string): void {
  const scenario = SCENARIOS.find(({ name }) => name === wanted);
  if (scenario === undefined) throw new Error(`there is no scenario ${wanted}`);
  const { once, often } = scenario;
  t.setTimeout(1_200_000);
  t.test(`${wanted}: killed at each failpoint, nothing that was acknowledged is lost or there twice`, async (t) => {
    const seed = seedOf(process.env);
    t.comment(`FAILPOINT_SEED=${seed}`);
    const targets = [...firsts([...once, ...often]), ...drawn(often, randomOf(seed))];
    const kills = await killAt(t.testdir(), scenario, each(targets));
    t.equal(kills.length, targets.length);
    for (const { name, n, fired, ready_ms, faults } of kills) {
      t.strictSame(faults, [], `${name}:${n}`);
      t.ok(n > 1 || fired, `${name} is met`);
      t.ok((ready_ms ?? 0) < READY_MS, `ready in time after ${name}:${n}`);
    }
  });
}
