/** `errata audit verify` */
import { type Command, InvalidArgumentError } from 'commander';
import { databaseFile } from '../../db/database.js';
import { type Anchor, verifyAudit } from '../../db/audit-verify.js';
import { readConfig } from '../environment.js';

interface VerifyOptions {
  readonly expect?: Anchor;
  readonly json?: true;
}

export function register(program: Command): void {
  const audit = program.command('audit').description('the log of every write act');
  audit
    .command('verify')
    .description('compute every hash of the log again; exit status 1 for a row that was altered, removed or moved')
    .argument('[file]', 'database file (default: ERRATA_DATABASE_URL)')
    .option('--expect <row:hash>', 'a row that was noted elsewhere, such as the last line of an earlier call', anchor)
    .option('--json', 'print the report as JSON')
    .action(verify);
}

function anchor(text: string): Anchor {
  const [, seq, hash] = /^(\d{1,15}):([0-9a-f]{64})$/.exec(text) ?? [];
  if (seq === undefined || hash === undefined)
    throw new InvalidArgumentError('Expected a row and its hash, as 12:5f0c….');
  return { seq: Number(seq), hash };
}

function verify(given: string | undefined, { expect, json }: VerifyOptions): void {
  const file = given ?? databaseFile(readConfig().databaseUrl);
  const report = verifyAudit(file, expect ?? null);
  const { rows, hash, faults } = report;
  if (json) console.log(JSON.stringify(report));
  else console.log(`${rows}:${hash}`);
  if (faults.length > 0) throw new Error(faults.map((fault) => `${file}: ${fault}`).join('\n'));
}
