/** The file that says who is told. */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import t from 'tap';
import { readTargets } from '../../src/webhooks/targets.js';

const SECRET = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;
const GOOD = { id: 'ops', url: 'https://example.org/hook', secret: SECRET };
const REFUSED: readonly (readonly [string, unknown, RegExp])[] = [
  ['no object', [], /expected \{"targets"/],
  ['an unknown field', { targets: [{ ...GOOD, header: 'x' }] }, /\/targets\/0\/header is not known/],
  ['no id', { targets: [{ ...GOOD, id: '' }] }, /\/targets\/0\/id/],
  ['an id twice', { targets: [GOOD, GOOD] }, /\/targets\/1\/id is another/],
  ['plain HTTP elsewhere', { targets: [{ ...GOOD, url: 'http://example.org/' }] }, /only on loopback/],
  ['a password', { targets: [{ ...GOOD, url: 'https://a:b@example.org/' }] }, /without user/],
  ['a file', { targets: [{ ...GOOD, url: 'file:///etc/passwd' }] }, /expected an https/],
  ['a weak secret', { targets: [{ ...GOOD, secret: 'whsec_YWJj' }] }, /\/targets\/0\/secret: expected whsec_/],
  ['no secret', { targets: [{ ...GOOD, secret: [] }] }, /secret: expected/],
  [
    'an unknown event',
    { targets: [{ ...GOOD, types: ['run.started'] }] },
    /\/targets\/0\/types: expected a list of run.ended/,
  ],
];

t.test('targets are read from their file; faults name the field and never the secret', async (t) => {
  const file = path.join(t.testdir(), 'webhooks.json');
  const write = (value: unknown): void =>
    writeFileSync(file, typeof value === 'string' ? value : JSON.stringify(value));
  write({
    targets: [GOOD, { ...GOOD, id: 'two', url: 'http://[::1]:80/', secret: [SECRET, SECRET], types: ['run.ended'] }],
  });
  t.match(await readTargets(file), [
    { id: 'ops', types: null },
    { id: 'two', types: ['run.ended'] },
  ]);
  for (const [name, value, message] of REFUSED) {
    write(value);
    await t.rejects(readTargets(file), { message }, name);
  }
  write(`{"targets": [{"secret": "${SECRET}"`);
  const told = await readTargets(file).catch((error: Error) => error.message);
  t.match(told, /is no JSON/);
  t.notMatch(told, SECRET);
  await t.rejects(readTargets(`${file}.absent`), { message: /cannot be read: ENOENT/ });
  t.strictSame(await readTargets(null), []);
});
