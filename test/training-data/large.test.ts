/** A table whose texts are larger than the memory that plans a run of it. */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import t from 'tap';
import { openTrainingDatabase, rowOf } from '../training/fixtures/training.js';

const ROWS = 5000;
const CHARACTERS = 20_000;
const HEAP_MB = 64;

t.test('texts are read by the way: planning and reading for a comparison take less memory than they do', async (t) => {
  const home = t.testdir();
  const database = await openTrainingDatabase(home);
  for (let from = 0; from < ROWS; from += 100) {
    const numbers = Array.from({ length: 100 }, (_, at) => from + at);
    await database.run(
      'insertCorrections',
      numbers.map((number) =>
        rowOf(number, {
          premise: `${`n${number} `.repeat(3)}${number} `.padEnd(CHARACTERS, 'word '),
          page_id: `p-${number}`,
        }),
      ),
    );
  }
  await database.close();
  const worker = new Worker(new URL('./fixtures/planner.js', import.meta.url), {
    workerData: home,
    resourceLimits: { maxOldGenerationSizeMb: HEAP_MB },
  });
  const [{ rows, held, trained }] = (await once(worker, 'message')) as [Record<string, number>];
  t.strictSame([rows, held! + trained!], [ROWS, ROWS]);
  t.ok(held! > 0.15 * ROWS && held! < 0.25 * ROWS);
});
