import t from 'tap';
import { contractFault } from '../support/contract.js';
import { ADAPTER, get, serve } from '../support/serve.js';

t.test('the model tells its labels, adapter and limits', async (t) => {
  const { url } = await serve(t);
  const answer = await get(`${url}/model`);
  t.strictSame(answer.body, {
    model: 'stand-in',
    digest: 'm1',
    files: { 'model.safetensors': 'f1' },
    labels: [
      { index: 0, raw_label: 'contradiction', label: 'refutes' },
      { index: 1, raw_label: 'entailment', label: 'supports' },
      { index: 2, raw_label: 'neutral', label: 'neutral' },
    ],
    precision: { asked: 'float32', used: 'float32', int8: null },
    adapter: ADAPTER,
    limits: {
      body_bytes: 2_097_152,
      pairs_per_request: 256,
      characters_per_text: 20_000,
      items_per_list: 200,
      max_tokens: 512,
    },
  });
  t.equal(contractFault('getModel', answer), undefined);
});

t.test('the modules tell which of them LoRA may adapt', async (t) => {
  const { url } = await serve(t);
  const answer = await get(`${url}/model/modules`);
  t.match(answer.body, {
    items: [
      { name: /query_proj$/, shape: [8, 4], lora_target: true, why_not: null },
      { name: 'classifier', shape: [3, 8], lora_target: false, why_not: /head/ },
    ],
  });
  t.equal(contractFault('listModules', answer), undefined);
});
