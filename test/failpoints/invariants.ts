/** What must hold of a data directory at any moment, whatever died before: each fault found is a line of text. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import Sqlite from 'better-sqlite3';
import { loadStored, readAdapterFiles } from '../../adapters/store.js';
import { openCheckpoint } from '../../src/checkpoint/checkpoint.js';
import { verifyAudit } from '../../src/db/audit-verify.js';
import { TINY } from '../support/checkpoints.js';
import type { Entry, Ledger } from './ledger.js';

const { config: base } = await openCheckpoint(TINY);

/** Each query finds what must not be. */
const NEVER: Readonly<Record<string, string>> = {
  'corrections, with those that were erased, and acts that made them differ in number': `
    select * from (select
      (select count(*) from nli_corrections) + (select count(*) from nli_correction_history) +
        (select count(distinct correction_id) from erased_corrections) as corrections,
      (select count(*) from audit_log where act in ('correction.create', 'correction.replace')) +
        (select coalesce(sum(json_extract(detail, '$.stored') + json_extract(detail, '$.replaced')), 0)
          from audit_log where act = 'correction.import') as acts)
    where corrections <> acts`,
  'two acts of one making': `
    select subject_id from audit_log
    where act in ('correction.create', 'correction.replace', 'correction.withdraw', 'adapter.train', 'adapter.import',
      'run.start', 'run.cancel', 'run.end', 'comparison.start', 'comparison.end', 'key.create', 'key.revoke')
    group by act, subject_id having count(*) > 1 and subject_id is not null`,
  'an act without what it did': `
    select subject_id from audit_log where act in ('adapter.train', 'adapter.import') and subject_id not in (select id from adapters)
    union all select subject_id from audit_log where act = 'run.start' and subject_id not in (select id from training_runs)
    union all select subject_id from audit_log where act = 'comparison.start' and subject_id not in (select id from shadow_comparisons)
    union all select subject_id from audit_log where act = 'key.create' and subject_id not in (select id from api_keys)`,
  'an adapter without its act': `
    select id from adapters where id not in (select subject_id from audit_log where act in ('adapter.train', 'adapter.import'))`,
  'moves, acts and events of the alias differ in number': `
    select act from (
      select 'promote' as act, (select count(*) from adapter_alias where act = 'promote') as moves,
        (select count(*) from audit_log where act = 'adapter.promote') as acts,
        (select count(*) from webhook_events where type = 'adapter.promoted') as events
      union all select 'rollback', (select count(*) from adapter_alias where act = 'rollback'),
        (select count(*) from audit_log where act = 'adapter.rollback'),
        (select count(*) from webhook_events where type = 'adapter.rolled_back'))
    where moves <> acts or moves <> events`,
  'the alias fell back to the base model': `select seq from adapter_alias where act = 'fallback'`,
  'a run has more terminal states than one, or an end without one': `
    select id from training_runs as run where (ended_at is not null) <> (
      select count(*) from training_run_events as event where event.run_id = run.id and
        json_extract(event, '$.type') = 'state' and json_extract(event, '$.state') in ('succeeded', 'failed', 'cancelled'))`,
  'a run has not one act and one event of its end': `
    select id from training_runs as run where (ended_at is not null) <> (
      select count(*) from audit_log where act in ('run.end', 'run.cancel') and subject_id = run.id) or
      (ended_at is not null) <> (select count(*) from webhook_events
        where type = 'run.ended' and json_extract(data, '$.run_id') = run.id)`,
  'a run made two adapters': `select run_id from adapters where run_id is not null group by run_id having count(*) > 1`,
  'a run succeeded without its adapter and its comparison': `
    select id from training_runs where state = 'succeeded' and
      (adapter_id is null or adapter_id not in (select id from adapters) or
       comparison_id is null or comparison_id not in (select id from shadow_comparisons where ended_at is not null))`,
  'a run or a comparison failed of something else than three kills': `
    select id, error from training_runs where state = 'failed' and error not like '%; given up: 3 attempts in a row %'
    union all
    select id, error from shadow_comparisons where state = 'failed' and error not like 'the service ended 3 times %'`,
  'a comparison has not one act of its end': `
    select id from shadow_comparisons as one where (ended_at is not null) <> (
      select count(*) from audit_log where act = 'comparison.end' and subject_id = one.id) or
      (state = 'succeeded') <> (select count(*) from webhook_events
        where type = 'comparison.ready' and json_extract(data, '$.comparison_id') = one.id)`,
  'a run has two comparisons': `
    select run_id from shadow_comparisons where run_id is not null group by run_id having count(*) > 1`,
  'a judgement is older than any may be': `
    select id from predictions where created_at < strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-60 days')`,
  'an event that is spread has no delivery': `
    select id from webhook_events where spread = 1 and id not in (select event_id from webhook_deliveries)`,
};

type All = <T>(sql: string) => T[];

/** How often each key is stored. */
const STORED = {
  judgement: 'select pair_id as key, count(*) as n from predictions group by pair_id',
  correction: `select reason as key, count(*) as n
    from (select reason from nli_corrections union all select reason from nli_correction_history) group by reason`,
  withdrawal: `select reason as key, count(*) as n from nli_correction_history where ended_by = 'withdrawn' group by reason`,
  adapter: 'select weights_sha256 as key, count(*) as n from adapters group by weights_sha256',
  run: 'select id as key, 1 as n from training_runs',
} as const;

/** What was answered is there once; what was not, once at most. */
function* itemFaults(ledger: Ledger, all: All): Generator<string> {
  const kinds = [
    ['judgement', ledger.judgements],
    ['correction', ledger.corrections],
    ['withdrawal', ledger.withdrawals],
    ['adapter', ledger.adapters],
    ['run', ledger.runs],
  ] as const;
  for (const [kind, entries] of kinds) {
    const rows = all<{ key: string; n: number }>(STORED[kind]);
    const stored = new Map(rows.map(({ key, n }) => [key, n]));
    for (const one of entries) yield* itemFault(kind, one, stored.get(one.key) ?? 0);
  }
}

function* itemFault(kind: string, { key, times, answered, erasedBy }: Entry, found: number): Generator<string> {
  const told = `${kind} ${key}, sent ${times} times, ${answered ? 'acknowledged' : 'not acknowledged'}`;
  if (erasedBy?.answered === true) {
    if (found > 0) yield `${told}: erased, and there ${found} times`;
  } else if (found > 1 || (found === 0 && answered && (erasedBy?.times ?? 0) === 0))
    yield `${told}: there ${found} times`;
}

interface MoveRow {
  readonly act: string;
  readonly adapter_id: string | null;
}

/** Acknowledged moves are rows, in their order; a move that is no row of ours nobody asked for. */
function* moveFaults({ moves }: Ledger, rows: readonly MoveRow[]): Generator<string> {
  const left = [...moves];
  for (const { act, adapter_id } of rows) {
    const at = left.findIndex((move) => move.act === act && (act === 'rollback' || move.key === adapter_id));
    if (at < 0) yield `a ${act} to ${adapter_id} is there that nobody asked for then`;
    const skipped = left.splice(0, at + 1).slice(0, -1);
    for (const { key, answered } of skipped)
      if (answered) yield `the move ${act} ${key} was acknowledged and is not there`;
  }
  for (const { act, key, answered } of left)
    if (answered) yield `the move ${act} ${key} was acknowledged and is not there`;
}

interface AdapterFilesRow {
  readonly digest: string;
  readonly config_sha256: string;
  readonly weights_sha256: string;
}

async function* adapterFaults(dataDir: string, rows: readonly AdapterFilesRow[]): AsyncGenerator<string> {
  for (const row of rows)
    try {
      await readAdapterFiles(dataDir, row);
      await loadStored(dataDir, row, base);
    } catch (error) {
      yield `the files of adapter ${row.digest}: ${String(error)}`;
    }
}

/** What was erased stands nowhere in the files, freed pages and the log included. */
function* erasureFaults({ judgements, corrections }: Ledger, file: string): Generator<string> {
  const gone = [...judgements, ...corrections].filter(({ erasedBy }) => erasedBy?.answered === true);
  if (gone.length === 0) return;
  const bytes = ['', '-wal'].map((end) => bytesOf(file + end));
  for (const { key } of gone)
    if (bytes.some((part) => part.includes(key))) yield `${key} was erased and is in the file`;
}

function bytesOf(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch {
    return Buffer.alloc(0);
  }
}

/** Every fault of the database, its files, and of what was acknowledged. `active` is what the service says answers. */
export async function faultsOf(dataDir: string, ledger: Ledger, active: string | null): Promise<string[]> {
  const file = path.join(dataDir, 'errata.db');
  const faults: string[] = verifyAudit(file, null).faults.map((fault) => `audit: ${fault}`);
  const database = new Sqlite(file, { readonly: true, timeout: 5000 });
  try {
    const all: All = <T>(sql: string) => database.prepare<[], T>(sql).all();
    const whole: unknown = database.pragma('integrity_check', { simple: true });
    if (whole !== 'ok') faults.push(`integrity_check: ${String(whole)}`);
    const dangling = database.pragma('foreign_key_check') as object[];
    faults.push(...dangling.map((row) => `foreign key: ${JSON.stringify(row)}`));
    for (const [name, sql] of Object.entries(NEVER))
      for (const row of all<object>(sql)) faults.push(`${name}: ${JSON.stringify(row)}`);
    faults.push(...itemFaults(ledger, all));
    const moves = all<MoveRow>('select act, adapter_id from adapter_alias order by seq');
    faults.push(...moveFaults(ledger, moves));
    const newest = moves.at(-1)?.adapter_id ?? null;
    if (newest !== active) faults.push(`${active} answers, and ${newest} is the newest move's`);
    const rows = all<AdapterFilesRow>('select * from adapters').filter(
      ({ digest }) => !ledger.sound.has(digest) && !ledger.damaged.has(digest),
    );
    for await (const fault of adapterFaults(dataDir, rows)) faults.push(fault);
    if (faults.length === 0) for (const { digest } of rows) ledger.sound.add(digest);
    faults.push(...erasureFaults(ledger, file));
    return faults;
  } finally {
    database.close();
  }
}

/** Events of the outbox whose message never came. */
export function untold(dataDir: string, { told }: Ledger): string[] {
  const database = new Sqlite(path.join(dataDir, 'errata.db'), { readonly: true });
  try {
    const ids = database.prepare<[], { id: string }>('select id from webhook_events').all();
    return ids.filter(({ id }) => !told.has(id)).map(({ id }) => id);
  } finally {
    database.close();
  }
}
