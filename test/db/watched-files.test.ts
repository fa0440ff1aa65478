import { copyFileSync, renameSync, rmSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import t from 'tap';
import { openDatabase } from '../../src/db/database.js';
import { keepRetention } from '../../src/db/retention.js';
import { fileIn, openFor } from './fixtures/open.js';
import { prediction } from './fixtures/prediction.js';

const posix = process.platform === 'win32' && 'an open file can be neither removed nor replaced';

const replace = (file: string): void => {
  copyFileSync(file, `${file}.copy`);
  renameSync(`${file}.copy`, file);
};
const LOSSES: [string, (file: string) => void, RegExp][] = [
  ['the database deleted', (file) => rmSync(file), /errata\.db was deleted or replaced/],
  ['the database replaced', replace, /errata\.db was deleted or replaced/],
  ['its log deleted', (file) => rmSync(`${file}-wal`), /errata\.db-wal was deleted or replaced/],
];

t.test('a file that loses its name while it is in use stops all writing, not reading', { skip: posix }, async (t) => {
  for (const [name, lose, message] of LOSSES) {
    const file = fileIn(t);
    const told: [object, string][] = [];
    const log = { info: () => undefined, error: (fields: object, words: string) => void told.push([fields, words]) };
    const db = await openDatabase({ url: `sqlite:${file}`, log });
    await db.run('recordPredictions', { rows: [prediction(1)] });
    lose(file);
    for (const number of [2, 3]) {
      const recording = db.run('recordPredictions', { rows: [prediction(number)] });
      await t.rejects(recording, { code: 'storage-failed', message }, name);
    }
    t.match(db.health(), { writing: 'stopped', reading: 'open', reason: message }, name);
    t.match(told, [[{ reason: message }, /nothing is written any more/]], `${name}: told once`);
    t.equal((await db.kysely.selectFrom('predictions').select('id').execute()).length, 1, name);
    await db.close();
  }
});

t.test('of a service that nobody asks, the retention finds it', { skip: posix }, async (t) => {
  const file = fileIn(t);
  const db = await openFor(t, file);
  const stop = keepRetention(db, { maxBytes: 1e9, everyMs: 5, clock: Date.now });
  t.teardown(stop);
  await setTimeout(50);
  t.equal(db.health().writing, 'open');
  rmSync(file);
  while (db.health().writing === 'open') await setTimeout(5);
  t.equal(db.health().writing, 'stopped');
});

t.test('another process that opens and closes the same file loses nothing', async (t) => {
  const file = fileIn(t);
  const db = await openFor(t, file);
  await (await openDatabase({ url: `sqlite:${file}` })).close();
  await db.rewrite();
  await t.resolves(db.run('recordPredictions', { rows: [prediction(1)] }));
});
