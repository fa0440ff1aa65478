import t from 'tap';
import { contractFault } from '../support/contract.js';
import { post, serve } from '../support/serve.js';

t.test('warming up needs no body', async (t) => {
  const { url } = await serve(t);
  const bare = await fetch(`${url}/warmup`, { method: 'POST' });
  t.equal(bare.status, 200);
  t.match(await bare.json(), { ok: true, message: String });
  for (const body of ['', '{}']) {
    const answer = await post(`${url}/warmup`, body);
    t.equal(answer.status, 200, `an application/json body of ${body.length} bytes`);
    t.equal(contractFault('warmUp', answer), undefined);
  }
});
