/** The client against servers that do what real ones do when things go wrong. */
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import t, { type Test } from 'tap';
import { createClient, ErrataError, ErrataUnreachable, type RunEvent } from '../../client/client.js';

async function serverFor(t: Test, listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  t.teardown(() => server.closeAllConnections());
  t.teardown(() => server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const json = (body: unknown, status = 200): RequestListener => {
  return (_, response) => response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
};

const sse = (seq: number, type: string, fields: object = {}): string =>
  `id: ${seq}\nevent: ${type}\ndata: ${JSON.stringify({ at: '2026-01-01T00:00:00.000Z', ...fields })}\n\n`;

async function rejection(call: Promise<unknown>): Promise<unknown> {
  try {
    await call;
  } catch (error) {
    return error;
  }
  throw new Error('it was not rejected');
}

async function collected<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

t.test('a problem is an error with its fields', async (t) => {
  const problem = {
    type: '/problems#unprocessable',
    title: 'Unprocessable',
    status: 422,
    detail: '/adapter names no adapter',
    errors: [{ pointer: '/adapter', detail: 'names no adapter' }],
  };
  const url = await serverFor(t, (_, response) =>
    response
      .writeHead(422, { 'content-type': 'application/problem+json', 'retry-after': '7' })
      .end(JSON.stringify(problem)),
  );
  const error = await rejection(createClient({ baseUrl: url }).api.POST('/nli', { body: { pairs: [] } }));
  t.type(error, ErrataError);
  t.match(error, { ...problem, message: problem.detail, retryAfter: 7 });
});

t.test('an error that is no problem, as of a proxy, keeps its status', async (t) => {
  for (const body of ['<html>bad gateway</html>', '', '[]', 'null', '"x"']) {
    const url = await serverFor(t, (_, response) => response.writeHead(502, 'Bad Gateway').end(body));
    const error = await rejection(createClient({ baseUrl: url }).api.GET('/model'));
    t.match(error, { name: 'ErrataError', status: 502, title: 'Bad Gateway', type: 'about:blank', retryAfter: null });
  }
});

t.test('where nothing listens, the address and the reason are told', async (t) => {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  await new Promise((resolve) => server.close(resolve));
  const error = await rejection(createClient({ baseUrl: url }).api.GET('/model'));
  t.type(error, ErrataUnreachable);
  t.equal((error as Error).message, `no answer from ${url} (ECONNREFUSED)`);
});

t.test('the key is sent with every call', async (t) => {
  const seen: (string | undefined)[] = [];
  const url = await serverFor(t, (request, response) => {
    seen.push(request.headers.authorization);
    json({})(request, response);
  });
  await createClient({ baseUrl: url, apiKey: 'k1' }).api.GET('/model');
  await createClient({ baseUrl: url }).api.GET('/model');
  t.strictSame(seen, ['Bearer k1', undefined]);
});

t.test('events go on after the last one known when the stream breaks, wherever it breaks', async (t) => {
  const all = [sse(1, 'state', { state: 'running' }), sse(2, 'step', { step: 1 }), sse(3, 'step', { step: 2 })];
  const end = sse(4, 'state', { state: 'succeeded' });
  const whole = [...all, end].join('');
  for (const cut of [0, 20, all[0]!.length, all[0]!.length + 30, whole.length - 1]) {
    const known: (string | undefined)[] = [];
    const url = await serverFor(t, (request, response) => {
      if (!request.url!.endsWith('/events')) return json({ id: 'r', state: 'running' })(request, response);
      const after = request.headers['last-event-id'];
      known.push(after as string | undefined);
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      const from = [...all, end].slice(Number(after ?? 0)).join('');
      if (known.length > 1) return response.end(from);
      response.write(from.slice(0, cut), () => setTimeout(() => response.destroy(), 20));
      if (cut === 0) response.flushHeaders();
    });
    const events = await collected(createClient({ baseUrl: url }).events('r'));
    t.strictSame(
      events.map(({ seq, type }) => [seq, type]),
      [
        [1, 'state'],
        [2, 'step'],
        [3, 'step'],
        [4, 'state'],
      ],
      `cut after ${cut} characters`,
    );
    t.equal(known.length, 2);
  }
});

t.test('events end with the run, also when there is nothing more to be told', async (t) => {
  const url = await serverFor(t, (request, response) => {
    if (request.url!.endsWith('/events')) response.writeHead(204).end();
    else json({ id: 'r', state: 'failed' })(request, response);
  });
  t.strictSame(await collected(createClient({ baseUrl: url }).events('r', { after: 9 })), []);
});

t.test('a refusal is not asked again', async (t) => {
  let calls = 0;
  const url = await serverFor(t, (request, response) => {
    calls += 1;
    json({ title: 'Not found', status: 404, detail: 'there is no training run of this id' }, 404)(request, response);
  });
  t.match(await rejection(createClient({ baseUrl: url }).waitForRun('r')), { name: 'ErrataError', status: 404 });
  t.equal(calls, 1);
});

t.test('an aborted wait ends at once with its reason, in the stream and between attempts', async (t) => {
  const silent = await serverFor(t, (_, response) =>
    response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders(),
  );
  const busy = await serverFor(t, (_, response) => response.writeHead(503, { 'retry-after': '600' }).end());
  for (const url of [silent, busy]) {
    const controller = new AbortController();
    const waiting = createClient({ baseUrl: url }).waitForRun('r', { signal: controller.signal });
    setTimeout(() => controller.abort(new Error('enough')), 100);
    t.match(await rejection(waiting), { message: 'enough' });
  }
});

t.test('events say what happened, and the run is what it became', async (t) => {
  const url = await serverFor(t, (request, response) => {
    if (!request.url!.endsWith('/events')) return json({ id: 'r', state: 'cancelled' })(request, response);
    response.end(
      `: hello\n\nretry: 10\n${sse(1, 'stage', { stage: 'training' })}${sse(2, 'state', { state: 'cancelled' })}`,
    );
  });
  const seen: RunEvent[] = [];
  const run = await createClient({ baseUrl: url }).waitForRun('r', { onEvent: (event) => seen.push(event) });
  t.match(run, { state: 'cancelled' });
  t.match(seen, [
    { seq: 1, type: 'stage', stage: 'training', at: String },
    { seq: 2, type: 'state', state: 'cancelled' },
  ]);
});

t.test('exported lines arrive whole however they are cut, and stopping hangs up', async (t) => {
  const lines = ['{"a":"ä"}', '{"b":"🙂"}', '{"c":1}'];
  const bytes = Buffer.from(lines.join('\n'));
  for (const size of [1, 3, 7, bytes.length]) {
    const parts = Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) =>
      bytes.subarray(i * size, (i + 1) * size),
    );
    const url = await serverFor(t, (_, response) => void Readable.from(parts).pipe(response));
    t.strictSame(await collected(createClient({ baseUrl: url }).exportCorrections()), lines, `${size} bytes at a time`);
  }
  const closed = new Promise<void>((resolve) => {
    void serverFor(t, (_, response) => {
      response.once('close', resolve);
      response.write('one\ntwo\n');
    }).then(async (url) => {
      for await (const line of createClient({ baseUrl: url }).exportCorrections()) if (line === 'one') break;
    });
  });
  await closed;
  t.pass('the connection was closed');
});

t.test('imported lines are streamed, objects and texts alike; a source that fails stores no more', async (t) => {
  const received: string[] = [];
  const types: (string | undefined)[] = [];
  const url = await serverFor(t, (request, response) => {
    types.push(request.headers['content-type']);
    const answer = json({ lines: 2, stored: 2, replaced: 0, unchanged: 0, failed: 0, errors: [] });
    text(request).then(
      (body) => {
        received.push(body);
        answer(request, response);
      },
      () => received.push('broken off'),
    );
  });
  const client = createClient({ baseUrl: url });
  const report = await client.importCorrections([{ prediction_id: 'p', correct_label: 'neutral' }, '{"x":1}']);
  t.match(report, { lines: 2, stored: 2 });
  t.strictSame(received, ['{"prediction_id":"p","correct_label":"neutral"}\n{"x":1}\n']);
  t.strictSame(types, ['application/x-ndjson']);
  async function* failing(): AsyncGenerator<string> {
    yield 'x'.repeat(100_000);
    throw new Error('the disk is gone');
  }
  await t.rejects(client.importCorrections(failing()));
});
