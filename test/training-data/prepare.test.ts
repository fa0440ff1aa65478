/** The rows of a run: each on a side that is decided once, in whole groups, with no text on both. */
import t from 'tap';
import { prepareTrainingData } from '../../src/training-data/prepare.js';
import { learn } from '../support/learn.js';
import { post } from '../support/serve.js';
import { correction, corrections, premise, ready, store } from './fixtures/corrections.js';

t.test('asking decides nothing; preparing does, for ever', async (t) => {
  const { url, database } = await learn(t);
  await store(url, corrections(0, 50));
  await ready(url);
  const decided = () =>
    database.kysely.selectFrom('page_sides').select(['group_key', 'side']).orderBy('group_key').execute();
  t.strictSame(await decided(), []);
  const [first, twin] = await Promise.all([prepareTrainingData(database), prepareTrainingData(database)]);
  t.strictSame(twin.rows, first.rows);
  const before = await decided();
  t.equal(before.length, 50);
  await store(url, corrections(50, 150, { correct_label: 'neutral' }));
  const { rows } = await prepareTrainingData(database);
  const sides = new Map((await decided()).map(({ group_key, side }) => [group_key, side]));
  for (const { group_key, side } of before) t.equal(sides.get(group_key), side);
  for (const { group_key, side } of rows) t.equal(side, sides.get(group_key));
});

t.test('rows without a page are grouped by their premise', async (t) => {
  const { url, database } = await learn(t);
  const same = { ...correction(0), page_id: null };
  await store(url, [same, { ...same, premise: ` ${premise(0).toUpperCase()}`, nli_hypothesis: 'Another claim.' }]);
  const { rows } = await prepareTrainingData(database);
  t.equal(new Set(rows.map(({ group_key }) => group_key)).size, 1);
});

t.test('held-out rows whose text is nearly one of the training side leave, and are named', async (t) => {
  const { url, database } = await learn(t);
  const long = (number: number): string => [0, 1, 2, 3, 4].map((part) => premise(number + 1000 * part)).join(' ');
  const twins = Array.from({ length: 40 }, (_, at) => [
    correction(at, { premise: long(at), page_id: `left-${at}` }),
    { ...correction(at, { premise: `${long(at)} indeed`, page_id: `right-${at}` }), nli_hypothesis: `Claim ${at}.` },
  ]).flat();
  await store(url, twins);
  const { rows, left_out } = await prepareTrainingData(database);
  const leaks = left_out.filter(({ reason }) => reason === 'near_duplicate_across_sides');
  t.not(leaks.length, 0);
  t.equal(rows.length + leaks.length, 80);
  const held = rows.filter(({ side }) => side === 'validation');
  for (const { page_id } of held) {
    const twin = page_id?.replace(/left|right/, (word) => (word === 'left' ? 'right' : 'left'));
    t.notOk(
      rows.some((row) => row.page_id === twin && row.side === 'train'),
      `${page_id} is held out and ${twin} trained on`,
    );
  }
});

t.test('what a run excludes is left out', async (t) => {
  const { url, database } = await learn(t);
  const [id = ''] = await store(url, corrections(0, 3));
  const { rows, left_out } = await prepareTrainingData(database, { exclude: [id], min_confidence: 0.5 });
  t.equal(rows.length, 2);
  t.strictSame(left_out, [{ correction_id: id, reason: 'excluded' }]);
});

t.test('what is withdrawn while a run is planned leaves it: nobody saw whether it leaks', async (t) => {
  const { url, database } = await learn(t);
  const ids = await store(url, corrections(0, 10));
  const run = async (...given: Parameters<typeof database.run>) => {
    await post(`${url}/corrections/${ids[4]}/withdraw`, '');
    return await database.run(...given);
  };
  const { rows, left_out, counts } = await prepareTrainingData({ kysely: database.kysely, run } as typeof database);
  t.strictSame(left_out, [{ correction_id: ids[4], reason: 'withdrawn' }]);
  t.notOk(rows.some(({ correction_id }) => correction_id === ids[4]));
  t.match(counts, { usable: 9, left_out: 1 });
});
