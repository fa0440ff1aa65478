/** A shadow comparison over the whole real service: nothing to judge yet, and said so. */
import t from 'tap';
import { get, post, startService } from './service.js';

interface Told {
  readonly id: string;
  readonly state: string;
  readonly verdict: string | null;
}

t.test('a comparison is queued, judged in the background and told as JSON and as a page', async (t) => {
  const { url } = await startService(t, { ERRATA_GATE_MIN_ROWS: '7' });
  const started = await post<Told>(`${url}/shadow-comparisons`, { adapter: 'base', against: 'active' });
  t.match(started, { status: 202, body: { state: 'queued' } });
  const path = `${url}/shadow-comparisons/${started.body.id}`;
  let told = await get<Told>(path);
  while (told.body.state !== 'succeeded') {
    await new Promise((resolve) => setTimeout(resolve, 20));
    told = await get<Told>(path);
    t.notMatch(told.body, { state: 'failed' });
  }
  t.match(told.body, { verdict: 'not_enough_data', recommend_deploy: false, report: { gate: { least_rows: 7 } } });
  t.match((await get<{ items: Told[] }>(`${url}/shadow-comparisons`)).body.items, [{ id: started.body.id }]);
  const page = await (await fetch(path, { headers: { accept: 'text/html' } })).text();
  t.match(page, /^<!doctype html>[^]*Not enough data[^]*at least 7 held-out corrections/);
  t.match(await post(`${url}/shadow-comparisons`, { adapter: 'v1' }), { status: 422 });
});
