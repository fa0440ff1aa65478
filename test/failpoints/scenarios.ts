/** Which failpoints are met by doing what. A scenario is done in each life, from its beginning to wherever it dies. */
import type { Failpoint } from '../../src/failpoints.js';
import {
  activeOf,
  age,
  cancel,
  type Client,
  correctMany,
  correctOne,
  damage,
  delivered,
  erasePage,
  gaveUp,
  importAdapter,
  importLines,
  judge,
  promote,
  quiet,
  replaceOne,
  replayOne,
  rollBack,
  train,
  underWay,
  withdrawOne,
} from './acts.js';
import type { Work } from './lives.js';

export interface Scenario {
  readonly name: string;
  /** Done once, in a life without a failpoint. */
  readonly before?: Work;
  readonly work: Work;
  /** Passed once in a life. */
  readonly once: readonly Failpoint[];
  /** Passed more than once. */
  readonly often: readonly Failpoint[];
  /** Met by another scenario too, which is enough but for a full sweep. */
  readonly also?: readonly Failpoint[];
}

async function review(client: Client): Promise<void> {
  const [first] = await judge(client, 3);
  await correctOne(client, first ?? '');
  await correctMany(client, 3);
  await importLines(client, 501);
  await replaceOne(client);
  await withdrawOne(client);
}

let seed = 1;

/** Imports, promotes, goes back to what was active, and imports again what is damaged meanwhile. */
export async function move(client: Client): Promise<void> {
  const before = await activeOf(client);
  const adapter = await importAdapter(client, (seed += 1));
  await promote(client, adapter);
  await rollBack(client);
  if ((await activeOf(client)) !== before) throw new Error('a rollback led elsewhere');
  damage(client, adapter);
  await importAdapter(client, seed);
  await replayOne(client);
  await delivered(client);
}

/** A run, unless one that was cut short goes on; where that or its comparison was given up, another. */
async function learn(client: Client): Promise<void> {
  do {
    if ((await underWay(client)) === 0) await train(client, { epochs: 3 });
    await quiet(client);
  } while (await gaveUp(client));
}

const UNITS = ['group.begun', 'group.unit.done', 'group.commit.before', 'group.commit.after', 'group.replied'] as const;

const FILES = ['file.written', 'file.flushed', 'file.renamed', 'file.directory.flushed'] as const;

export const SCENARIOS: readonly Scenario[] = [
  {
    name: 'reviews',
    work: review,
    once: [
      'judgements.texts.written',
      'judgements.written',
      'judgements.committed',
      'withdrawal.deleted',
      'withdrawal.written',
      'withdrawal.committed',
      'import.committed',
    ],
    often: [
      ...UNITS,
      'database.asked',
      'database.answered',
      'audit.written',
      'corrections.written',
      'corrections.audited',
      'corrections.answer.kept',
      'corrections.committed',
      'import.batch.committed',
    ],
  },
  {
    name: 'adapters',
    work: move,
    once: [
      'adapter.row.written',
      'adapter.committed',
      'adapter.incoming.moved',
      'adapter.replaced',
      'delivery.replay.written',
    ],
    also: [...UNITS, 'file.renamed', 'file.directory.flushed', 'audit.written'],
    often: [
      'adapter.incoming.made',
      'adapter.file.written',
      'adapter.file.flushed',
      'adapter.incoming.flushed',
      'adapter.file.replaced',
      'adapter.stored',
      'promotion.ready',
      'promotion.committed',
      'promotion.switched',
      'alias.row.written',
      'alias.audited',
      'alias.told',
      'event.written',
      'deliveries.written',
      'deliveries.spread',
      'delivery.sent',
      'delivery.noted.written',
      'delivery.noted',
    ],
  },
  {
    name: 'erasures',
    work: erasePage,
    once: [
      'erasure.begin.written',
      'erasure.part.committed',
      'erasure.copies.committed',
      'erasure.rewritten',
      'erasure.end.written',
      'erasure.committed',
      'rewrite.vacuumed',
      'rewrite.truncated',
    ],
    often: ['erasure.judgements.deleted', 'erasure.corrections.deleted', 'erasure.noted'],
  },
  {
    name: 'training',
    before: (client) => importLines(client, 30, 6),
    work: learn,
    once: [
      'sides.written',
      'run.row.written',
      'run.plan.written',
      'run.opened',
      'run.claim.written',
      'run.claimed',
      'run.crash.written',
      'run.job.made',
      'run.child.started',
      'run.child.asked',
      'run.trained',
      'run.adapter.kept',
      'comparison.row.written',
      'comparison.opened',
      'comparison.claim.written',
      'comparison.claimed',
      'comparison.judged',
      'comparison.end.written',
      'comparison.ended',
      'run.compared',
      'run.end.written',
      'run.ended',
      'run.states.removed',
      'child.asked',
      'child.begun',
      'child.trained',
      'run.state.removed',
    ],
    often: ['run.note.written', 'run.child.heard', 'child.state.saved', 'gradient.computed'],
    also: [...UNITS, ...FILES, 'adapter.stored', 'adapter.committed', 'event.written'],
  },
  {
    name: 'cancellation',
    before: (client) => importLines(client, 30, 6),
    work: async (client) => cancel(client, await train(client, { epochs: 20 })),
    once: ['run.cancel.written', 'run.cancelled'],
    often: [],
  },
  {
    name: 'closing',
    before: (client) => importLines(client, 30, 6),
    work: async (client, service) => {
      await train(client, { epochs: 20 });
      service.child.kill('SIGTERM');
      await service.ended;
    },
    once: ['run.park.written'],
    often: [],
  },
  {
    name: 'retention',
    work: async (client) => {
      await judge(client, 3);
      age(client);
    },
    once: ['sweep.deleted'],
    often: [],
  },
];
