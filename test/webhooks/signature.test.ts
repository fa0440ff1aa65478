import t from 'tap';
import { decodeSecret, signature } from '../../src/webhooks/signature.js';

t.test('the signature is that of Standard Webhooks', async (t) => {
  const key = decodeSecret('whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw');
  const signed = { id: 'msg_p5jXN8AQM9LWM0D4loKWxJek', timestamp: 1_614_265_330, body: '{"test": 2432232314}' };
  t.equal(signature([key!], signed), 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=');
  t.equal(decodeSecret('MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'), null);
  t.equal(decodeSecret('whsec_c2hvcnQ='), null);
  t.equal(decodeSecret(`whsec_${'?'.repeat(40)}`), null);
});
