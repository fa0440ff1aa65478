/**
 * Places where a process can be made to die, so that a suite can show what survives there. `FAILPOINT=name:n` kills, by
 * SIGKILL, the process that passes the place for the n-th time: of a worker thread its whole process, of a training child
 * the child alone. With `FAILPOINT_MARK=file` the file is made just before, and once it is there nothing dies any more:
 * a child that is started again goes on. Without the variable a mark costs one comparison.
 */
import { closeSync, openSync } from 'node:fs';

/** Every mark in the sources, once each, and what has been done when it is passed. */
export const FAILPOINTS = {
  'database.asked': 'a request was posted to a database thread',
  'database.answered': "a database thread's message came, and nobody was told yet",
  'group.begun': 'the transaction of a group is open, nothing is written',
  'group.unit.done': 'a unit of the group has written, its savepoint is open',
  'group.commit.before': 'every unit of the group has written, the commit comes next',
  'group.commit.after': 'the group is on disk, nobody was told',
  'group.replied': "the group's answers were posted",
  'audit.written': 'rows of the audit log are in the transaction',
  'rewrite.vacuumed': 'the database file was written anew, its log is not empty',
  'rewrite.truncated': 'the log beside the database file was emptied',
  'migration.begun': 'a migration begins',
  'migration.ended': 'a migration has run, its version is not noted',
  'migration.statement.before': 'a statement of the migrations comes next, also of its lock and its versions',
  'migration.statement.after': 'a statement of the migrations has run',
  'migration.commit.before': 'all migrations have run in the transaction',
  'migration.commit.after': 'all migrations are on disk',
  'judgements.texts.written': 'the texts of judgements are in the transaction',
  'judgements.written': 'judgements are in the transaction',
  'judgements.committed': 'judgements are on disk, not answered',
  'sweep.deleted': 'old judgements and their texts are deleted in the transaction',
  'corrections.written': 'corrections and what they replaced are in the transaction',
  'corrections.audited': 'corrections and their acts are in the transaction',
  'corrections.answer.kept': 'the answer of an Idempotency-Key is in the transaction',
  'corrections.committed': 'corrections are on disk, not answered',
  'import.batch.committed': 'some lines of an import are on disk',
  'import.committed': 'every line of an import is on disk, not answered',
  'withdrawal.deleted': 'a correction is out of the table and not yet in the history',
  'withdrawal.written': 'a withdrawal is in the transaction',
  'withdrawal.committed': 'a withdrawal is on disk, not answered',
  'sides.written': 'sides of pages are in the transaction',
  'adapter.incoming.made': 'the directory for incoming files is there',
  'adapter.file.written': "one of an adapter's files is written, not flushed",
  'adapter.file.flushed': "one of an adapter's files is flushed",
  'adapter.incoming.flushed': 'both files and their directory are flushed',
  'adapter.incoming.moved': 'both files lie in their place',
  'adapter.file.replaced': 'one of two damaged files is replaced',
  'adapter.replaced': 'two damaged files are replaced and flushed',
  'adapter.stored': "an adapter's files are on disk, its row is not",
  'adapter.row.written': "an adapter's row is in the transaction",
  'adapter.committed': "an adapter's files and row are on disk, not answered",
  'promotion.ready': 'the engine holds the adapter, the alias has not moved',
  'alias.row.written': 'a move of the alias is in the transaction',
  'alias.audited': 'a move and its act are in the transaction',
  'alias.told': 'a move, its act and its event are in the transaction',
  'promotion.committed': 'a move is on disk, the old adapter answers',
  'promotion.switched': 'a move is on disk and in memory, not answered',
  'run.row.written': "a run's row is in the transaction",
  'run.plan.written': "a run's row and what it learns from are in the transaction",
  'run.opened': 'a run is on disk, not answered',
  'run.claim.written': 'an attempt of a run is in the transaction',
  'run.claimed': 'an attempt of a run is on disk, nothing is done yet',
  'run.note.written': 'progress of a run is in the transaction',
  'run.job.made': "a run's job is made, its child is not started",
  'run.child.started': "a run's child is started",
  'run.child.asked': 'the job was sent to the child',
  'run.child.heard': 'a message of the child came',
  'child.asked': 'in the child: the job came',
  'child.begun': 'in the child: the first parameters, or a saved state, are there',
  'child.state.saved': "in the child: an epoch's state is on disk, its parent does not know",
  'run.state.removed': 'an old state of a run was removed',
  'child.trained': 'in the child: the last epoch is done, the parameters are not sent',
  'gradient.computed': 'in a gradient child: a share is computed, not sent',
  'run.trained': 'the parameters came, the child has ended',
  'run.adapter.kept': 'the adapter of a run is registered, the run does not name it',
  'run.compared': 'the comparison of a run has ended, the run has not',
  'run.end.written': 'the end of a run is in the transaction',
  'run.ended': 'the end of a run is on disk, its states are too',
  'run.states.removed': 'the states of a run were removed',
  'run.crash.written': 'an attempt that broke is in the transaction',
  'run.park.written': 'a run that goes back into the queue is in the transaction',
  'run.cancel.written': 'the cancellation of a run is in the transaction',
  'run.cancelled': 'the cancellation of a run is on disk, its child runs',
  'comparison.row.written': 'a comparison is in the transaction',
  'comparison.opened': 'a comparison is on disk, not answered',
  'comparison.claim.written': 'a comparison that is taken up is in the transaction',
  'comparison.claimed': 'a comparison is taken up on disk, nothing is judged',
  'comparison.judged': 'all is judged, nothing of it is on disk',
  'comparison.end.written': 'the end of a comparison is in the transaction',
  'comparison.ended': 'the end of a comparison is on disk, nobody was told',
  'event.written': 'an event is in the transaction of what it tells',
  'deliveries.written': 'the deliveries of new events are in the transaction',
  'deliveries.spread': 'new events are marked as spread in the transaction',
  'delivery.sent': 'a target has answered, the delivery is not noted',
  'delivery.noted.written': 'an attempt of a delivery is in the transaction',
  'delivery.noted': 'an attempt of a delivery is on disk',
  'delivery.replay.written': 'a delivery that is sent again is in the transaction',
  'erasure.begin.written': 'an erasure that begins is in the transaction',
  'erasure.judgements.deleted': 'some judgements of an erasure are deleted in the transaction',
  'erasure.corrections.deleted': 'some corrections of an erasure are deleted in the transaction',
  'erasure.noted': 'some of an erasure and its count are in the transaction',
  'erasure.part.committed': 'some of an erasure is on disk',
  'erasure.copies.committed': 'some answers and reports are without what was erased on disk',
  'erasure.rewritten': 'the file holds nothing more of what was erased, the erasure has not ended',
  'erasure.end.written': 'the end of an erasure is in the transaction',
  'erasure.committed': 'the end of an erasure is on disk, not answered',
  'key.row.written': "a new key's row is in the transaction",
  'key.rotation.written': "a key's new secret is in the transaction",
  'key.revocation.written': "a key's revocation is in the transaction",
  'key.committed': 'a new key is on disk, not told',
  'file.written': 'content is written beside, not flushed',
  'file.flushed': 'content is flushed beside, not in its place',
  'file.renamed': 'a file or directory is in its place, its directory is not flushed',
  'file.directory.flushed': 'a file or directory is in its place on disk',
  'backup.directory.made': 'the directory beside the backup is there',
  'backup.database.copied': 'the database is copied, not flushed',
  'backup.adapter.copied': "an adapter's files are copied",
  'backup.manifest.written': 'the backup is whole beside its place',
  'restore.file.copied': 'a file of the backup is copied, neither compared nor flushed',
  'restore.file.flushed': 'a file of the backup is copied, compared and flushed',
  'restore.adapters.moved': 'the adapters are in their place, the database is not',
  'restore.database.linked': 'the database is in its place, its directory is not flushed',
} as const satisfies Readonly<Record<string, string>>;

export type Failpoint = keyof typeof FAILPOINTS;

interface Armed {
  readonly name: Failpoint;
  readonly at: number;
  readonly mark: string | undefined;
}

const armed = arm(process.env);
let passed = 0;

function arm({ FAILPOINT: text, FAILPOINT_MARK: mark }: NodeJS.ProcessEnv): Armed | null {
  if (text === undefined || text === '') return null;
  const [, name = '', at] = /^([\w.]+):([1-9]\d{0,8})$/.exec(text) ?? [];
  if (!isFailpoint(name)) throw new Error(`FAILPOINT: expected name:n with a name of src/failpoints.ts, not ${text}`);
  return { name, at: Number(at), mark };
}

function isFailpoint(name: string): name is Failpoint {
  return Object.hasOwn(FAILPOINTS, name);
}

/** Passes the place, or dies there. */
export function failpoint(name: Failpoint): void {
  if (armed === null || armed.name !== name) return;
  passed += 1;
  if (passed === armed.at && isFirst(armed.mark)) process.kill(process.pid, 'SIGKILL');
}

function isFirst(mark: string | undefined): boolean {
  if (mark === undefined) return true;
  try {
    closeSync(openSync(mark, 'wx'));
    return true;
  } catch {
    return false;
  }
}
