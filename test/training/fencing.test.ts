/** Services that stop for a while and wake late, or run side by side: real processes over one data directory. */
import { readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import Sqlite from 'better-sqlite3';
import t from 'tap';
import { homeWithCorrections, kill, type Service, startService } from './fixtures/processes.js';
import { eventOf, eventsOf, gone, openTraining, trained, type TrainingDatabase } from './fixtures/training.js';

/** So that a run is under way for seconds. */
const epochs = 25;
/** A lease that a busy machine does not let run out between two signs of life. */
const PATIENT_MS = 8000;
const undisturbed = trained(t, { recipe: { epochs } });
t.setTimeout(600_000);

const signal = ({ process: service, pids }: Service, name: NodeJS.Signals): void => {
  for (const pid of [service.pid ?? 0, ...pids]) process.kill(pid, name);
};

/** Stops the service and its children, but not while it holds the database. */
async function stop(home: string, service: Service): Promise<void> {
  for (;;) {
    signal(service, 'SIGSTOP');
    if (isFree(path.join(home, 'errata.db'))) return;
    signal(service, 'SIGCONT');
    await sleep(20);
  }
}

function isFree(file: string): boolean {
  const connection = new Sqlite(file, { timeout: 200 });
  try {
    connection.exec('begin immediate; rollback');
    return true;
  } catch {
    return false;
  } finally {
    connection.close();
  }
}

const TABLES = [
  'training_runs',
  'training_run_events',
  'training_run_checkpoints',
  'audit_log',
  'webhook_events',
] as const;

/** Every row that a run leaves, and every file beside the database with its size and time. */
async function everything(home: string, { kysely }: TrainingDatabase): Promise<unknown> {
  const rows = await Promise.all(TABLES.map((table) => kysely.selectFrom(table).selectAll().execute()));
  const names = readdirSync(home, { recursive: true, encoding: 'utf8' }).filter(
    (name) => !name.startsWith('errata.db'),
  );
  const files = names.toSorted().map((name) => {
    const { size, mtimeMs } = statSync(path.join(home, name));
    return [name, size, mtimeMs];
  });
  return { rows, files };
}

t.test(
  'stopped with its children, superseded, and woken in the middle of the next attempt: it adds nothing',
  async (t) => {
    const home = await homeWithCorrections(t);
    const first = startService(home, 'none', epochs);
    await first.reached('epoch 1');
    await stop(home, first);
    const { training, adapters } = await openTraining(t, { home, recipe: { epochs } });
    let present: unknown;
    await eventOf(training, 'run', ({ type, state, attempt }) => {
      if (state === 'running') present = attempt;
      return type === 'epoch' && present === 2;
    });
    signal(first, 'SIGCONT');
    await gone(first.pids);
    await training.idle();
    await first.reached('over');
    await kill(first);
    t.match(await training.get('run'), { state: 'succeeded', attempt: 2 });
    t.equal(
      adapters.get('run'),
      (await undisturbed).adapter,
      'the adapter has the bytes of a run that nobody disturbed',
    );
    const events = await eventsOf(training, 'run');
    const second = events.slice(events.findIndex(({ attempt }) => attempt === 2));
    const steps = second.filter(({ type }) => type === 'step').map(({ step }) => step as number);
    const start = steps[0] ?? 0;
    t.strictSame(
      steps,
      steps.map((_, i) => start + i),
      'every step is the next one',
    );
    t.equal(second.filter(({ type }) => type === 'started').length, 1);
    t.strictSame(readdirSync(path.join(home, 'runs')), [], 'no state is left');
  },
);

const WOKEN: readonly [what: string, killed: boolean][] = [
  ['the service and its children', false],
  ['the children, whose service is killed meanwhile', true],
];

for (const [what, killed] of WOKEN)
  t.test(`${what}, stopped and woken when the run is over: no row and no file changes`, async (t) => {
    const home = await homeWithCorrections(t);
    const first = startService(home, 'none', epochs);
    await first.reached('epoch 1');
    await stop(home, first);
    if (killed) first.process.kill('SIGKILL');
    const { training, database } = await openTraining(t, { home, recipe: { epochs } });
    await training.idle();
    t.match(await training.get('run'), { state: 'succeeded', attempt: 2 });
    const before = await everything(home, database);
    if (killed) for (const pid of first.pids) process.kill(pid, 'SIGCONT');
    else signal(first, 'SIGCONT');
    await gone(first.pids);
    if (!killed) {
      await first.reached('over');
      await kill(first);
    }
    t.strictSame(await everything(home, database), before);
  });

t.test('two services over one directory: the run is run once, by one of them', async (t) => {
  const home = await homeWithCorrections(t);
  const first = startService(home, 'none', epochs, PATIENT_MS);
  await first.reached('preparing');
  const services = [first, startService(home, 'none', epochs, PATIENT_MS)];
  await Promise.all(services.map((service) => service.reached('over')));
  const { training } = await openTraining(t, { home });
  t.match(await training.get('run'), { state: 'succeeded', attempt: 1 });
  const events = await eventsOf(training, 'run');
  t.equal(events.filter(({ state }) => state === 'running').length, 1);
  t.equal(events.filter(({ type }) => type === 'started').length, 1);
  for (const service of services) await kill(service);
});

t.test('two services, one is killed: the other goes on with its run, once the lease has run out', async (t) => {
  const home = await homeWithCorrections(t);
  const first = startService(home, 'none', epochs, PATIENT_MS);
  await first.reached('epoch 1');
  const second = startService(home, 'none', epochs, PATIENT_MS);
  await second.reached('epoch 1');
  await kill(first);
  await second.reached('over');
  const { training } = await openTraining(t, { home });
  t.match(await training.get('run'), { state: 'succeeded', attempt: 2 });
  t.match(
    (await eventsOf(training, 'run')).filter(({ type }) => type === 'interrupted'),
    [{ attempt: 1, reason: 'the service ended during the run, or hung' }],
  );
  await kill(second);
});
