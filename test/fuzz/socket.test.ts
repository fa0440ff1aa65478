/** P7: bytes that are no HTTP, or HTTP that two servers would read in two ways, over the service's own socket. */
import fc from 'fast-check';
import t from 'tap';
import { get, startService } from '../service/service.js';
import { exchange } from './raw-socket.js';

t.setTimeout(300_000);

const seed = Number(process.env['FUZZ_SEED'] ?? 20_260_102);
const { url } = await startService(t, { ERRATA_INFERENCE_CHILDREN: '1', ERRATA_WIDE_SESSION: 'off' });
const { hostname: host, port: told } = new URL(url);
const wire = { host, port: Number(told) };

const PAIR = JSON.stringify({ pairs: [{ premise: 'A man sleeps.', nli_hypothesis: 'A man is awake.' }] });
const JSON_TYPE = 'content-type: application/json';

/** What somebody wants to get past whoever reads the request before it as one. */
const SMUGGLED = 'GET /health/live HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n';

const post = (headers: readonly string[], body: string): string =>
  [`POST /nli HTTP/1.1`, 'host: 127.0.0.1', JSON_TYPE, ...headers, '', body].join('\r\n');
const chunk = (text: string): string => `${text.length.toString(16)}\r\n${text}\r\n`;
const chunked = 'transfer-encoding: chunked';
const lengthOf = (text: string): string => `content-length: ${text.length}`;

const AMBIGUOUS: readonly (readonly [string, string])[] = [
  ['a length and chunks', post([lengthOf(PAIR), chunked], `${chunk(PAIR)}0\r\n\r\n${SMUGGLED}`)],
  ['chunks and a length', post([chunked, 'content-length: 4'], `0\r\n\r\n${SMUGGLED}`)],
  ['two lengths', post(['content-length: 0', lengthOf(SMUGGLED)], SMUGGLED)],
  ['two lengths that agree', post(['content-length: 0', 'content-length: 0'], SMUGGLED)],
  ['two lengths in one header', post(['content-length: 0, 0'], SMUGGLED)],
  ['a length with a sign', post(['content-length: +0'], SMUGGLED)],
  ['a negative length', post(['content-length: -1'], SMUGGLED)],
  ['a hexadecimal length', post(['content-length: 0x0'], SMUGGLED)],
  ['a length beyond every number', post(['content-length: 99999999999999999999'], SMUGGLED)],
  ['an empty length', post(['content-length: '], SMUGGLED)],
  ['chunks named with a space before the colon', post(['transfer-encoding : chunked'], `0\r\n\r\n${SMUGGLED}`)],
  ['chunks named on a folded line', post(['transfer-encoding:', ' chunked'], `0\r\n\r\n${SMUGGLED}`)],
  ['chunks that are not the last coding', post(['transfer-encoding: chunked, identity'], `0\r\n\r\n${SMUGGLED}`)],
  ['another coding alone', post(['transfer-encoding: xchunked'], `0\r\n\r\n${SMUGGLED}`)],
  ['a chunk size that is none', post([chunked], `z\r\n\r\n${SMUGGLED}`)],
  ['a chunk size beyond every number', post([chunked], `fffffffffffffffff\r\nx\r\n0\r\n\r\n${SMUGGLED}`)],
  ['a negative chunk size', post([chunked], `-1\r\nx\r\n0\r\n\r\n${SMUGGLED}`)],
  ['a chunk longer than its size', post([chunked], `1\r\nxx\r\n0\r\n\r\n${SMUGGLED}`)],
  ['a chunk size that ends in a line feed alone', post([chunked], `1\nx\r\n0\r\n\r\n${SMUGGLED}`)],
  ['NUL in a header', post(['x-a: \0'], SMUGGLED)],
  ['a carriage return in a header', post(['x-a: a\rtransfer-encoding: chunked'], SMUGGLED)],
  ['a header without a name', post([': x'], SMUGGLED)],
  ['a header without a colon', post(['x'], SMUGGLED)],
  ['a space in a header name', post(['x y: 1'], SMUGGLED)],
  ['no host', `GET /health/live HTTP/1.1\r\n\r\n${SMUGGLED}`],
  ['a version that is none', `GET /health/live HTTP/1.x\r\nhost: x\r\n\r\n${SMUGGLED}`],
  ['a version of the future', `GET /health/live HTTP/9.9\r\nhost: x\r\n\r\n${SMUGGLED}`],
  ['a path with a space', `GET /health/live x HTTP/1.1\r\nhost: x\r\n\r\n${SMUGGLED}`],
  ['a method that is none', `GE\u00a0T / HTTP/1.1\r\nhost: x\r\n\r\n${SMUGGLED}`],
];

t.test('a request that could be read in two ways is refused, and nothing behind it is read', async (t) => {
  for (const [name, sent] of AMBIGUOUS) {
    const { statuses, closed, text } = await exchange(sent, { ...wire, silenceMs: 5000 });
    t.ok(statuses.length <= 1 && statuses.every((status) => status === 400), `${name}: ${statuses.join()}`);
    t.ok(closed, `${name}: the connection is ended`);
    // Without a host Node answers by itself, in fewer words.
    if (statuses.length > 0 && name !== 'no host')
      t.match(text, /content-type: application\/problem\+json[^]*"status":400/, name);
  }
});

const OTHERS: readonly (readonly [string, string | Buffer])[] = [
  ["TLS' first bytes", Buffer.from('16030102000100 01fc0303'.replace(' ', ''), 'hex')],
  ["HTTP/2's first bytes", 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
  ['a line of HTTP/0.9', 'GET /\r\n\r\n'],
  ["SSH's first line", 'SSH-2.0-OpenSSH_9.6\r\n'],
  ['nothing but line breaks', '\r\n'.repeat(5000)],
  ['NUL', '\0'.repeat(5000)],
  ['a tunnel', 'CONNECT example.org:443 HTTP/1.1\r\nhost: example.org:443\r\n\r\n'],
  ['a method in small letters', 'get /health/live HTTP/1.1\r\nhost: x\r\n\r\n'],
  ['a line without end', `GET /${'a'.repeat(100_000)}`],
];

t.test('what is no request of HTTP/1.1 is refused or dropped', async (t) => {
  for (const [name, sent] of OTHERS) {
    const { statuses, closed } = await exchange(sent, { ...wire, end: true });
    t.ok(
      statuses.every((status) => status >= 400 && status < 500),
      `${name}: ${statuses.join()}`,
    );
    t.ok(closed, `${name}: the connection is ended`);
  }
  const one = fc.oneof(fc.uint8Array({ minLength: 1, maxLength: 300 }), changed());
  const property = fc.asyncProperty(one, async (sent) => {
    const { statuses, closed } = await exchange(sent, { ...wire, end: true });
    if (!closed || statuses.some((status) => status >= 500)) throw new Error(`closed: ${closed}, ${statuses.join()}`);
  });
  const result = await fc.check(property, { seed, numRuns: Number(process.env['FUZZ_BYTES'] ?? 500) });
  t.equal(
    result.failed && fc.defaultReportMessage(result),
    false,
    'and bytes at random, and requests with some changed',
  );
});

/** A good request with one to four of its bytes changed. */
function changed(): fc.Arbitrary<Uint8Array> {
  const request = Buffer.from(post([lengthOf(PAIR)], PAIR));
  const change = fc.tuple(fc.nat(request.length - 1), fc.nat(255));
  return fc.array(change, { minLength: 1, maxLength: 4 }).map((changes) => {
    const copy = Uint8Array.from(request);
    for (const [at, byte] of changes) copy[at] = byte;
    return copy;
  });
}

const getOf = (path: string, ...headers: string[]): string =>
  [`GET ${path} HTTP/1.1`, 'host: 127.0.0.1', ...headers, '', ''].join('\r\n');

const LARGE: readonly (readonly [string, string, readonly number[]])[] = [
  ['a header of 100 kB', getOf('/health/live', `x-a: ${'a'.repeat(100_000)}`), [431]],
  ['a thousand headers', getOf('/health/live', ...Array.from({ length: 1000 }, (_, i) => `x-${i}: 1`)), [200]],
  ['five thousand headers', getOf('/health/live', ...Array.from({ length: 5000 }, (_, i) => `x-${i}: 1`)), [431]],
  ['a path of 12 kB', getOf(`/${'a'.repeat(12_000)}`), [404]],
  ['a path of 10 kB of escapes', getOf(`/predictions/${'%61'.repeat(3400)}`), [404]],
  ['a query of a thousand parameters', getOf(`/predictions?${'a=1&'.repeat(1000)}`), [400]],
  ['a trailer', post([chunked], `${chunk(PAIR)}0\r\n__proto__: x\r\n\r\n`), [200]],
  ['an expectation that is none', getOf('/health/live', 'expect: miracles'), [417]],
  ['an upgrade', getOf('/health/live', 'connection: upgrade', 'upgrade: websocket'), [200]],
  ['a method nobody asks for', `TRACE /nli HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n`, [404, 405]],
  ['a whole address as path', getOf('http://127.0.0.1/health/live'), [200, 400, 404]],
  ['an asterisk as path', `OPTIONS * HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n`, [404, 405]],
];

t.test('what is large or rare is answered as it should be', async (t) => {
  for (const [name, sent, expected] of LARGE) {
    const { statuses, text } = await exchange(sent, { ...wire, silenceMs: 1500 });
    t.equal(statuses.length, 1, name);
    t.ok(expected.includes(statuses[0] as number), `${name}: ${statuses[0]}`);
    if ((statuses[0] as number) >= 400 && statuses[0] !== 417) t.match(text, /application\/problem\+json/, name);
  }
});

t.test('pipelined requests are answered in their order, each once', async (t) => {
  const sent = [getOf('/health/live'), post([lengthOf(PAIR)], PAIR), getOf('/nowhere'), getOf('/health/live')].join('');
  const { statuses } = await exchange(sent, { ...wire, silenceMs: 3000 });
  t.strictSame(statuses, [200, 200, 404, 200]);
});

t.test('the service answers as before', async (t) => {
  t.match(await get(`${url}/health/ready`), { status: 200, body: { status: 'ok' } });
});
