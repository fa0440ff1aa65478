/** A target of webhooks that takes everything and notes it. */
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Receiver {
  close(): void;
}

/** Writes the configuration that names it into `file`; each message's id goes into `told`. */
export async function startReceiver(file: string, told: Set<string>): Promise<Receiver> {
  const server = createServer((request, reply) => {
    request.resume().on('end', () => {
      told.add(String(request.headers['webhook-id']));
      reply.writeHead(204).end();
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  const secret = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;
  writeFileSync(file, JSON.stringify({ targets: [{ id: 'ops', url, secret }] }));
  return {
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}
