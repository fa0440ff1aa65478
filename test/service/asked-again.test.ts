/** The whole real service is asked what it was asked before. */
import t from 'tap';
import type { JudgeAnswer } from '../../src/judge/judge.js';
import { post, startService } from './service.js';

const PAIR = { premise: 'A man plays a guitar.', nli_hypothesis: 'A man makes music.', page_id: 'p7' };

const judge = async (url: string): Promise<JudgeAnswer['results']> =>
  (await post<JudgeAnswer>(`${url}/nli`, { pairs: [PAIR] })).body.results;

async function metrics(url: string): Promise<(name: string) => number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  return (name) => Number(new RegExp(`^errata_${name} (\\S+)$`, 'm').exec(text)?.[1]);
}

t.test('a pair is run once, until its page is erased', async (t) => {
  const { url } = await startService(t, { ERRATA_INFERENCE_CHILDREN: '1' });
  const before = (await metrics(url))('engine_rows_total');
  const [first] = await judge(url);
  const [second] = await judge(url);
  t.strictSame({ ...second, prediction_id: first?.prediction_id }, first);
  t.not(second?.prediction_id, first?.prediction_id, 'each is a judgement of its own');
  const told = await metrics(url);
  t.equal(told('engine_rows_total'), before + 1);
  t.strictSame(
    ['hits_total', 'misses_total', 'entries'].map((name) => told(`result_cache_${name}`)),
    [1, 1, 1],
  );
  t.equal((await post(`${url}/erasures`, { page_id: 'p7', reason: 'asked for' })).status, 200);
  t.equal((await metrics(url))('result_cache_entries'), 0);
  await judge(url);
  t.equal((await metrics(url))('engine_rows_total'), before + 2);
});

t.test('with ERRATA_RESULT_CACHE=0 everything is run', async (t) => {
  const { url } = await startService(t, { ERRATA_INFERENCE_CHILDREN: '1', ERRATA_RESULT_CACHE: '0' });
  const before = (await metrics(url))('engine_rows_total');
  await judge(url);
  await judge(url);
  t.equal((await metrics(url))('engine_rows_total'), before + 2);
});
