import t from 'tap';
import { get, post, serve } from '../support/serve.js';

t.test('what happened is counted, by route and label, without a text or query', async (t) => {
  const { url } = await serve(t);
  const pair = { premise: 'secret', nli_hypothesis: 'secret' };
  await post(`${url}/nli`, { pairs: [pair, { ...pair, premise: '' }] });
  await get(`${url}/predictions?text=secret`);
  await get(`${url}/predictions/secret`);
  await get(`${url}/secret`);
  const { status, headers, body } = await get(`${url}/metrics`);
  t.equal(status, 200);
  t.match(headers.get('content-type'), /^text\/plain; version=0\.0\.4/);
  const lines = [
    'errata_http_request_duration_seconds_count{method="POST",route="/nli",status="200"} 1',
    'errata_http_request_duration_seconds_count{method="GET",route="/predictions",status="200"} 1',
    'errata_http_request_duration_seconds_count{method="GET",route="/predictions/:id",status="404"} 1',
    'errata_http_request_duration_seconds_count{method="GET",route="none",status="404"} 1',
    'errata_pairs_total{label="error"} 1',
    'errata_record_failures_total 0',
    'errata_engine_restarts_total 4',
    'errata_engine_padded_tokens_total 80',
    'errata_engine_children_ready 2',
    'errata_queue_pairs 3',
    'errata_queue_tokens 96',
    'errata_result_cache_entries 10',
    'errata_result_cache_hits_total 11',
    'errata_result_cache_misses_total 12',
    'errata_database_writing 1',
    'errata_database_reading 0',
    'errata_database_restarts_total 2',
    'errata_database_commits_total 7',
    'errata_database_units_total 9',
  ];
  for (const line of lines) t.ok(String(body).split('\n').includes(line), line);
  t.match(body, /^errata_event_loop_delay_p99_seconds \d/m);
  t.notMatch(body, 'secret');
});

t.test('each app counts for itself', async (t) => {
  const first = await serve(t);
  const second = await serve(t);
  await get(`${first.url}/health/live`);
  const { body } = await get(`${second.url}/metrics`);
  t.notMatch(body, 'route="/health/live"');
});
