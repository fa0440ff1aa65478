/** `errata models pull|verify` */
import path from 'node:path';
import { type Command, InvalidArgumentError } from 'commander';
import { LOCK_FILE, verifyLock } from '../../checkpoint/lock.js';
import { httpUrl, Unexpected } from '../../config-values.js';
import { pull, type PulledModel } from '../../models/pull.js';
import { readConfig } from '../environment.js';
import { showProgress } from '../progress.js';

/** Waits between attempts that bring nothing, in milliseconds. */
const PAUSES = [1000, 3000, 10_000];

interface PullOptions {
  readonly revision: string;
  readonly to?: string;
  readonly hubUrl: string;
}

export function register(program: Command): void {
  const models = program.command('models').description('get checkpoints and check them');
  models
    .command('pull')
    .description('download a checkpoint from a Hugging Face hub; goes on where an earlier call stopped')
    .argument('<repository>', 'owner/name, for instance cross-encoder/nli-deberta-v3-xsmall')
    .option('--revision <revision>', 'commit; a branch or tag is resolved to its commit', 'main')
    .option('--to <directory>', 'folder to make (default: <data directory>/models/<owner>--<name>@<commit>)')
    .option('--hub-url <url>', 'address of the hub', hubAddress, 'https://huggingface.co')
    .action(pullModel);
  models
    .command('verify')
    .description(`compare a model folder with its ${LOCK_FILE}`)
    .argument('[directory]', 'default: ERRATA_MODEL')
    .action(verifyModel);
}

function hubAddress(text: string): string {
  try {
    return httpUrl(text);
  } catch (error) {
    throw error instanceof Unexpected ? new InvalidArgumentError(`Expected ${error.message}.`) : error;
  }
}

/** The last line, alone on standard output, is what to put into the environment. */
async function pullModel(repo: string, options: PullOptions): Promise<void> {
  const home = path.join(readConfig().dataDir, 'models');
  const named = (commit: string): string => path.join(home, `${repo.replace('/', '--')}@${commit.slice(0, 8)}`);
  const progress = showProgress(process.stderr);
  const pulled = await pull({
    hub: { url: options.hubUrl, token: process.env['HF_TOKEN'] || null },
    repo,
    revision: options.revision,
    directory: (commit) => options.to ?? named(commit),
    progress,
    pauses: PAUSES,
  }).finally(() => progress.end());
  tell(pulled);
}

function tell({ directory, lock, present }: PulledModel): void {
  const state = present ? 'was there already, unchanged' : 'is complete';
  console.error(`${lock.repo} at commit ${lock.revision} ${state}; serve it with`);
  console.log(`ERRATA_MODEL=${directory}`);
}

async function verifyModel(given: string | undefined): Promise<void> {
  const directory = path.resolve(given ?? readConfig().model);
  const lock = await verifyLock(directory);
  if (lock === null) throw new Error(`${directory} has no ${LOCK_FILE}: there is nothing to compare it with`);
  for (const file of lock.files) console.log(`${file.sha256}  ${file.name}`);
  console.log(`${directory} is ${lock.repo} at commit ${lock.revision}`);
}
