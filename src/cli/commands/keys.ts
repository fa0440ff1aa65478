/** `errata keys create|list|rotate|revoke` */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { integer, Unexpected } from '../../config-values.js';
import { type KeyItem, type ToldKey, withKeys } from '../../keys.js';
import { type Role, ROLES } from '../../roles.js';
import { readConfig } from '../environment.js';

const MOST_MINUTES = 30 * 24 * 60;

export function register(program: Command): void {
  const keys = program.command('keys').description('API keys of the service; a change counts within a second');
  keys
    .command('create')
    .description('make a key and print it, alone on standard output: it is not told again')
    .argument('<role>', `one of ${ROLES.join(', ')}`, role)
    .option('--name <name>', 'what it is for')
    .action(create);
  keys
    .command('list')
    .description('every key: id, role, state, name')
    .option('--json', 'print them as JSON')
    .action(list);
  keys
    .command('rotate')
    .description('give a key another secret under the same id and print it')
    .argument('<id>')
    .addOption(new Option('--keep <minutes>', 'how long the present one opens too').default(0).argParser(minutes))
    .action(rotate);
  keys.command('revoke').description('let a key open nothing any more').argument('<id>').action(revoke);
}

function role(text: string): Role {
  const found = ROLES.find((one) => one === text);
  if (found !== undefined) return found;
  throw new InvalidArgumentError(`Expected one of ${ROLES.join(', ')}.`);
}

function minutes(text: string): number {
  try {
    return integer(0, MOST_MINUTES)(text);
  } catch (error) {
    throw error instanceof Unexpected ? new InvalidArgumentError(`Expected ${error.message}.`) : error;
  }
}

async function create(given: Role, { name }: { readonly name?: string }): Promise<void> {
  tell(await withKeys(readConfig(), (keys) => keys.create({ role: given, name: name ?? null })));
}

async function rotate(id: string, { keep }: { readonly keep: number }): Promise<void> {
  tell(await withKeys(readConfig(), (keys) => keys.rotate(id, keep)));
}

async function revoke(id: string): Promise<void> {
  await withKeys(readConfig(), (keys) => keys.revoke(id));
  console.error(`key ${id} opens nothing any more`);
}

function tell({ id, role: given, key }: ToldKey): void {
  console.error(`key ${id} for the role ${given}; it is not told again:`);
  console.log(key);
}

async function list({ json }: { readonly json?: true }): Promise<void> {
  const items = await withKeys(readConfig(), (keys) => keys.list());
  if (json) return console.log(JSON.stringify(items));
  for (const item of items) console.log([item.id, item.role.padEnd(8), stateOf(item), item.name ?? ''].join('  '));
}

function stateOf({ created_at, rotated_at, revoked_at }: KeyItem): string {
  if (revoked_at !== null) return `revoked ${revoked_at}`;
  return rotated_at === null ? `created ${created_at}` : `rotated ${rotated_at}`;
}
