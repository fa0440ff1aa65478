import { once } from 'node:events';
import { connect } from 'node:net';
import t from 'tap';
import { CLAIM, learn } from '../../support/learn.js';

const LINE = JSON.stringify({ ...CLAIM, correct_label: 'refutes' });

/** Sends a head and a part of the body; the answer's first line once the connection has ended, '' when it never answered. */
async function dribble(url: string, path: string, type: string, rest: () => Promise<string>): Promise<string> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  let answer = '';
  socket.setEncoding('utf8').on('data', (text: string) => (answer += text));
  socket.write(`POST ${path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: ${type}\r\n`);
  socket.write(`content-length: ${LINE.length}\r\n\r\n${LINE.slice(0, 10)}`);
  socket.write(await rest());
  await once(socket, 'close');
  return answer.split('\r\n')[0] ?? '';
}

t.test('a body that comes too slowly is cut off, an import is not', async (t) => {
  const { url } = await learn(t, { options: { requestTimeoutMs: 300 } });
  const never = async (): Promise<string> => '';
  t.equal(await dribble(url, '/corrections', 'application/json', never), 'HTTP/1.1 408 Request Timeout');
  const late = () => new Promise<string>((resolve) => setTimeout(resolve, 1500, LINE.slice(10)));
  t.equal(await dribble(url, '/corrections/import', 'application/x-ndjson', late), 'HTTP/1.1 200 OK');
});
