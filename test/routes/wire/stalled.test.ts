import { once } from 'node:events';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import Fastify from 'fastify';
import t, { type Test } from 'tap';
import { endStalled } from '../../../routes/wire/stalled.js';

const STALL_MS = 300;
const LARGE = 'x'.repeat(200_000);
const GET = (path: string): string => `GET ${path} HTTP/1.1\r\nhost: x\r\n\r\n`;

async function* silent(): AsyncGenerator<string> {
  yield 'begun ';
  await sleep(5 * STALL_MS);
  yield 'ended';
}

/** A connection to an app that sends large answers, late ones and silent streams. */
async function connected(t: Test, allowPause: boolean): Promise<Socket> {
  const app = Fastify();
  endStalled(app, STALL_MS);
  app.get('/large', async () => LARGE);
  app.get('/late', async () => sleep(5 * STALL_MS, 'late'));
  app.get('/silent', (_request, reply) => reply.send(Readable.from(silent())));
  await app.listen({ host: '127.0.0.1', port: 0 });
  const socket = connect((app.server.address() as AddressInfo).port, '127.0.0.1').on('error', () => undefined);
  t.teardown(async () => {
    socket.destroy();
    app.server.closeAllConnections();
    await app.close();
  });
  await once(socket, 'connect');
  if (allowPause) socket.pause();
  return socket;
}

t.test('who reads nothing of its answers is cut off, also among pipelined ones', async (t) => {
  const socket = await connected(t, true);
  socket.write(GET('/large').repeat(100));
  const drips = setInterval(() => socket.write('\r\n'), 50);
  t.teardown(() => clearInterval(drips));
  await new Promise((resolve) => socket.once('close', resolve));
  t.ok(socket.bytesRead < 100 * LARGE.length);
});

t.test('who reads gets all, however late or silent the answers are between them', async (t) => {
  const socket = await connected(t, false);
  let read = '';
  socket.setEncoding('utf8').on('data', (text) => (read += text.toString()));
  socket.write(GET('/late') + GET('/large') + GET('/late') + GET('/silent') + GET('/late'));
  while (!/ended[^]*late$/.test(read)) await Promise.race([once(socket, 'data'), once(socket, 'close')]);
  t.equal(read.match(/HTTP\/1.1 200 OK/g)?.length, 5);
  await sleep(3 * STALL_MS);
  t.notOk(socket.destroyed, 'nor is a connection cut off that asks nothing');
});
