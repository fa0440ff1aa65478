/**
 * `npm run demo`: a service, and everything that its three roles do, over HTTP: pairs are judged, the errors corrected, an
 * adapter trained, compared and promoted, and pages that nothing was trained on judged again.
 */
import { parseArgs } from 'node:util';
import { createClient, type RunEvent, type ShadowComparison } from '../client/client.js';
import { type Amount, countPages, type DemoData, readData } from './data.js';
import { learnt, promote, readiness, train } from './operator.js';
import { bar, type Progress, showProgress } from './progress.js';
import { isRight, review } from './reviewer.js';
import { startService } from './service.js';
import { type Answers, commonest, type Row, rowsOf, share, tableOf } from './table.js';
import { judge, type Judged } from './upstream.js';

const HELP = `usage: npm run demo [-- options]
  --json        print the figures as JSON
  --quick       with a fifth of the pages: to see it go, not to judge by
  --no-force    where the comparison does not recommend the adapter, leave it at that
  --keep        leave the service running until Ctrl-C, and its data after that
`;

const { values: options } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    quick: { type: 'boolean', default: false },
    force: { type: 'boolean', default: true },
    keep: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
  allowNegative: true,
});

const AMOUNT: Amount = { reviewedPages: 210, heldOutPages: 100, sentences: 1000 };
const QUICK: Amount = { reviewedPages: 60, heldOutPages: 15, sentences: 100 };

type Service = Awaited<ReturnType<typeof startService>>;
type Client = ReturnType<typeof createClient>;

interface Stage {
  readonly service: Service;
  readonly client: Client;
  readonly data: DemoData;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

interface Result {
  readonly rows: Row[];
  readonly commonest_label: number;
  readonly adapter: { readonly version: string; readonly digest: string };
  readonly verdict: ShadowComparison['verdict'];
  readonly promoted: boolean;
  readonly forced: boolean;
  readonly refused: string | null;
  readonly seconds: number;
}

async function main(signal: AbortSignal): Promise<void> {
  if (options.help) return void process.stdout.write(HELP);
  const progress = showProgress(process.stderr);
  progress.step('A service with the bundled model, its data in a temporary directory', 'errata serve');
  const service = await startService(signal);
  try {
    progress.note(`${service.url} · documentation: ${service.url}/docs`);
    const client = createClient({ baseUrl: service.url });
    const stage = { service, client, data: readData(options.quick ? QUICK : AMOUNT), progress, signal };
    const result = await play(stage);
    progress.end();
    tell(result);
    if (options.keep) await stay(stage);
  } finally {
    progress.end();
    await service.stop({ keep: options.keep });
  }
}

async function play(stage: Stage): Promise<Result> {
  const { client, data, progress, signal } = stage;
  const started = performance.now();
  progress.step(
    `UPSTREAM has ${data.heldOut.length} pairs of ${countPages(data.heldOut)} held-out pages judged`,
    'POST /nli',
  );
  const before = await answersTo(stage, 'active');
  progress.step(
    `UPSTREAM has ${data.reviewed.length} pairs of ${countPages(data.reviewed)} other pages judged`,
    'POST /nli',
  );
  const judged = await judgeAll(stage, data.reviewed, 'active');
  progress.step(
    'REVIEWER confirms the sure answers that are right, and corrects as many that are wrong',
    'POST /corrections',
  );
  const { corrections, confirmations } = await review(client, judged, signal);
  progress.note(`${corrections} corrections and ${confirmations} confirmations stored`);
  await tellReadiness(stage);
  progress.step(
    'OPERATOR trains an adapter on corrections and confirmations',
    'POST /training-runs, GET /training-runs/{id}/events',
  );
  const run = await train(client, onEvent(progress), signal);
  const { adapter, comparison } = await learnt(client, run, signal);
  tellComparison(progress, comparison);
  progress.step(`OPERATOR promotes ${adapter.version}`, `POST /adapters/${adapter.version}/promote`);
  const reason = `demo: the base model is right on ${share(judged.filter(isRight).length, judged.length)} of the reviewed pages`;
  const promotion = await promote(client, adapter.id, { force: options.force, reason });
  for (const line of told(promotion, adapter.version)) progress.note(line);
  progress.step('UPSTREAM has the held-out pages judged again', 'POST /nli');
  const after = await answersTo(stage, promotion.promoted ? 'active' : adapter.version);
  return {
    rows: rowsOf(before, after),
    commonest_label: commonest(before.heldOut),
    adapter: { version: adapter.version, digest: adapter.digest },
    verdict: comparison.verdict,
    ...promotion,
    seconds: (performance.now() - started) / 1000,
  };
}

async function answersTo(stage: Stage, adapter: string): Promise<Answers> {
  const heldOut = await judgeAll(stage, stage.data.heldOut, adapter);
  return { heldOut, everyday: await judgeAll(stage, stage.data.everyday, adapter) };
}

function judgeAll({ client, progress, signal }: Stage, pairs: DemoData['heldOut'], adapter: string): Promise<Judged[]> {
  return judge(client, pairs, { adapter, signal, onProgress: (done, all) => progress.advance(bar(done, all)) });
}

async function tellReadiness({ client, progress, signal }: Stage): Promise<void> {
  progress.step('OPERATOR asks what a training run would learn from', 'GET /training-runs/readiness');
  const { usable, min_corrections, split, warnings } = await readiness(client, signal);
  progress.note(`${usable} corrections are usable, ${min_corrections} are needed`);
  for (const [name, side] of [
    ['train', split.train],
    ['validation', split.validation],
  ] as const) {
    const { pages, corrections, confirmations } = side;
    progress.note(`${name}: ${pages} pages, ${corrections.total} corrections, ${confirmations.total} confirmations`);
  }
  for (const warning of warnings) progress.note(`warning: ${warning}`);
}

/** Every epoch's last loss stays to be seen. */
function onEvent(progress: Progress): (event: RunEvent) => void {
  let loss = Number.NaN;
  return (event) => {
    if (event.type === 'stage') progress.note(`${String(event['stage'])} …`);
    if (event.type === 'epoch') progress.note(`epoch ${String(event['epoch'])}: loss ${loss.toFixed(3)}`);
    if (event.type !== 'step') return;
    loss = Number(event['loss']);
    const left = Math.ceil(Number(event['seconds_left']));
    progress.advance(
      `${bar(Number(event['step']), Number(event['steps']))} · loss ${loss.toFixed(3)} · ${left} s left`,
    );
  };
}

function tellComparison(progress: Progress, { id, verdict, report }: ShadowComparison): void {
  progress.step(
    'OPERATOR reads the shadow comparison on the held-out fifth of the reviews',
    `GET /shadow-comparisons/${id}`,
  );
  for (const name of ['corrections', 'confirmations'] as const) {
    const set = report?.sets[name];
    if (!set) continue;
    const { n, mcnemar, old, new: now } = set;
    const right = `right ${share(old.correct, n)} → ${share(now.correct, n)}`;
    progress.note(
      `${n} ${name}: ${right}; ${mcnemar.fixed} fixed, ${mcnemar.broken} broken, p = ${mcnemar.p.toPrecision(2)}`,
    );
  }
  for (const rule of report?.rules ?? [])
    if (rule.verdict !== 'pass')
      progress.note(`${rule.verdict}: ${rule.statement}; found ${rule.value?.toPrecision(3)}`);
  progress.note(`verdict: ${String(verdict).replaceAll('_', ' ')}`);
}

function told({ promoted, refused }: Awaited<ReturnType<typeof promote>>, version: string): string[] {
  if (refused === null) return [`${version} answers now`];
  const refusal = [`refused (409): ${refused}`];
  if (!promoted) return [...refusal, `nothing changed: the base model answers; below, ${version} is asked by its name`];
  return [...refusal, `the operator overrules it with "force": true and a reason, which the history keeps`];
}

function tell(result: Result): void {
  if (options.json) return console.log(JSON.stringify(result));
  const { rows, commonest_label, adapter, verdict, promoted, forced, seconds } = result;
  const state = !promoted ? 'not promoted' : forced ? 'promoted against the verdict' : 'promoted';
  console.log(`\nBefore: the base model. After: with adapter ${adapter.version} (${state}).\n`);
  console.log(tableOf(rows));
  console.log(
    `\nAlways answering the commonest label would be right on ${(100 * commonest_label).toFixed(1)} % of the pages' pairs.`,
  );
  if (verdict !== 'recommend') console.log(VERDICTS[verdict ?? 'not_enough_data']);
  if (promoted) console.log('The way back: POST /adapters/rollback, or `errata rollback`.');
  console.log(`Took ${seconds.toFixed(0)} s.`);
}

const VERDICTS = {
  do_not_recommend: `The comparison does not recommend the adapter: what failed is named above. The bundled model is small, and what it learns of
these pages costs answers that were right (third line). More reviews and a larger base model lose less.`,
  not_enough_data:
    'The comparison could not decide: what it lacks is named above. More reviews of more pages would decide it.',
};

async function stay({ service, signal }: Stage): Promise<void> {
  console.error(`\nThe service goes on at ${service.url} until Ctrl-C; its data stay in ${service.directory}`);
  await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}

/** The first signal ends the demo in order, the second at once. */
const interrupted = new AbortController();
let signalled: NodeJS.Signals | undefined;
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
  process.on(name, () => {
    if (signalled !== undefined) process.exit(1);
    signalled = name;
    interrupted.abort(new Error(`ended by ${name}`));
  });

try {
  await main(interrupted.signal);
} catch (error) {
  console.error(`\ndemo: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = signalled === 'SIGINT' ? 130 : 1;
}
