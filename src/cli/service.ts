/** What the commands share that ask a running service: where it is, and how they answer. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { createClient, type ErrataClient, ErrataError, ErrataUnreachable } from '../../client/client.js';
import { httpUrl, Unexpected } from '../config-values.js';

export interface ServiceOptions {
  readonly url: string;
  readonly json?: true;
}

const DEFAULT_URL = 'http://127.0.0.1:8100';

/** A command of its own or of a group, with --url and --json. */
export function askingCommand(parent: Command, name: string, description: string): Command {
  return parent
    .command(name)
    .description(description)
    .addOption(
      new Option('--url <url>', 'address of the service')
        .env('ERRATA_URL')
        .argParser(serviceAddress)
        .default(DEFAULT_URL),
    )
    .option('--json', 'print the answer as JSON');
}

/** The group of that name, made at first need: several files add commands to one. */
export function group(program: Command, name: string, description: string): Command {
  return program.commands.find((command) => command.name() === name) ?? program.command(name).description(description);
}

export function connect({ url }: ServiceOptions): ErrataClient {
  const apiKey = process.env['ERRATA_API_KEY'];
  return createClient({ baseUrl: url, ...(apiKey ? { apiKey } : {}) });
}

/** Prints the answer for programs, or for people. */
export function answer({ json }: ServiceOptions, value: unknown, lines: readonly string[]): void {
  console.log(json ? JSON.stringify(value) : lines.join('\n'));
}

/** A problem as one message: where it points, beside its detail; of no answer, how to ask elsewhere. */
export function explained(error: unknown): unknown {
  if (error instanceof ErrataUnreachable)
    return new Error(`${error.message}; --url or ERRATA_URL names another address`, { cause: error });
  if (!(error instanceof ErrataError)) return error;
  const others = error.errors.map(({ pointer, detail }) => `${pointer} ${detail}`.trim());
  const told = others.filter((one) => !error.detail.includes(one));
  return new Error([`${error.detail} (status ${error.status})`, ...told].join('\n'), { cause: error });
}

function serviceAddress(text: string): string {
  try {
    return httpUrl(text);
  } catch (error) {
    throw error instanceof Unexpected ? new InvalidArgumentError(`Expected ${error.message}.`) : error;
  }
}
