/** `errata import lyra` */
import type { Command } from 'commander';
import { importLyraInto } from '../../corrections/import-lyra.js';
import type { LyraCounts } from '../../corrections/lyra.js';
import { readConfig } from '../environment.js';

interface ImportOptions {
  readonly json?: true;
}

export function register(program: Command): void {
  const group = program.command('import').description('bring corrections in from elsewhere');
  group
    .command('lyra')
    .description('store what people corrected and confirmed in Lyra; its file is only read, and may be imported again')
    .argument('<file>', "Lyra's SQLite file")
    .option('--json', 'print the counts as JSON')
    .action(importLyra);
}

async function importLyra(file: string, { json }: ImportOptions): Promise<void> {
  const report = await importLyraInto(readConfig(), file);
  if (json) return console.log(JSON.stringify(report));
  for (const [kind, counts] of Object.entries(report)) console.log(told(kind, counts as LyraCounts));
}

function told(kind: string, { read, stored, replaced, unchanged, dropped, without_page }: LyraCounts): string {
  const reasons = Object.entries(dropped).map(([reason, count]) => `${count} ${reason.replaceAll('_', ' ')}`);
  const left = reasons.length === 0 ? '' : `; left out: ${reasons.join(', ')}`;
  const pages = without_page === 0 ? '' : `; ${without_page} without a page`;
  return `${kind}: ${read} read, ${stored} stored, ${replaced} replaced, ${unchanged} there already${left}${pages}`;
}
