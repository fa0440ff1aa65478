/** `errata train` */
import { type Command, InvalidArgumentError } from 'commander';
import { dataOf, type ErrataClient, type Schemas, type TrainingRun } from '../../../client/client.js';
import { showRun } from '../run-progress.js';
import { answer, askingCommand, connect, type ServiceOptions } from '../service.js';
import { verdictLines } from '../verdict.js';

type Parameters = NonNullable<Schemas['StartTrainingRun']['parameters']>;

interface TrainOptions extends ServiceOptions {
  readonly force?: true;
  readonly set?: Parameters;
  readonly exclude?: string[];
  readonly detach?: true;
}

export function register(program: Command): void {
  askingCommand(program, 'train', 'train an adapter on the usable corrections, and show how far it is')
    .option('--force', 'also with fewer usable corrections than min_corrections')
    .option('--set <parameter=value>', 'a parameter of the run, as in --set epochs=6; may be repeated', collect)
    .option('--exclude <correction...>', 'ids of corrections to leave out')
    .option('--detach', 'do not wait for the end')
    .addHelpText('after', '\nCtrl-C stops the waiting, not the run: POST /training-runs/{id}/cancel does that.')
    .action(train);
}

/** Numbers, lists and words are told apart as JSON; what is no JSON is a word. */
function collect(text: string, before: Parameters = {}): Parameters {
  const [name, ...rest] = text.split('=');
  if (!name || rest.length === 0) throw new InvalidArgumentError('Expected parameter=value.');
  return { ...before, [name]: valueOf(rest.join('=')) };
}

function valueOf(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}

async function train(options: TrainOptions): Promise<void> {
  const client = connect(options);
  const run = await dataOf(client.api.POST('/training-runs', { body: bodyOf(options) }));
  if (options.detach) return answer(options, run, [`run ${run.id} is ${run.state}`]);
  console.error(`run ${run.id}`);
  const progress = showRun(process.stderr);
  const ended = await client.waitForRun(run.id, { onEvent: progress.on }).finally(progress.end);
  if (ended.state !== 'succeeded') throw new Error(`the run ${ended.state}${ended.error ? `: ${ended.error}` : ''}`);
  await tell(client, options, ended);
}

const bodyOf = ({ force, set, exclude }: TrainOptions): Schemas['StartTrainingRun'] => ({
  ...(force && { force }),
  ...(set && { parameters: set }),
  ...(exclude && { exclude }),
});

async function tell(client: ErrataClient, options: TrainOptions, run: TrainingRun): Promise<void> {
  const { manifest: _, ...told } = run;
  const { adapter_id, comparison_id } = run;
  if (adapter_id === null || comparison_id === null) return answer(options, told, [`run ${run.id} succeeded`]);
  const [adapter, comparison] = await Promise.all([
    dataOf(client.api.GET('/adapters/{id}', { params: { path: { id: adapter_id } } })),
    client.waitForComparison(comparison_id),
  ]);
  answer(options, { ...told, adapter, verdict: comparison.verdict }, [
    `adapter ${adapter.version} learnt from ${run.counts.used} reviews`,
    ...verdictLines(comparison),
    `errata promote ${adapter.version} makes it answer`,
  ]);
}
