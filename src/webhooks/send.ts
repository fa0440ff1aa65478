/** One attempt: the request to a target, signed, and what came of it. */
import { type Agent, request } from 'undici';
import type { DueDelivery } from '../db/outbox.js';
import { packageVersion } from '../package.js';
import { signature } from './signature.js';
import type { WebhookTarget } from './targets.js';

export interface Sending {
  readonly agent: Agent;
  /** How long a target may take to answer. */
  readonly timeoutMs: number;
  /** Breaks off what is under way. */
  readonly closing: AbortSignal;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

export interface Outcome {
  readonly status: number | null;
  /** Null: it was taken. */
  readonly error: string | null;
  /** What the target asks for. */
  readonly retryAfterMs: number;
}

/** A redirect is not followed: the address in the configuration is the only one that is meant. */
export async function send(sending: Sending, target: WebhookTarget, delivery: DueDelivery): Promise<Outcome> {
  const { agent, timeoutMs, closing, now } = sending;
  const signal = AbortSignal.any([closing, AbortSignal.timeout(timeoutMs)]);
  const body = JSON.stringify({
    type: delivery.type,
    timestamp: delivery.at,
    data: JSON.parse(delivery.data) as unknown,
  });
  const headers = headersOf(target, { id: delivery.event_id, timestamp: Math.floor(now() / 1000), body });
  try {
    const answer = await request(target.url, { dispatcher: agent, method: 'POST', headers, body, signal });
    answer.body.on('error', () => undefined).destroy();
    const { statusCode: status } = answer;
    const error = status >= 200 && status < 300 ? null : `the target answered ${status}`;
    return { status, error, retryAfterMs: retryAfter(answer.headers['retry-after']) };
  } catch (error) {
    return { status: null, error: reasonOf(error), retryAfterMs: 0 };
  }
}

const headersOf = ({ keys }: WebhookTarget, signed: Parameters<typeof signature>[1]): Record<string, string> => ({
  'content-type': 'application/json',
  'user-agent': `errata/${packageVersion()}`,
  'webhook-id': signed.id,
  'webhook-timestamp': String(signed.timestamp),
  'webhook-signature': signature(keys, signed),
});

const MOST_SECONDS = 86_400;

function retryAfter(header: string | string[] | undefined): number {
  const text = [header].flat()[0] ?? '';
  return /^\d{1,9}$/.test(text) ? Math.min(Number(text), MOST_SECONDS) * 1000 : 0;
}

/** The kind of the failure: messages of the network name addresses. */
function reasonOf(error: unknown): string {
  const { name, code } = error as { readonly name?: string; readonly code?: string };
  return name === 'TimeoutError' || /TIMEOUT/.test(code ?? '')
    ? 'the target took too long'
    : `no answer: ${code ?? name ?? 'unknown'}`;
}
