/** `errata config`: what the service would run with. */
import type { Command } from 'commander';
import { readConfig } from '../environment.js';
import { envExample } from '../settings.js';

export function register(program: Command): void {
  program
    .command('config')
    .description('check the environment variables and print what they amount to, as JSON')
    .option('--example', 'print .env.example instead')
    .action((options: { readonly example?: true }) => {
      if (options.example) process.stdout.write(envExample());
      else console.log(JSON.stringify(readConfig(), null, 2));
    });
}
