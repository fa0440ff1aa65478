/** P6: SIGTERM while clients of every kind are connected. */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { Agent, request as httpRequest } from 'node:http';
import path from 'node:path';
import Sqlite from 'better-sqlite3';
import t from 'tap';
import { packageRoot } from '../../src/package.js';
import { spawnService } from './spawned.js';

const REVIEWED = path.join(packageRoot, 'demo', 'data', 'reviewed.jsonl');
const JSON_TYPE = { 'content-type': 'application/json' };

interface Answer {
  readonly status: number;
  readonly connection: string | undefined;
  readonly ids: readonly string[];
}

interface NliAnswer {
  readonly results: readonly { readonly prediction_id: string }[];
}

async function ask(url: string, agent: Agent, body: string): Promise<Answer> {
  const sent = httpRequest(`${url}/nli`, { method: 'POST', agent, headers: JSON_TYPE });
  sent.end(body);
  const [response] = await once(sent, 'response');
  let text = '';
  for await (const chunk of response.setEncoding('utf8')) text += chunk;
  const { results } = JSON.parse(text) as NliAnswer;
  return {
    status: response.statusCode as number,
    connection: response.headers.connection,
    ids: results.map(({ prediction_id }) => prediction_id),
  };
}

const bodyOf = (seed: number): string =>
  JSON.stringify({
    pairs: Array.from({ length: 64 }, (_, i) => ({
      premise: `Number ${seed} of ${i}: a man in a red jacket plays a guitar on the street. `.repeat(4),
      nli_hypothesis: 'A man plays.',
    })),
  });

/** Of 64 pairs each: some seconds of work, and no more than may wait on a machine that has other things to do. */
const REQUESTS = 6;

/** Enough reviews for a run that lasts. */
async function startRun(url: string): Promise<string> {
  const lines = readFileSync(REVIEWED, 'utf8')
    .split('\n')
    .slice(0, 100)
    .map((line) => line.replace('"hypothesis":', '"nli_hypothesis":').replace('"label":', '"correct_label":'));
  const imported = await fetch(`${url}/corrections/import`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-ndjson' },
    body: lines.join('\n'),
  });
  await imported.arrayBuffer();
  const started = await fetch(`${url}/training-runs`, { method: 'POST', headers: JSON_TYPE, body: '{"force":true}' });
  return ((await started.json()) as { id: string }).id;
}

t.test('SIGTERM: what was asked is answered and recorded, streams end, and the process with them', async (t) => {
  const data = t.testdir();
  const { url, child, ended } = await spawnService(t, { ERRATA_RECORD: 'required', ERRATA_DATA_DIR: data });
  const agent = new Agent({ keepAlive: true });
  t.teardown(() => agent.destroy());
  const small = JSON.stringify({ pairs: [{ premise: 'A man plays.', nli_hypothesis: 'A man plays.' }] });
  const pooled = await Promise.all(Array.from({ length: 24 }, () => ask(url, agent, small)));
  t.ok(
    pooled.every(({ connection }) => connection === 'keep-alive'),
    'connections are kept',
  );
  const run = await startRun(url);
  const streams = await Promise.all([1, 2].map(() => fetch(`${url}/training-runs/${run}/events`)));
  const read = streams.map((stream) => stream.text());
  const answers = Array.from({ length: REQUESTS }, (_, seed) => ask(url, agent, bodyOf(seed)));
  let waiting = 0;
  while (waiting < 64) {
    const metrics = await (await fetch(`${url}/metrics`)).text();
    waiting = Number(/^errata_queue_pairs (\d+)/m.exec(metrics)?.[1]);
  }
  const asked = performance.now();
  child.kill('SIGTERM');
  const told = await Promise.all(answers);
  for (const { status } of told) t.equal(status, 200);
  t.equal(told.at(-1)?.connection, 'close');
  t.match(await Promise.all(read), [/^retry: /, /^retry: /], 'both streams have ended');
  t.equal(await ended, 0, 'of itself: what takes longer than a stop may is ended with another status');
  t.comment(`${Math.round(performance.now() - asked)} ms`);
  const database = new Sqlite(path.join(data, 'errata.db'), { readonly: true });
  const kept = new Set(database.prepare('select id from predictions').pluck().all());
  database.close();
  const ids = told.flatMap((answer) => answer.ids);
  t.equal(new Set(ids).size, REQUESTS * 64);
  t.strictSame(
    ids.filter((id) => !kept.has(id)),
    [],
  );
});
