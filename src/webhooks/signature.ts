/** Signatures of Standard Webhooks (standardwebhooks.com), version 1. Pure. */
import { createHmac } from 'node:crypto';

const PREFIX = 'whsec_';
const LEAST_BYTES = 24;
const MOST_BYTES = 64;

/** `whsec_` and base64 of 24 to 64 random bytes → the bytes; null: it is no such secret. */
export function decodeSecret(secret: string): Buffer | null {
  const text = secret.startsWith(PREFIX) ? secret.slice(PREFIX.length) : '';
  const key = Buffer.from(text, 'base64');
  const exact = key.toString('base64').replace(/=+$/, '') === text.replace(/=+$/, '');
  return exact && key.length >= LEAST_BYTES && key.length <= MOST_BYTES ? key : null;
}

export interface Signed {
  /** `webhook-id`: the same for every attempt. */
  readonly id: string;
  /** `webhook-timestamp`: seconds since 1970. */
  readonly timestamp: number;
  readonly body: string;
}

/** The header `webhook-signature`: HMAC-SHA256 over `id.timestamp.body`, once for each key. */
export function signature(keys: readonly Uint8Array[], { id, timestamp, body }: Signed): string {
  const signed = `${id}.${timestamp}.${body}`;
  return keys.map((key) => `v1,${createHmac('sha256', key).update(signed).digest('base64')}`).join(' ');
}
