/** `errata serve` */
import closeWithGrace from 'close-with-grace';
import type { Command } from 'commander';
import { readConfig } from '../environment.js';

/** Within the 25 s that a stop may take. */
const CLOSE_WITHIN_MS = 22_000;

/** A native crash must end the process, not start an orderly close in a broken one. */
const FATAL = ['SIGSEGV', 'SIGBUS', 'SIGFPE', 'SIGILL', 'SIGABRT', 'SIGTRAP'] as const;

const OPEN_TO_ALL = [
  'warning: there are no API keys: this service is OPEN to every user and program of this machine, for every act',
  'warning: errata keys create admin|operator|reviewer|upstream closes it',
];

export function register(program: Command): void {
  program.command('serve', { isDefault: true }).description('answer over HTTP until told to stop').action(run);
}

async function run(): Promise<void> {
  const config = readConfig();
  // The whole service is most of what there is to load, and no other command needs it.
  const { serve } = await import('../../serve.js');
  const service = await serve(config);
  // Before it is told that it serves: whoever reads that may end it at once.
  closeWithGrace({ delay: CLOSE_WITHIN_MS, skip: [...FATAL] }, async ({ err }) => {
    if (err) console.error(`errata: ${err.message}`);
    await service.close();
  });
  console.error(`errata: serving ${config.model} on ${service.url} (documentation: ${service.url}/docs)`);
  if (service.open) for (const line of OPEN_TO_ALL) console.error(`errata: ${line}`);
}
