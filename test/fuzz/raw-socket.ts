/** Bytes to a server and what comes back, with nothing between that could put them right. */
import { connect } from 'node:net';

export interface Exchange {
  /** Of each answer, in order; interim ones are left out. */
  readonly statuses: readonly number[];
  readonly text: string;
  /** The server ended the connection before we did. */
  readonly closed: boolean;
}

export interface Wire {
  readonly host: string;
  readonly port: number;
  /** Without a byte for so long the answer is taken to be whole. */
  readonly silenceMs?: number;
  /** We say that we have sent all. */
  readonly end?: boolean;
}

export function exchange(
  sent: Uint8Array | string,
  { host, port, silenceMs = 150, end = false }: Wire,
): Promise<Exchange> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    const socket = connect({ host, port, allowHalfOpen: true });
    let closed = false;
    socket.setTimeout(silenceMs, () => (chunks.length > 0 || !end) && socket.destroy());
    socket.on('data', (chunk) => chunks.push(chunk)).on('error', () => (closed = true));
    socket.on('end', () => {
      closed = true;
      socket.destroy();
    });
    socket.on('close', () => resolve(told(Buffer.concat(chunks).toString('latin1'), closed)));
    if (end) socket.end(sent);
    else socket.write(sent);
  });
}

function told(text: string, closed: boolean): Exchange {
  const statuses = [...text.matchAll(/HTTP\/1\.1 ([2-5]\d\d) /g)].map(([, status]) => Number(status));
  return { statuses, text, closed };
}
