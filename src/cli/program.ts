/** The command line: one file for each command under commands/, registered here one by one. */
import { Command, CommanderError } from 'commander';
import { packageVersion } from '../package.js';
import * as audit from './commands/audit.js';
import * as compare from './commands/compare.js';
import * as backup from './commands/backup.js';
import * as config from './commands/config.js';
import * as erase from './commands/erase.js';
import * as exportOut from './commands/export.js';
import * as golden from './commands/golden.js';
import * as importLearnt from './commands/import-learnt.js';
import * as importLyra from './commands/import.js';
import * as keys from './commands/keys.js';
import * as models from './commands/models.js';
import * as promote from './commands/promote.js';
import * as serve from './commands/serve.js';
import * as train from './commands/train.js';
import { ExitStatus } from './exit.js';
import { explained } from './service.js';
import { settingsHelp } from './settings.js';

/**
 * Runs one command line, without the two words `node errata`.
 * @returns the exit code: 0, 1 for a failure, 2 for a command line that says nothing sensible, or what the command says
 */
export async function runProgram(words: readonly string[]): Promise<number> {
  try {
    await createProgram().parseAsync(words, { from: 'user' });
    return 0;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    if (error instanceof ExitStatus) return error.status;
    console.error(explain(explained(error)));
    return 1;
  }
}

/** exitOverride comes first: the commands inherit it. */
function createProgram(): Command {
  const program = new Command('errata')
    .description(
      'judges whether a premise supports, refutes or leaves open a hypothesis, and learns from being corrected',
    )
    .version(packageVersion())
    .exitOverride()
    .configureOutput({ outputError: (text, write) => write(text.replace(/^error: /, 'errata: ')) })
    .showHelpAfterError('(errata --help tells more)')
    .addHelpText('after', settingsHelp());
  serve.register(program);
  for (const command of [train, compare, promote, exportOut, importLyra, importLearnt]) command.register(program);
  models.register(program);
  backup.register(program);
  erase.register(program);
  keys.register(program);
  audit.register(program);
  golden.register(program);
  config.register(program);
  return program;
}

/** Each line of the message with the program's name; where it arose only when asked for. */
function explain(error: unknown): string {
  const known = error instanceof Error ? error : new Error(String(error));
  const lines = known.message.split('\n').map((line) => `errata: ${line}`);
  const level = process.env['ERRATA_LOG_LEVEL'];
  return [...lines, ...(level === 'debug' || level === 'trace' ? [known.stack] : [])].join('\n');
}
