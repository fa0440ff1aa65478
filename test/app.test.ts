import { once } from 'node:events';
import { Agent, request } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import t from 'tap';
import { get, post, serve, type Served } from './support/serve.js';

const nli = { pairs: [{ premise: 'a secret premise', nli_hypothesis: 'a secret claim' }] };

t.test('an unknown path is answered 404', async (t) => {
  const { url } = await serve(t);
  for (const path of [
    '/',
    '/nli/',
    '/NLI',
    '/nope?text=secret',
    '/predictions/a/b',
    '/%6eope',
    `/${'x'.repeat(5000)}`,
  ]) {
    for (const method of ['GET', 'POST', 'DELETE', 'PROPFIND']) {
      const response = await fetch(`${url}${path}`, { method });
      t.equal(response.status, 404, `${method} ${path.slice(0, 20)}`);
      t.match(response.headers.get('content-type'), 'application/problem+json');
      t.match(await response.json(), { type: '/problems#not-found', status: 404, errors: [] });
    }
  }
});

t.test('a path that is no URL is answered 400', async (t) => {
  const { url } = await serve(t);
  const answer = await get(`${url}/predictions/%ff`);
  t.match(answer, { status: 400, body: { type: '/problems#invalid-request' } });
});

t.test('a known path under another method is answered 405 with Allow', async (t) => {
  const { url } = await serve(t);
  const table: [string, string, string][] = [
    ['GET', '/nli', 'POST'],
    ['DELETE', '/nli', 'POST'],
    ['OPTIONS', '/nli', 'POST'],
    ['PUT', '/predictions', 'GET, HEAD'],
    ['POST', '/predictions/p-1', 'GET, HEAD'],
    ['POST', '/health', 'GET, HEAD'],
    ['POST', '/health/ready', 'GET, HEAD'],
    ['GET', '/warmup', 'POST'],
    ['GET', '/embed', 'POST'],
    ['PATCH', '/model', 'GET, HEAD'],
    ['POST', '/metrics', 'GET, HEAD'],
  ];
  for (const [method, path, allow] of table) {
    const body = method === 'GET' ? {} : { body: '{"a":', headers: { 'content-type': 'text/plain' } };
    const response = await fetch(`${url}${path}`, { method, ...body });
    t.equal(response.status, 405, `${method} ${path}`);
    t.strictSame(new Set(response.headers.get('allow')?.split(', ')), new Set(allow.split(', ')), `${method} ${path}`);
    t.match(await response.json(), {
      type: '/problems#method-not-allowed',
      detail: new RegExp(allow.split(', ')[0] ?? ''),
    });
  }
  t.equal((await fetch(`${url}/health`, { method: 'HEAD' })).status, 200);
  const members = { ok: false, error: 'this path takes POST', results: [] };
  t.match(await (await fetch(`${url}/nli`)).json(), members, 'what clients of /nli look for is there');
});

t.test('a body over the limit is answered 413, whether its length is told or not', async (t) => {
  const { url } = await serve(t);
  const body = Buffer.alloc(2 * 1024 * 1024 + 1, ' ');
  const chunks = async function* () {
    for (let at = 0; at < body.length; at += 65_536) yield body.subarray(at, at + 65_536);
  };
  for (const path of ['/nli', '/warmup', '/embed']) {
    t.equal((await post(`${url}${path}`, body)).status, 413, `${path} told`);
    const init = { method: 'POST', headers: { 'content-type': 'application/json' }, body: chunks(), duplex: 'half' };
    const response = await fetch(`${url}${path}`, init as RequestInit);
    t.equal(response.status, 413, `${path} not told`);
    t.match(await response.json(), { detail: 'the body is larger than 2097152 bytes' });
  }
  t.equal((await post(`${url}/nli`, body.subarray(1))).status, 400, 'at the limit it is read');
});

t.test('a client that sends all of a large body before it reads gets its answer', async (t) => {
  const { app } = await serve(t);
  const { port } = app.server.address() as AddressInfo;
  const socket = connect(port, '127.0.0.1');
  const chunk = Buffer.alloc(65_536, ' ');
  socket.write(
    `POST /nli HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: ${128 * chunk.length}\r\n\r\n`,
  );
  for (let sent = 0; sent < 128; sent++)
    await new Promise<void>((resolve, reject) => {
      socket.write(chunk, (error) => (error ? reject(error) : resolve()));
    });
  t.match(await text(socket), /^HTTP\/1.1 413 /);
});

t.test('what is no HTTP is answered as a problem', async (t) => {
  const served = await serve(t);
  const table: [string, string, RegExp][] = [
    ['no HTTP', 'nonsense\r\n\r\n', /^HTTP\/1.1 400 /],
    ['headers too long', `GET / HTTP/1.1\r\nhost: x\r\nx: ${'x'.repeat(20_000)}\r\n\r\n`, /^HTTP\/1.1 431 /],
    [
      'two lengths',
      'POST /nli HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n',
      /^HTTP\/1.1 400 /,
    ],
  ];
  for (const [name, sent, answer] of table) {
    const received = await exchange(served, sent);
    t.match(received, answer, name);
    t.match(received, /content-type: application\/problem\+json/, name);
  }
});

t.test('a request that is sent too slowly is ended', async (t) => {
  const served = await serve(t, { options: { requestTimeoutMs: 300 } });
  const head = 'POST /nli HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n';
  t.match(await exchange(served, `${head}content-length: 100\r\n\r\n{"pairs":`), /^HTTP\/1.1 408 /, 'its body');
  t.match(await exchange(served, head), /^HTTP\/1.1 408 /, 'its headers');
});

/** What the server sends to this until it ends the connection. */
async function exchange({ app }: Served, sent: string): Promise<string> {
  const { port } = app.server.address() as AddressInfo;
  const socket = connect(port, '127.0.0.1');
  if (sent !== '') socket.write(sent);
  return text(socket);
}

/** Resolves when the server has that many connections and has had time to read from them. */
async function connections({ app }: Served, count: number): Promise<void> {
  const connected = () => new Promise<number>((resolve) => app.server.getConnections((_error, now) => resolve(now)));
  while ((await connected()) < count) await new Promise(setImmediate);
}

t.test('close', async (t) => {
  await t.test('ends connections that are kept alive', async (t) => {
    const { url, app } = await serve(t);
    const agent = new Agent({ keepAlive: true });
    t.teardown(() => agent.destroy());
    const [response] = await once(request(`${url}/health/live`, { agent }).end(), 'response');
    response.resume();
    await once(response, 'end');
    await t.resolves(app.close());
  });
  await t.test('ends connections that never send a whole request', async (t) => {
    const served = await serve(t, { options: { closeGraceMs: 200 } });
    const begun = 'POST /nli HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{';
    const ended = ['', begun.slice(0, 30), begun].map((sent) => exchange(served, sent));
    await connections(served, ended.length);
    await t.resolves(served.app.close());
    t.strictSame(await Promise.all(ended), ['', '', '']);
  });
  await t.test('answers what is under way, and says that it closes', async (t) => {
    const finish = new AbortController();
    const { url, app, engine } = await serve(t, {
      options: { closeGraceMs: 50 },
      engine: {
        classify: async (rows) => {
          if (!finish.signal.aborted) await once(finish.signal, 'abort');
          return rows.map(() => Float32Array.of(1, 2, 3));
        },
      },
    });
    const answer = post(`${url}/nli`, nli);
    while (engine.calls.length === 0) await new Promise(setImmediate);
    const closed = app.close();
    setTimeout(() => finish.abort(), 250);
    const { status, headers } = await answer;
    t.equal(status, 200);
    t.equal(headers.get('connection'), 'close');
    await t.resolves(closed);
  });
});

t.test('no query, body or key is logged', async (t) => {
  const log = new PassThrough();
  const fault = new Error('the engine broke');
  const { url, app } = await serve(t, {
    engine: { classify: () => Promise.reject(fault) },
    options: { logger: { level: 'trace', stream: log } },
  });
  const headers = { authorization: 'Bearer secret', 'x-api-key': 'secret' };
  await post(`${url}/nli?key=secret`, nli, headers);
  await post(`${url}/nli`, '{"secret', headers);
  await get(`${url}/predictions?text=secret&limit=secret`);
  await get(`${url}/secret?text=secret`);
  await app.close();
  log.end();
  const logged = await text(log);
  t.match(logged, 'the engine broke', 'errors are');
  t.notMatch(logged, 'secret');
});
