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
