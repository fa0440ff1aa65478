/** P6: clients that hold a connection by being slow, against the limits that the service really has. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import t from 'tap';
import { spawnService } from './spawned.js';

const CLOSED_WITHIN_MS = 20_000;
/** A machine that runs other tests beside this one is late with everything. */
const SLACK_MS = 4_000;

const head = (path: string, type: string): string =>
  `POST ${path} HTTP/1.1\r\nhost: x\r\ncontent-type: ${type}\r\ncontent-length: 100000\r\n\r\n`;

/** What each sends at once, and then a byte of every second. */
const SLOW: Readonly<Record<string, [at_once: string, drips: string]>> = {
  'that never sends a byte': ['', ''],
  'that sends half a line and falls silent': ['POST /nli', ''],
  'that sends its headers byte by byte': ['GET /health HTTP/1.1\r\nhost: x\r\nx-slow: ', 'y'.repeat(100)],
  'that sends its body byte by byte': [head('/nli', 'application/json'), ' '.repeat(100)],
  'that sends an import byte by byte': [head('/corrections/import', 'application/x-ndjson'), ' '.repeat(100)],
  'that sends an adapter byte by byte': [head('/adapters', 'multipart/form-data; boundary=x'), '-'.repeat(100)],
  'that ends its request line byte by byte on a kept connection': [
    'GET /health/live HTTP/1.1\r\nhost: x\r\n\r\n',
    'GET /health/live HTTP/1.1\r\nhost: x\r\nx: '.padEnd(100, 'y'),
  ],
};

function drip(socket: Socket, text: string): void {
  let at = 0;
  const timer = setInterval(() => (at < text.length ? socket.write(text[at++]!) : undefined), 1000);
  socket.once('close', () => clearInterval(timer));
}

async function closedAfter(port: number, [atOnce, drips]: [string, string], reads: boolean): Promise<number> {
  const socket = connect(port, '127.0.0.1').on('error', () => undefined);
  await once(socket, 'connect');
  const began = performance.now();
  if (reads) socket.resume();
  else socket.pause();
  socket.write(atOnce);
  drip(socket, drips);
  await new Promise((resolve) => socket.once('close', resolve));
  return performance.now() - began;
}

/** More answers than the sockets hold; what it goes on to send tells it that its connection has ended. */
const DEAF: [string, string] = ['GET /docs/json HTTP/1.1\r\nhost: x\r\n\r\n'.repeat(100), '\r\n'.repeat(100)];

t.test('a connection is closed within 20 s to a client', async (t) => {
  const { port, url } = await spawnService(t);
  const clients = [
    ...Object.entries(SLOW).map((one) => [...one, true] as const),
    ['that reads nothing', DEAF, false] as const,
  ];
  await Promise.all(
    clients.map(async ([name, sent, reads]) => {
      const took = await closedAfter(port, sent, reads);
      t.ok(took < CLOSED_WITHIN_MS + SLACK_MS, `${name}: ${Math.round(took)} ms`);
    }),
  );
  t.equal((await fetch(`${url}/health/ready`)).status, 200);
});
