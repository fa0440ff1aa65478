/** `errata import lyra` put together: the service's database, without the service. */
import { uuidv7 } from 'uuidv7';
import type { Config } from '../config.js';
import { createCorrections } from './correct.js';
import { openDatabase } from '../db/database.js';
import type { Judge } from '../judge/judge.js';
import { importLyra, type LyraReport } from './lyra.js';

/** Every row of Lyra's says what was predicted, so none is judged here. */
const noJudge: Judge = {
  judge: () => Promise.reject(new Error("a row of Lyra's came without what was predicted")),
};

/** The service may run meanwhile: both processes write the file in turn. */
export async function importLyraInto({ databaseUrl }: Pick<Config, 'databaseUrl'>, file: string): Promise<LyraReport> {
  const database = await openDatabase({ url: databaseUrl });
  try {
    const corrections = createCorrections({ database, judge: noJudge, modelDigest: '', now: Date.now, newId: uuidv7 });
    return await importLyra(file, corrections);
  } finally {
    await database.close();
  }
}
