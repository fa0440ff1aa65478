import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import t from 'tap';
import { contractFault } from '../support/contract.js';
import { get, serve } from '../support/serve.js';

t.test("health has Lyra's shape", async (t) => {
  for (const ready of [true, false]) {
    const { url } = await serve(t, { engine: { ready } });
    const answer = await get(`${url}/health`);
    t.equal(answer.status, 200);
    t.strictSame(answer.body, { status: 'ok', models_loaded: { nli: ready, embedding: false } });
    t.equal(contractFault('getHealth', answer), undefined);
  }
});

t.test('live is the process, ready is the engine', async (t) => {
  for (const [ready, status] of [
    [true, 200],
    [false, 503],
  ] as const) {
    const { url } = await serve(t, { engine: { ready } });
    const live = await get(`${url}/health/live`);
    t.equal(live.status, 200);
    t.equal(contractFault('isLive', live), undefined);
    const answer = await get(`${url}/health/ready`);
    t.equal(answer.status, status);
    t.equal(contractFault('isReady', answer), undefined);
  }
});

t.test('what is not ready says why, and is not logged as a fault', async (t) => {
  const log = new PassThrough();
  const options = { logger: { level: 'error', stream: log } };
  for (const [setup, detail] of [
    [{ engine: { ready: false } }, /no inference child/],
    [{ recording: false }, /the database is not written to/],
  ] as const) {
    const { url, app } = await serve(t, { ...setup, options });
    const answer = await get(`${url}/health/ready`);
    t.match(answer, { status: 503, body: { type: '/problems#not-ready', detail } });
    t.equal(contractFault('isReady', answer), undefined);
    await app.close();
  }
  log.end();
  t.equal(await text(log), '');
});
