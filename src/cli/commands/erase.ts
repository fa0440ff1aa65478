/** `errata erase` */
import type { Command } from 'commander';
import { dataOf } from '../../../client/client.js';
import { answer, askingCommand, connect, type ServiceOptions } from '../service.js';

interface EraseOptions extends ServiceOptions {
  readonly reason: string;
  readonly page?: string;
  readonly premise?: string;
  readonly hypothesis?: string;
  readonly prediction?: string;
  readonly correction?: string;
}

export function register(program: Command): void {
  askingCommand(
    program,
    'erase',
    "remove a page's or a pair's texts everywhere, and tell which adapters learnt from them",
  )
    .requiredOption('--reason <text>', 'kept in the log of erasures')
    .option('--page <id>', 'all of this page')
    .option('--premise <text>', 'a pair; with --hypothesis')
    .option('--hypothesis <text>', 'a pair; with --premise')
    .option('--prediction <id>', 'the pair of this judgement')
    .option('--correction <id>', 'the pair of this correction')
    .action(erase);
}

async function erase(options: EraseOptions): Promise<void> {
  const erasure = await dataOf(connect(options).api.POST('/erasures', { body: bodyOf(options) }));
  const { predictions, corrections, texts, answers, flips } = erasure.removed;
  const removed = `removed: ${predictions} judgements, ${corrections} corrections, ${texts} texts, ${answers} kept answers, ${flips} pairs in reports`;
  const taught = erasure.trained_on.map(
    ({ run_id, state, adapter }) => `learnt from it: run ${run_id} (${state}), adapter ${adapter?.version ?? 'none'}`,
  );
  answer(options, erasure, [removed, ...taught]);
}

const bodyOf = ({ reason, page, premise, hypothesis, prediction, correction }: EraseOptions) => ({
  reason,
  ...(page !== undefined && { page_id: page }),
  ...(premise !== undefined && { premise }),
  ...(hypothesis !== undefined && { nli_hypothesis: hypothesis }),
  ...(prediction !== undefined && { prediction_id: prediction }),
  ...(correction !== undefined && { correction_id: correction }),
});
