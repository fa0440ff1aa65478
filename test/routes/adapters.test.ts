/** The wire of adapters, over a real registry and a stand-in for the engine. */
import { readFileSync, truncateSync } from 'node:fs';
import t, { type Test } from 'tap';
import { fileOf } from '../../adapters/store.js';
import type { AdapterFiles } from '../../adapters/format.js';
import { contractFault } from '../support/contract.js';
import { formOf, randomAdapter } from '../support/adapter-files.js';
import { bundled, openOver, openParts } from '../support/registry.js';
import { get, post, serve, type Answered } from '../support/serve.js';

const [FIRST, SECOND] = [1, 2].map((seed) => randomAdapter(bundled.config, { seed })) as [AdapterFiles, AdapterFiles];
const LIMIT = 300_000;

async function serving(t: Test) {
  const parts = await openParts(t);
  const registry = await openOver(parts);
  const { url } = await serve(t, { registry, adapterBytes: LIMIT });
  return { url, parts, registry };
}

async function send(url: string, body: RequestInit['body'], headers: Record<string, string> = {}): Promise<Answered> {
  const response = await fetch(`${url}/adapters`, { method: 'POST', headers, ...(body !== undefined && { body }) });
  const text = await response.text();
  return { status: response.status, headers: response.headers, body: JSON.parse(text) as unknown };
}

const force = { force: true, reason: 'because' };

t.test('an adapter is imported, listed, found by its names, and comes out byte for byte', async (t) => {
  const { url } = await serving(t);
  const answer = await send(url, formOf(FIRST));
  t.equal(answer.status, 201);
  t.equal(contractFault('importAdapter', answer), undefined);
  const adapter = answer.body as { id: string; digest: string };
  t.match(adapter, { version: 'v1', origin: 'imported', active: false, compatible: true, run_id: null });
  t.equal(answer.headers.get('location'), `/adapters/${adapter.id}`);
  const again = await send(url, formOf(FIRST));
  t.match(again, { status: 200, body: adapter }, 'the same again is the same');
  t.equal(contractFault('importAdapter', again), undefined);
  await send(url, formOf(SECOND));
  for (const name of [adapter.id, 'v1', adapter.digest]) {
    const found = await get(`${url}/adapters/${name}`);
    t.strictSame(found.body, adapter);
    t.equal(contractFault('getAdapter', found), undefined);
  }
  const files = [
    ['adapter_config.json', FIRST.config],
    ['adapter_model.safetensors', FIRST.weights],
  ] as const;
  for (const [name, bytes] of files) {
    const file = await fetch(`${url}/adapters/v1/files/${name}`);
    t.ok(Buffer.from(await file.arrayBuffer()).equals(bytes), name);
    t.equal(file.headers.get('content-length'), String(bytes.length));
    t.equal(file.headers.get('content-disposition'), `attachment; filename="${name}"`);
  }
});

t.test('the list goes from the newest to the oldest, page by page', async (t) => {
  const { url } = await serving(t);
  for (const files of [FIRST, SECOND]) await send(url, formOf(files));
  const first = await get(`${url}/adapters?limit=1`);
  t.equal(contractFault('listAdapters', first), undefined);
  const { items, next_cursor } = first.body as { items: unknown[]; next_cursor: string };
  t.match(items, [{ version: 'v2' }]);
  const second = await get(`${url}/adapters?limit=1&cursor=${next_cursor}`);
  t.match(second.body, { items: [{ version: 'v1' }], next_cursor: null });
  for (const query of ['limit=0', 'limit=201', 'limit=x', 'cursor=!', 'cursor=WyJ4Il0', 'page=2'])
    for (const path of ['adapters', 'adapters/history']) {
      const answer = await get(`${url}/${path}?${query}`);
      t.equal(answer.status, 400, `${path}?${query}`);
    }
});

t.test('promotion and rollback over HTTP', async (t) => {
  const { url } = await serving(t);
  const v1 = (await send(url, formOf(FIRST))).body as { id: string; digest: string };
  const base = await get(`${url}/adapters/active`);
  t.match(base.body, { adapter: null });
  t.equal(base.headers.get('etag'), '"base"');
  t.equal(contractFault('getActiveAdapter', base), undefined);
  const refused = await post(`${url}/adapters/v1/promote`, '');
  t.match(refused, { status: 409, body: { detail: /v1 was not compared with the base model/ } });
  t.equal(contractFault('promoteAdapter', refused), undefined);
  const stale = await post(`${url}/adapters/v1/promote`, force, { 'if-match': `"${v1.digest}"` });
  t.match(stale, { status: 412, body: { type: '/problems#stale-precondition' } });
  t.equal(contractFault('promoteAdapter', stale), undefined);
  const promoted = await post(`${url}/adapters/v1/promote`, force, { 'if-match': '"base"' });
  t.match(promoted, { status: 200, body: { version: 'v1', active: true } });
  t.equal(promoted.headers.get('etag'), `"${v1.digest}"`);
  t.equal(contractFault('promoteAdapter', promoted), undefined);
  const active = await get(`${url}/adapters/active`);
  t.match(active.body, { adapter: { id: v1.id, active: true } });
  t.equal(contractFault('getActiveAdapter', active), undefined);
  const back = await fetch(`${url}/adapters/rollback`, { method: 'POST' });
  t.equal(back.status, 200, 'without a body and its content type');
  t.equal(back.headers.get('etag'), '"base"');
  const more = await post(`${url}/adapters/rollback`, { reason: 'more' });
  t.match(more, { status: 409, body: { detail: /nothing to go back to/ } });
  t.equal(contractFault('rollBackAdapter', more), undefined);
  const history = await get(`${url}/adapters/history`);
  t.equal(contractFault('listAdapterHistory', history), undefined);
  const moves = [
    { act: 'rollback', adapter: null, forced: false, reason: null, until: null },
    { act: 'promote', adapter: { id: v1.id, version: 'v1', digest: v1.digest }, forced: true, reason: 'because' },
  ];
  t.match(history.body, { items: moves, next_cursor: null });
});

const BAD: [string, string, unknown, number, RegExp][] = [
  ['an unknown adapter', 'v9/promote', force, 404, /no adapter/],
  ['an id that is a path', '..%2fv1/promote', force, 400, /./],
  ['an unknown field', 'v1/promote', { because: 'x' }, 400, /because is not known/],
  ['a reason that is no text', 'v1/promote', { reason: 7 }, 400, /reason must be a string or null/],
  ['force that is text', 'v1/promote', { force: 'yes' }, 400, /force must be a boolean/],
  ['a list', 'v1/promote', [], 400, /must be an object/],
  ['no JSON', 'v1/promote', '{', 400, /ends before/],
  ['a long reason', 'rollback', { reason: 'x'.repeat(2001) }, 400, /at most 2000/],
  ['a rollback by force', 'rollback', force, 400, /force is not known/],
];

t.test('what is no promotion is refused', async (t) => {
  const { url } = await serving(t);
  await send(url, formOf(FIRST));
  for (const [name, path, body, status, detail] of BAD) {
    const answer = await post(`${url}/adapters/${path}`, body);
    t.match(answer, { status, body: { detail } }, name);
    t.match(answer.headers.get('content-type'), 'application/problem+json', name);
  }
  for (const path of ['v1/files/adapter_config.json.bak', 'v1/files/..%2f..%2ferrata.db', 'v1/files/errata.db'])
    t.equal((await get(`${url}/adapters/${path}`)).status, 400, path);
  t.equal((await get(`${url}/adapters/v2/files/adapter_config.json`)).status, 404);
  t.equal((await get(`${url}/adapters/v2`)).status, 404);
  t.equal((await get(`${url}/adapters/rollback`)).status, 405);
  t.equal((await fetch(`${url}/adapters/v1`, { method: 'DELETE' })).status, 405);
});

const part = (name: string, content: Uint8Array | string, filename?: string): [string, Blob | string, string?] =>
  filename === undefined
    ? [name, String(content)]
    : [name, new Blob([typeof content === 'string' ? content : new Uint8Array(content)]), filename];

function form(...parts: [string, Blob | string, string?][]): FormData {
  const data = new FormData();
  for (const [name, content, filename] of parts)
    if (typeof content === 'string') data.append(name, content);
    else data.append(name, content, filename);
  return data;
}

const config = part('adapter_config.json', FIRST.config, 'c');
const weights = part('adapter_model.safetensors', FIRST.weights, 'w');
const MULTIPART = { 'content-type': 'multipart/form-data; boundary=x' };

const BAD_IMPORTS: [string, RequestInit['body'], Record<string, string>, number, string | undefined, RegExp][] = [
  ['no weights', form(config), {}, 400, '/adapter_model.safetensors', /is missing/],
  ['no configuration', form(weights), {}, 400, '/adapter_config.json', /is missing/],
  ['a part too many', form(config, weights, part('x', 'x', 'x')), {}, 400, '', /neither/],
  ['a file twice', form(config, weights, config), {}, 400, '/adapter_config.json', /stands twice/],
  [
    'a field that is no file',
    form(part('adapter_config.json', '{}'), weights),
    {},
    400,
    '/adapter_config.json',
    /not sent as a file/,
  ],
  ['no multipart', 'hello', MULTIPART, 400, '', /is not multipart/],
  [
    'cut short',
    '--x\r\ncontent-disposition: form-data; name="adapter_config.json"',
    MULTIPART,
    400,
    '',
    /is not multipart/,
  ],
  ['no boundary', 'hello', { 'content-type': 'multipart/form-data' }, 400, '', /boundary/],
  ['nothing', '', MULTIPART, 400, '', /./],
  ['JSON', '{}', { 'content-type': 'application/json' }, 415, undefined, /send the files as multipart/],
  ['an archive', 'PK', { 'content-type': 'application/zip' }, 415, undefined, /send the files as multipart/],
  [
    'too much',
    form(config, part('adapter_model.safetensors', new Uint8Array(LIMIT), 'w')),
    {},
    413,
    undefined,
    /300000 bytes/,
  ],
  [
    'an adapter that is refused',
    form(part('adapter_config.json', '{"peft_type":"IA3"}', 'c'), weights),
    {},
    422,
    '/adapter_config.json',
    /peft_type is "IA3"/,
  ],
  [
    'weights that are refused',
    form(config, part('adapter_model.safetensors', FIRST.weights.slice(0, 5000), 'w')),
    {},
    422,
    '/adapter_model.safetensors',
    /the tensors end at byte/,
  ],
];

t.test('imports that are refused say why, and leave nothing', async (t) => {
  const { url } = await serving(t);
  for (const [name, body, headers, status, pointer, detail] of BAD_IMPORTS) {
    const answer = await send(url, body, headers);
    const errors = pointer === undefined ? [] : [{ pointer, detail }];
    t.match(answer, { status, body: { detail, errors } }, name);
    t.equal(contractFault('importAdapter', answer), undefined, name);
  }
  t.match((await get(`${url}/adapters`)).body, { items: [], next_cursor: null });
  t.equal((await fetch(`${url}/adapters`, { method: 'POST' })).status, 400, 'no body at all');
});

t.test('a damaged file is not handed out', async (t) => {
  const { url, parts, registry } = await serving(t);
  await send(url, formOf(FIRST));
  const { digest } = await registry.get('v1');
  const file = fileOf(parts.dataDir, digest, 'adapter_model.safetensors');
  truncateSync(file, readFileSync(file).length - 1);
  const answer = await get(`${url}/adapters/v1/files/adapter_model.safetensors`);
  t.match(answer, { status: 409, body: { detail: /adapter_model.safetensors is not the file that was stored/ } });
  t.equal(contractFault('getAdapterFile', answer), undefined);
  t.equal((await get(`${url}/adapters/v1/files/adapter_config.json`)).status, 200);
});

t.test('1,000 mangled bodies are answered', async (t) => {
  const { url } = await serving(t);
  const boundary = 'xxboundaryxx';
  const whole = Buffer.from(await new Response(form(config, weights)).arrayBuffer());
  const name = whole.subarray(2, whole.indexOf('\r\n')).toString();
  const statuses = new Set<number>();
  for (let i = 0; i < 1000; i++) {
    const bytes = Buffer.from(whole.subarray(0, i % 3 === 0 ? (i * 7919) % whole.length : whole.length));
    for (let k = 0; k < 3 && bytes.length > 0; k++)
      bytes[(i * 31 + k * 104_729) % Math.min(bytes.length, 1500)] = (i * 7 + k) % 256;
    const { status } = await send(url, bytes, {
      'content-type': `multipart/form-data; boundary=${i % 50 ? name : boundary}`,
    });
    statuses.add(status);
  }
  t.strictSame(
    [...statuses].filter((status) => ![200, 201, 400, 422].includes(status)),
    [],
  );
});
