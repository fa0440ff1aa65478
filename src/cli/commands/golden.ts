/** `errata golden` */
import type { Command } from 'commander';
import { GOLDEN_LIMITS, golden, withinLimits } from '../../golden.js';

export function register(program: Command): void {
  program
    .command('golden')
    .description('compare a folder of references (checkpoint/, adapter/, reference.json) with what Errata computes')
    .argument('<directory>')
    .addHelpText(
      'after',
      `\nPrints the largest absolute differences; exit status 1 beyond ${JSON.stringify(GOLDEN_LIMITS)}.`,
    )
    .action(run);
}

async function run(directory: string): Promise<void> {
  const report = await golden(directory);
  console.log(JSON.stringify(report));
  if (!withinLimits(report)) throw new Error('a difference is beyond its limit');
}
