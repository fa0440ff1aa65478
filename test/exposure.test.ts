import t from 'tap';
import { isLoopback, refuseOpenService } from '../src/exposure.js';

const INSIDE = ['127.0.0.1', '127.8.9.10', '::1', '0:0:0:0:0:0:0:1', '::ffff:127.0.0.1', 'localhost', 'LOCALHOST'];
const OUTSIDE = [
  '0.0.0.0',
  '::',
  '192.168.1.2',
  '128.0.0.1',
  '::2',
  '::ffff:10.0.0.1',
  'example.org',
  '127.0.0.1.example.org',
  'localhost.example',
  '',
];

t.test('which addresses only this machine can reach', async (t) => {
  for (const host of INSIDE) t.equal(isLoopback(host), true, host);
  for (const host of OUTSIDE) t.equal(isLoopback(host), false, host);
});

t.test('without a key only a loopback address may be listened on', async (t) => {
  for (const host of INSIDE) t.doesNotThrow(() => refuseOpenService(host, 0), host);
  for (const host of OUTSIDE)
    t.throws(() => refuseOpenService(host, 0), { message: /^ERRATA_HOST: .*no API key/ }, host);
  for (const host of OUTSIDE) t.doesNotThrow(() => refuseOpenService(host, 1), host);
});
