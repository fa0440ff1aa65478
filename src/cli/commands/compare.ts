/** `errata compare` */
import { writeFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { dataOf } from '../../../client/client.js';
import { ExitStatus, VERDICT_STATUS } from '../exit.js';
import { answer, askingCommand, connect, type ServiceOptions } from '../service.js';
import { verdictLines } from '../verdict.js';

interface CompareOptions extends ServiceOptions {
  readonly against: string;
  readonly html?: string;
}

export function register(program: Command): void {
  askingCommand(program, 'compare', 'compare an adapter with another one on the held-out reviews')
    .argument('<adapter>', 'version or id; `base` is the model without an adapter')
    .option('--against <adapter>', 'what it is compared with', 'active')
    .option('--html <file>', 'write the report as a page that stands alone')
    .addHelpText('after', `\nExit status by verdict: ${JSON.stringify(VERDICT_STATUS)}; 1 where it failed.`)
    .action(compare);
}

async function compare(adapter: string, options: CompareOptions): Promise<void> {
  const client = connect(options);
  const { id } = await dataOf(client.api.POST('/shadow-comparisons', { body: { adapter, against: options.against } }));
  const comparison = await client.waitForComparison(id);
  if (comparison.verdict === null) throw new Error(`the comparison failed: ${comparison.error}`);
  if (options.html !== undefined) {
    const page = await client.api.GET('/shadow-comparisons/{id}', {
      params: { path: { id } },
      headers: { accept: 'text/html' },
      parseAs: 'text',
    });
    await writeFile(options.html, page.data as unknown as string);
  }
  answer(options, comparison, verdictLines(comparison));
  if (comparison.verdict !== 'recommend') throw new ExitStatus(VERDICT_STATUS[comparison.verdict]);
}
