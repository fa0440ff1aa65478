/** One connection that is kept, through node:http: of Node's clients the one that adds least to what it measures. */
import { Agent, request } from 'node:http';

export interface LoneClient {
  /** POST /nli; resolves when the answer is whole, rejects unless it is 200. */
  judge(pairs: readonly object[]): Promise<void>;
  close(): void;
}

export function loneClient(url: string): LoneClient {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  return { judge: (pairs) => post(`${url}/nli`, agent, JSON.stringify({ pairs })), close: () => agent.destroy() };
}

function post(url: string, agent: Agent, body: string): Promise<void> {
  const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
  return new Promise((resolve, reject) => {
    const asked = request(url, { method: 'POST', agent, headers }, (answer) => {
      answer.resume().once('end', () => {
        if (answer.statusCode === 200) resolve();
        else reject(new Error(`POST /nli answered ${answer.statusCode}`));
      });
    });
    asked.once('error', reject).end(body);
  });
}
