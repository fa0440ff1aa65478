import t from 'tap';
import { AdapterUses } from '../../src/engine/adapter-uses.js';

const TENSORS = { modules: new Map(), head: { weight: new Float32Array(0), bias: new Float32Array(0) } };

function held(): { adapters: AdapterUses; dropped: string[] } {
  const dropped: string[] = [];
  const adapters = new AdapterUses((digest) => dropped.push(digest));
  adapters.hold('x', TENSORS);
  return { adapters, dropped };
}

t.test('an adapter nobody uses is dropped at once, and once', async (t) => {
  const { adapters, dropped } = held();
  adapters.forget('x');
  adapters.forget('x');
  adapters.forget('unknown');
  t.strictSame(dropped, ['x']);
  t.notOk(adapters.has('x'));
});

t.test('an adapter in use is refused to new requests, and stays until the last is settled', async (t) => {
  const { adapters, dropped } = held();
  adapters.use('x');
  adapters.use('x');
  adapters.forget('x');
  t.notOk(adapters.has('x'));
  adapters.release('x');
  t.ok(adapters.tensors.has('x'), 'a child that starts now still gets it');
  adapters.release('x');
  t.strictSame(dropped, ['x']);
  t.notOk(adapters.tensors.has('x'));
});

t.test('an adapter that is held again while in use is not dropped', async (t) => {
  const { adapters, dropped } = held();
  adapters.use('x');
  adapters.forget('x');
  adapters.hold('x', TENSORS);
  adapters.release('x');
  t.strictSame(dropped, []);
  t.ok(adapters.has('x'));
});
