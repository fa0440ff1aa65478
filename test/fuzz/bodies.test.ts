/** P7: bodies made to hurt — deep, huge, compressed, no UTF-8, against prototypes — to every operation that takes one. */
import { gzipSync } from 'node:zlib';
import t from 'tap';
import { get, startService } from '../service/service.js';
import { openApi } from '../support/contract.js';
import { createClient } from './http.js';
import { type Operation, operationsOf } from './operations.js';
import { createJudge } from './verdict.js';

t.setTimeout(300_000);

const POSTS = operationsOf(openApi).filter(({ method }) => method === 'POST');
const deep = (open: string, shut: string, levels: number, inner = ''): string =>
  open.repeat(levels) + inner + shut.repeat(levels);

/** For the places where the service's own code, not its schemas, meets what is inside. */
const inside = (value: string): string[] => [
  value,
  `{"corrections":[${value}]}`,
  `{"pairs":[${value}]}`,
  `{"pairs":${value}}`,
  `{"parameters":${value}}`,
  `{"parameters":{"target_modules":${value}}}`,
  `{"exclude":[${value}]}`,
  `{"reason":${value}}`,
  `{"adapter":${value}}`,
  `{"correct_label":"refutes","premise":${value}}`,
];

const TEXTS: readonly string[] = [
  ...inside(deep('[', ']', 100_000)),
  ...inside(deep('{"a":', '}', 20_000, '1')),
  ...inside(deep('[', '', 100_000)),
  ...inside(`[${'0,'.repeat(50_000)}0]`),
  ...inside(`{${Array.from({ length: 5000 }, (_, i) => `"k${i}":0`).join(',')}}`),
  ...inside('{"__proto__":{"polluted":1}}'),
  ...inside('{"constructor":{"prototype":{"polluted":1}}}'),
  ...inside('{"\\u005f\\u005fproto__":{"polluted":1}}'),
  ...inside('1e999'),
  deep('{"corrections":[', ']}', 8000, '1'),
  `{"corrections":[${deep('[', ']', 900_000)}]}`,
  `{"corrections":[${deep('[', ']', 29, '1')}]}`,
  '9'.repeat(100_000),
  `"${'\\'.repeat(1_000_000)}"`,
  `"${'\\ud800'.repeat(100_000)}"`,
  '\uFEFF{}',
  '\uFEFF',
  ' '.repeat(1_000_000),
  '{}'.repeat(1000),
];

const BYTES: readonly (readonly [string, Buffer])[] = [
  ['a byte that no UTF-8 has', Buffer.from([0x22, 0xff, 0x22])],
  ['an overlong slash', Buffer.from([0x22, 0xc0, 0xaf, 0x22])],
  ['half of a surrogate pair', Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22])],
  ['UTF-16', Buffer.from('\uFEFF{"pairs":[]}', 'utf16le')],
  ['a character cut off', Buffer.from([0x22, 0xf0, 0x9f])],
  ['NUL', Buffer.alloc(10_000)],
];

/** Ids that nobody has: what is asked here is about the body. */
const pathOf = ({ path }: Operation): string => path.replaceAll(/\{\w+\}/g, 'none');
const typeOf = ({ bodies }: Operation): string => Object.keys(bodies)[0] ?? 'application/json';

const { url } = await startService(t, {
  ERRATA_INFERENCE_CHILDREN: '1',
  ERRATA_WIDE_SESSION: 'off',
  ERRATA_EMBED_URL: 'http://127.0.0.1:9',
});
const client = createClient(url);
t.teardown(() => client.close());
const judge = createJudge(openApi.components, [t.testdirName]);

async function ask(operation: Operation, body: Buffer, headers: Readonly<Record<string, string>> = {}) {
  const type = { 'content-type': typeOf(operation) };
  const reply = await client.send({ method: 'POST', path: pathOf(operation), headers: { ...type, ...headers }, body });
  // Behind /embed nobody is there, which is told as it is.
  const expected = operation.id === 'embed' && reply.status === 502;
  return { status: reply.status, fault: expected ? undefined : judge.fault(operation, reply) };
}

t.test('JSON that is deep, long, poisoned or none', async (t) => {
  for (const operation of POSTS) {
    const faults: string[] = [];
    // A repeated request is known by a digest of its body, which walks through all of it.
    const repeats = operation.parameters.some(({ name }) => name === 'idempotency-key');
    for (const [i, text] of TEXTS.entries()) {
      const { fault } = await ask(operation, Buffer.from(text), repeats ? { 'idempotency-key': `key-${i}` } : {});
      if (fault !== undefined) faults.push(`${text.slice(0, 40)}: ${fault}`);
    }
    t.strictSame(faults, [], operation.id);
  }
  t.equal(({} as { polluted?: unknown }).polluted, undefined, 'no prototype was changed');
});

t.test('bytes that are no UTF-8', async (t) => {
  for (const operation of POSTS.filter((one) => !['embed', 'importAdapter', 'importCorrections'].includes(one.id)))
    for (const [name, bytes] of BYTES) {
      const { status, fault } = await ask(operation, bytes);
      t.equal(fault, undefined, `${operation.id}, ${name}`);
      t.equal(status, 400, `${operation.id}, ${name}`);
    }
});

t.test('compressed bodies stay compressed', async (t) => {
  const bomb = gzipSync(Buffer.alloc(500_000_000));
  const before = process.memoryUsage.rss();
  for (const operation of POSTS)
    for (const coding of ['gzip', 'GZIP', 'deflate', 'br', 'gzip, gzip']) {
      const { status, fault } = await ask(operation, bomb, { 'content-encoding': coding });
      t.equal(fault, undefined, `${operation.id}, ${coding}`);
      // Lines that are no JSON are each told by their number.
      t.ok(status >= 400 || operation.id === 'importCorrections', `${operation.id}, ${coding}: ${status}`);
    }
  t.ok(process.memoryUsage.rss() - before < 250_000_000, 'half a gigabyte of zeros was never unpacked');
});

t.test('a body over the limit is refused, whether it says its length or not', async (t) => {
  for (const operation of POSTS.filter(({ id }) => id !== 'importCorrections')) {
    const { status, fault } = await ask(operation, Buffer.alloc(9_000_000, 0x20));
    t.equal(fault, undefined, operation.id);
    t.equal(status, 413, operation.id);
  }
});

t.test('the service answers as before', async (t) => {
  t.match(await get(`${url}/health/ready`), { status: 200, body: { status: 'ok' } });
});
