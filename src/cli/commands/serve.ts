/** `errata serve` */
import closeWithGrace from 'close-with-grace';
import type { Command } from 'commander';
import { serve } from '../../serve.js';
import { readConfig } from '../environment.js';

/** Within the 25 s that a stop may take. */
const CLOSE_WITHIN_MS = 22_000;

/** A native crash must end the process, not start an orderly close in a broken one. */
const FATAL = ['SIGSEGV', 'SIGBUS', 'SIGFPE', 'SIGILL', 'SIGABRT', 'SIGTRAP'] as const;

export function register(program: Command): void {
  program.command('serve', { isDefault: true }).description('answer over HTTP until told to stop').action(run);
}

async function run(): Promise<void> {
  const config = readConfig();
  const service = await serve(config);
  console.error(`errata: serving ${config.model} on ${service.url} (documentation: ${service.url}/docs)`);
  console.error('errata: no API keys: open to everybody on this machine');
  closeWithGrace({ delay: CLOSE_WITHIN_MS, skip: [...FATAL] }, async ({ err }) => {
    if (err) console.error(`errata: ${err.message}`);
    await service.close();
  });
}
