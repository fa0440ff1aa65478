/** `errata backup`, `errata restore` */
import path from 'node:path';
import type { Command } from 'commander';
import { backup, type BackupManifest } from '../../backup.js';
import { restore } from '../../restore.js';
import { readConfig } from '../environment.js';

export function register(program: Command): void {
  program
    .command('backup')
    .description('copy the database and the adapters into a new directory, also while the service writes')
    .argument('<directory>', 'made by this command')
    .action(run);
  program
    .command('restore')
    .description('put a backup into an empty data directory, every file compared with its digest')
    .argument('<directory>', 'made by errata backup')
    .action(async (from: string) => {
      const manifest = await restore(readConfig(), path.resolve(from));
      console.log(`restored ${told(manifest)}, of ${manifest.created_at}`);
    });
}

/** A backup that lacks files is kept and named, and the command fails: nobody reads the output of a nightly one. */
async function run(to: string): Promise<void> {
  const manifest = await backup(readConfig(), path.resolve(to), Date.now());
  console.log(`backed up ${told(manifest)}, to ${to}`);
  const { without_files: without } = manifest;
  if (without.length === 0) return;
  const lines = without.map(({ adapter, reason }) => `${adapter}: ${reason}`);
  throw new Error(['the backup lacks the files of adapters that were damaged before:', ...lines].join('\n'));
}

function told({ rows, files }: BackupManifest): string {
  const { predictions = 0, nli_corrections: corrections = 0, adapters = 0 } = rows;
  return `${predictions} predictions, ${corrections} corrections, ${adapters} adapters in ${files.length} files`;
}
