import { once } from 'node:events';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import Fastify from 'fastify';
import t, { type Test } from 'tap';
import { clientSignal } from '../../../routes/wire/client.js';
import { trackExchanges } from '../../../routes/wire/exchanges.js';
import { eventually } from '../../support/processes.js';
import { get, serve } from '../../support/serve.js';

const BODY = JSON.stringify({ pairs: [{ premise: 'A man sleeps.', nli_hypothesis: 'A man is awake.' }] });
const HEAD = `POST /nli HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: ${BODY.length}\r\n\r\n`;
const REQUEST = HEAD + BODY;

interface Slow {
  readonly url: string;
  /** Requests that reached the engine, with their signals. */
  readonly signals: AbortSignal[];
  /** Lets every request be answered, now and later. */
  finish(): void;
  send(sent: string): Socket;
}

/** A service whose engine answers when it is told to, or when the client has gone. */
async function slowService(t: Test): Promise<Slow> {
  const signals: AbortSignal[] = [];
  const finish = new AbortController();
  const { url } = await serve(t, {
    engine: {
      classify: async (rows, { signal }) => {
        signals.push(signal!);
        const either = AbortSignal.any([finish.signal, signal!]);
        if (!either.aborted) await once(either, 'abort');
        signal!.throwIfAborted();
        return rows.map(() => Float32Array.of(1, 2, 3));
      },
    },
  });
  const port = Number(new URL(url).port);
  const send = (sent: string): Socket => {
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    socket.on('error', () => undefined).write(sent);
    return socket;
  };
  return { url, signals, finish: () => finish.abort(), send };
}

const counted = async (url: string, status: number): Promise<number> => {
  const { body } = await get(`${url}/metrics`);
  const line = new RegExp(`_count\\{method="POST",route="/nli",status="${status}"\\} (\\d+)`).exec(String(body));
  return Number(line?.[1] ?? 0);
};

t.test('clients that reset their connection are counted as 499', async (t) => {
  const { url, signals, send } = await slowService(t);
  const whole = [1, 2, 3].map(() => send(REQUEST));
  const half = [1, 2].map(() => send(HEAD + BODY.slice(0, 20)));
  await eventually(() => signals.length === whole.length);
  for (const socket of [...whole, ...half]) socket.resetAndDestroy();
  await eventually(() => signals.every(({ aborted }) => aborted));
  while ((await counted(url, 499)) < 5) await new Promise(setImmediate);
  t.equal(await counted(url, 499), 5);
});

t.test('a pipelined request ends with its connection', async (t) => {
  const { url, signals, send } = await slowService(t);
  const socket = send(REQUEST + REQUEST);
  await eventually(() => signals.length === 2);
  socket.resetAndDestroy();
  await eventually(() => signals.every(({ aborted }) => aborted));
  while ((await counted(url, 499)) < 2) await new Promise(setImmediate);
  t.equal(await counted(url, 499), 2);
});

t.test('no request is kept that has ended, by its answer or without', async (t) => {
  const app = Fastify();
  const ended: boolean[] = [];
  const open = trackExchanges(app, ({ answered }) => ended.push(answered));
  app.get('/', async () => 'answered');
  app.get('/never', () => new Promise(() => undefined));
  await app.listen({ host: '127.0.0.1', port: 0 });
  t.teardown(() => app.close());
  const { port } = app.server.address() as AddressInfo;
  await (await fetch(`http://127.0.0.1:${port}/`)).text();
  const socket = connect(port, '127.0.0.1');
  socket.write('GET /never HTTP/1.1\r\nhost: x\r\n\r\n');
  await eventually(() => [...open.keys()].length === 1);
  socket.resetAndDestroy();
  await eventually(() => [...open.keys()].length === 0);
  t.strictSame(ended, [true, false]);
});

t.test('a client that had gone before it was asked about is gone', async (t) => {
  const app = Fastify();
  let aborted: boolean | undefined;
  app.get('/', async (request, reply) => {
    request.raw.socket.destroy();
    await once(request.raw.socket, 'close');
    aborted = clientSignal(reply).aborted;
  });
  await app.listen({ host: '127.0.0.1', port: 0 });
  t.teardown(() => app.close());
  const { port } = app.server.address() as AddressInfo;
  await fetch(`http://127.0.0.1:${port}/`).catch(() => undefined);
  await eventually(() => aborted !== undefined);
  t.equal(aborted, true);
});

t.test('a client that ends its side after a whole request gets its answer', async (t) => {
  const { signals, finish, send } = await slowService(t);
  const quick = send('GET /health/live HTTP/1.1\r\nhost: x\r\n\r\n');
  quick.end();
  t.match(await text(quick), /^HTTP\/1.1 200 OK\r\n/);
  const patient = send(REQUEST);
  const answer = text(patient.end());
  await once(patient, 'data');
  t.strictSame(
    signals.map(({ aborted }) => aborted),
    [false],
    'it was asked whether it is there',
  );
  finish();
  t.match(await answer, /^(?:HTTP\/1.1 100 Continue\r\n\r\n)+HTTP\/1.1 200 OK\r\n/);
});

t.test('a client that closes its connection is found to be gone', async (t) => {
  const { url, signals, send } = await slowService(t);
  const socket = send(REQUEST);
  await eventually(() => signals.length === 1);
  socket.destroy();
  await eventually(() => signals.every(({ aborted }) => aborted));
  while ((await counted(url, 499)) < 1) await new Promise(setImmediate);
  t.equal(await counted(url, 499), 1);
});
