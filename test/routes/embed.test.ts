import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { PassThrough } from 'node:stream';
import { json } from 'node:stream/consumers';
import t from 'tap';
import { contractFault } from '../support/contract.js';
import { get, post, serve } from '../support/serve.js';

type Test = Parameters<typeof serve>[0];
type Behaviour = (request: IncomingMessage, response: ServerResponse) => unknown;

/** A server that embeds as `behaviour` says. */
async function embeddingServer(t: Test, behaviour: Behaviour): Promise<string> {
  const server = createServer(behaviour).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(async () => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
}

const request = { texts: ['a', 'b'], batch_size: 2 };
const failed = { ok: false, embeddings: [], error: String };

const MAX_BYTES = 4096;
const plain = (response: ServerResponse, status: number): ServerResponse =>
  response.writeHead(status, { 'content-type': 'text/plain' });
const json200 = (response: ServerResponse, headers: Record<string, number> = {}): ServerResponse =>
  response.writeHead(200, { 'content-type': 'application/json', ...headers });

/** Begins an answer that seems well, and ends its connection. */
function cut(response: ServerResponse): void {
  response.write('{"ok":true,"embeddings":[[0.5]');
  setTimeout(() => response.socket?.destroy(), 20);
}

t.test('without ERRATA_EMBED_URL', async (t) => {
  const log = new PassThrough();
  const { url } = await serve(t, { options: { logger: { level: 'error', stream: log } } });
  const answer = await post(`${url}/embed`, request);
  const detail = 'ERRATA_EMBED_URL is not set';
  t.match(answer, { status: 501, body: { ...failed, type: '/problems#not-configured', error: detail, detail } });
  t.equal(contractFault('embed', answer), undefined);
  t.equal(log.read(), null, 'nothing is logged');
});

t.test('what the server answers passes through', async (t) => {
  const seen: unknown[] = [];
  const embedUrl = await embeddingServer(t, async (incoming, response) => {
    seen.push(incoming.method, incoming.url, incoming.headers.authorization, await json(incoming));
    response.writeHead(200, { 'content-type': 'application/json' });
    response.write('{"ok":true,"embeddings":[[0.5],');
    setTimeout(() => response.end('[0.25]]}'), 20);
  });
  const { url } = await serve(t, { embedUrl });
  const answer = await post(`${url}/embed`, request, { authorization: 'Bearer key-of-this-service' });
  t.equal(answer.status, 200);
  t.strictSame(answer.body, { ok: true, embeddings: [[0.5], [0.25]] });
  t.strictSame(seen, ['POST', '/embed', undefined, request], 'the key of this service stays here');
  t.equal(contractFault('embed', answer), undefined);
});

t.test('its refusal of a request passes through too', async (t) => {
  const embedUrl = await embeddingServer(t, (_incoming, response) => {
    response.writeHead(422, { 'content-type': 'application/json' }).end('{"detail":"texts missing"}');
  });
  const { url } = await serve(t, { embedUrl });
  t.match(await post(`${url}/embed`, {}), { status: 422, body: { detail: 'texts missing' } });
});

t.test('its faults are 502', async (t) => {
  const table: [string, Behaviour][] = [
    ['an error', (_incoming, response) => response.writeHead(500).end('secret')],
    ['a redirect', (_incoming, response) => response.writeHead(302, { location: 'http://127.0.0.1:9/' }).end()],
    ['a dropped connection', (incoming) => incoming.socket.destroy()],
    ['a page', (_incoming, response) => response.setHeader('content-type', 'text/html').end('<b>secret</b>')],
    ['no type', (_incoming, response) => response.end('{"ok":true}')],
    ['a refusal that is no JSON', (_incoming, response) => plain(response, 404).end('secret')],
    ['a cut answer of a told length', (_incoming, response) => cut(json200(response, { 'content-length': 100 }))],
    ['a cut answer in chunks', (_incoming, response) => cut(json200(response))],
    ['more than is taken', (_incoming, response) => json200(response).end(`"${'x'.repeat(MAX_BYTES)}"`)],
    ['silence', () => undefined],
  ];
  let behave: Behaviour = () => undefined;
  const embedUrl = await embeddingServer(t, (incoming, response) => behave(incoming, response));
  const { url: through } = await serve(t, { embedUrl, embedBytes: MAX_BYTES });
  for (const [name, behaviour] of table) {
    behave = behaviour;
    const answer = await post(`${through}/embed`, request);
    t.match(answer, { status: 502, body: { ...failed, type: '/problems#upstream-failed' } }, name);
    t.notMatch(JSON.stringify(answer.body), 'secret');
    t.equal(contractFault('embed', answer), undefined, name);
  }
  const { url } = await serve(t, { embedUrl: 'http://127.0.0.1:9' });
  t.match(await post(`${url}/embed`, request), { status: 502, body: failed }, 'nobody listens');
});

t.test('health passes the flag of its embedding model on', async (t) => {
  const table: [string, string, boolean][] = [
    ['loaded', '{"status":"ok","models_loaded":{"embedding":true}}', true],
    ['not loaded', '{"models_loaded":{"embedding":false}}', false],
    ['no flag', '{}', false],
    ['null', 'null', false],
    ['no JSON', 'ok', false],
  ];
  for (const [name, body, embedding] of table) {
    const embedUrl = await embeddingServer(t, (incoming, response) =>
      response.end(incoming.url === '/health' ? body : ''),
    );
    const { url } = await serve(t, { embedUrl });
    t.match(await get(`${url}/health`), { status: 200, body: { models_loaded: { nli: true, embedding } } }, name);
  }
});
