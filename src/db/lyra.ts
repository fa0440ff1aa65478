/** Lyra's own database, read only: what its people corrected and confirmed. */
import Sqlite from 'better-sqlite3';
import { Problem } from '../errors.js';
import { sqliteCode } from './failures.js';

/** A row of Lyra's nli_corrections with its page; null where Lyra knows none. */
export interface LyraCorrection {
  readonly id: string;
  readonly edge_id: string;
  readonly premise: string | null;
  readonly nli_hypothesis: string | null;
  readonly predicted_label: string | null;
  readonly predicted_confidence: number | null;
  readonly correct_label: string | null;
  readonly reason: string | null;
  readonly corrected_at: string | null;
  readonly page_id: string | null;
}

/** An edge that a person looked at and left as it was. */
export interface LyraConfirmation {
  readonly edge_id: string;
  readonly premise: string | null;
  readonly nli_hypothesis: string | null;
  readonly relation: string;
  readonly nli_label: string | null;
  readonly confidence: number | null;
  readonly reason: string | null;
  readonly corrected_at: string | null;
  readonly page_id: string | null;
}

export interface LyraFile {
  /** In the order they were made, several of one edge among them. */
  corrections(): IterableIterator<LyraCorrection>;
  confirmations(): IterableIterator<LyraConfirmation>;
  close(): void;
}

const NEEDED = {
  nli_corrections: [
    'id',
    'edge_id',
    'premise',
    'nli_hypothesis',
    'predicted_label',
    'predicted_confidence',
    'correct_label',
    'reason',
    'corrected_at',
  ],
  edges: [
    'id',
    'source_type',
    'source_id',
    'target_type',
    'target_id',
    'relation',
    'nli_label',
    'nli_edge_confidence',
    'edge_human_corrected',
    'edge_correction_reason',
    'edge_corrected_at',
  ],
  fragments: ['id', 'page_id', 'text_content'],
  claims: ['id', 'claim_text'],
} as const;

function missingFrom(connection: Sqlite.Database): string[] {
  return Object.entries(NEEDED).flatMap(([table, columns]) => {
    const rows = connection.prepare<[string], { name: string }>('select name from pragma_table_info(?)').all(table);
    if (rows.length === 0) return [`table ${table}`];
    const names = new Set(rows.map(({ name }) => name));
    return columns.filter((column) => !names.has(column)).map((column) => `column ${table}.${column}`);
  });
}

/** Ids may be numbers or texts: as texts they are the same. */
const CORRECTIONS = `
  select cast(c.id as text) as id, cast(c.edge_id as text) as edge_id, c.premise, c.nli_hypothesis, c.predicted_label,
    c.predicted_confidence, c.correct_label, c.reason, cast(c.corrected_at as text) as corrected_at,
    cast(f.page_id as text) as page_id
  from nli_corrections c
  left join edges e on e.id = c.edge_id and e.source_type = 'fragment'
  left join fragments f on f.id = e.source_id
  order by c.corrected_at, c.rowid`;

/** Lyra's file may have no index on edge_id: a look for each edge would take minutes for a hundred thousand. */
const CONFIRMATIONS = `
  select cast(e.id as text) as edge_id, f.text_content as premise, k.claim_text as nli_hypothesis, e.relation,
    e.nli_label, e.nli_edge_confidence as confidence, e.edge_correction_reason as reason,
    cast(e.edge_corrected_at as text) as corrected_at, cast(f.page_id as text) as page_id
  from edges e
  left join fragments f on e.source_type = 'fragment' and f.id = e.source_id
  left join claims k on e.target_type = 'claim' and k.id = e.target_id
  where e.edge_human_corrected = 1
    and lower(e.relation) in ('supports', 'refutes', 'neutral')
    and cast(e.id as text) not in (select cast(edge_id as text) from nli_corrections where edge_id is not null)
  order by e.edge_corrected_at, e.rowid`;

function connect(file: string): Sqlite.Database {
  try {
    const connection = new Sqlite(file, { readonly: true, fileMustExist: true });
    connection.pragma('schema_version');
    return connection;
  } catch (error) {
    const code = sqliteCode(error);
    const reason = code === 'SQLITE_NOTADB' ? 'is not a SQLite database' : 'cannot be opened';
    throw new Problem('unprocessable', `${file} ${reason}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** Throws Problem 'unprocessable' that names the file and every table and column it lacks. */
export function openLyra(file: string): LyraFile {
  const connection = connect(file);
  const missing = missingFrom(connection);
  if (missing.length > 0) {
    connection.close();
    throw new Problem('unprocessable', `${file} is no database of Lyra's: it lacks ${missing.join(', ')}`);
  }
  return {
    corrections: () => connection.prepare<[], LyraCorrection>(CORRECTIONS).iterate(),
    confirmations: () => connection.prepare<[], LyraConfirmation>(CONFIRMATIONS).iterate(),
    close: () => connection.close(),
  };
}
