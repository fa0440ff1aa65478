import { once } from 'node:events';
import { connect } from 'node:net';
import t from 'tap';
import { CLAIM, learn } from '../../support/learn.js';

const LINE = JSON.stringify({ ...CLAIM, correct_label: 'refutes' });
const LENGTH = 3000;
/** Blank lines around one that counts. */
const BODY = `${LINE}\n`.padStart(LENGTH, '\n');

/** Sends a head, and then pieces of the body, one every so often; the answer's first line once the connection has ended. */
async function dribble(url: string, path: string, type: string, piece: number, everyMs: number): Promise<string> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1').on('error', () => undefined);
  let answer = '';
  socket.setEncoding('utf8').on('data', (text) => (answer += text.toString()));
  socket.write(`POST ${path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: ${type}\r\n`);
  socket.write(`content-length: ${LENGTH}\r\n\r\n`);
  let at = 0;
  const timer = setInterval(() => {
    socket.write(BODY.slice(at, at + piece));
    at += piece;
  }, everyMs);
  await once(socket, 'close');
  clearInterval(timer);
  return answer.split('\r\n')[0] ?? '';
}

const TOO_LATE = 'HTTP/1.1 408 Request Timeout';
const TABLE: [name: string, path: string, type: string, piece: number, everyMs: number, answer: string][] = [
  ['that never comes', '/corrections', 'application/json', 0, 100, TOO_LATE],
  ['that takes too long, though it comes', '/corrections', 'application/json', 200, 100, TOO_LATE],
  ['of an import that comes', '/corrections/import', 'application/x-ndjson', 200, 100, 'HTTP/1.1 200 OK'],
  ['of an import that trickles', '/corrections/import', 'application/x-ndjson', 1, 100, TOO_LATE],
  ['of an import that never comes', '/corrections/import', 'application/x-ndjson', 0, 100, TOO_LATE],
];

t.test('a body', async (t) => {
  const { url } = await learn(t, { options: { requestTimeoutMs: 500 } });
  await Promise.all(
    TABLE.map(async ([name, path, type, piece, everyMs, answer]) => {
      t.equal(await dribble(url, path, type, piece, everyMs), answer, name);
    }),
  );
});
