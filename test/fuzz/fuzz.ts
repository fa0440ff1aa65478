/** Sends an operation what its schemas allow and what they do not, and ends at the first answer that is wrong. */
import fc, { type Arbitrary } from 'fast-check';
import type { Request } from './draft.js';
import type { Client, Reply } from './http.js';
import type { Operation } from './operations.js';
import { hostileRequests, validRequests } from './requests.js';
import type { Source } from './schema.js';
import type { Judge } from './verdict.js';

export interface Fuzzing {
  readonly client: Client;
  readonly judge: Judge;
  readonly source: (operation: Operation) => Source;
  readonly seed: number;
  /** Requests of an operation; half of them hostile. */
  readonly cases: number;
  /** Told of each answer. */
  readonly seen?: (operation: Operation, reply: Reply) => void;
}

export interface Tally {
  /** Requests sent, of either kind. */
  readonly valid: Readonly<Record<number, number>>;
  readonly hostile: Readonly<Record<number, number>>;
  /** The smallest request found that is answered wrongly, and how to send it again; null: all were answered rightly. */
  readonly fault: string | null;
}

export async function fuzzOperation(operation: Operation, fuzzing: Fuzzing): Promise<Tally> {
  const source = fuzzing.source(operation);
  const valid = await run(operation, validRequests(operation, source), fuzzing);
  if (valid.fault !== null) return { valid: valid.statuses, hostile: {}, fault: valid.fault };
  const hostile = await run(operation, hostileRequests(operation, source), fuzzing);
  return { valid: valid.statuses, hostile: hostile.statuses, fault: hostile.fault };
}

async function run(operation: Operation, requests: Arbitrary<Request>, { client, judge, seed, cases, seen }: Fuzzing) {
  const statuses: Record<number, number> = {};
  const property = fc.asyncProperty(requests, async (request) => {
    const reply = await client.send(request);
    statuses[reply.status] = (statuses[reply.status] ?? 0) + 1;
    const fault = judge.fault(operation, reply);
    if (fault !== undefined) throw new Error(fault);
    seen?.(operation, reply);
  });
  const details = await fc.check(property, { seed, numRuns: Math.ceil(cases / 2) });
  const [request] = details.counterexample ?? [];
  const fault = request === undefined ? null : told(operation, request, details);
  return { statuses, fault };
}

const LONGEST = 2000;

function told(
  { id }: Operation,
  { method, path, headers, body }: Request,
  details: fc.RunDetails<[request: Request]>,
): string {
  const { seed, counterexamplePath, errorInstance } = details;
  return [
    `${id}: ${errorInstance instanceof Error ? errorInstance.message : String(errorInstance)}`,
    `${method} ${cut(path)}`,
    ...Object.entries(headers).map(([name, value]) => `${name}: ${cut(value)}`),
    ...(body === null ? [] : ['', cut(JSON.stringify(body.toString('latin1')))]),
    `again: FUZZ_SEED=${seed} FUZZ_ONLY=${id} (path ${counterexamplePath})`,
  ].join('\n');
}

const cut = (text: string): string => (text.length > LONGEST ? `${text.slice(0, LONGEST)}… ${text.length}` : text);
