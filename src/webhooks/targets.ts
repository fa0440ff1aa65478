/** Who is told of what happens: a file that the configuration names, since secrets in the environment reach every child. */
import { readFile } from 'node:fs/promises';
import { EVENT_TYPES } from '../db/outbox.js';
import type { EventType } from '../db/schema.js';
import { isLoopback } from '../exposure.js';
import { decodeSecret } from './signature.js';

export interface WebhookTarget {
  readonly id: string;
  readonly url: string;
  /** The newest first; more than one while a secret is being changed. */
  readonly keys: readonly Uint8Array[];
  /** Null: all events. */
  readonly types: readonly EventType[] | null;
}

const MOST_TARGETS = 16;

/**
 * Reads `{"targets": [{"id", "url", "secret", "types"?}]}`; null: there is no file, nobody is told.
 * Rejects with an error that names the file and the field, never a secret.
 */
export async function readTargets(file: string | null): Promise<WebhookTarget[]> {
  if (file === null) return [];
  const text = await readFile(file, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    throw new Error(`ERRATA_WEBHOOKS: ${file} cannot be read: ${cause.code}`, { cause });
  });
  try {
    return parseTargets(text);
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    throw new Error(`ERRATA_WEBHOOKS: ${file}: ${error.message}`, { cause: error });
  }
}

class Fault extends Error {}

type Fields = Readonly<Record<string, unknown>>;

const isObject = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function refuseStrangers(value: Fields, known: readonly string[], pointer: string): void {
  const stranger = Object.keys(value).find((name) => !known.includes(name));
  if (stranger !== undefined) throw new Fault(`${pointer}/${stranger} is not known; ${known.join(', ')} are`);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    // The parser's message quotes the text, and the text holds secrets.
    throw new Fault('is no JSON');
  }
}

function parseTargets(text: string): WebhookTarget[] {
  const root = parseJson(text);
  if (!isObject(root) || !Array.isArray(root['targets'])) throw new Fault('expected {"targets": [...]}');
  refuseStrangers(root, ['targets'], '');
  const list: readonly unknown[] = root['targets'];
  if (list.length > MOST_TARGETS)
    throw new Fault(`/targets has ${list.length} entries, at most ${MOST_TARGETS} are taken`);
  const targets = list.map((value, i) => parseTarget(value, `/targets/${i}`));
  const twice = targets.findIndex(({ id }, i) => targets.findIndex((other) => other.id === id) !== i);
  if (twice >= 0) throw new Fault(`/targets/${twice}/id is another target's already`);
  return targets;
}

function parseTarget(value: unknown, pointer: string): WebhookTarget {
  if (!isObject(value)) throw new Fault(`${pointer} is no object`);
  refuseStrangers(value, ['id', 'url', 'secret', 'types'], pointer);
  const { id, url, secret, types = null } = value;
  if (typeof id !== 'string' || !/^[\w-]{1,64}$/.test(id))
    throw new Fault(`${pointer}/id: expected 1 to 64 letters, digits, _ and -`);
  return {
    id,
    url: parseUrl(url, `${pointer}/url`),
    keys: parseSecrets(secret, `${pointer}/secret`),
    types: parseTypes(types, `${pointer}/types`),
  };
}

/** Over plain HTTP only to this machine: whoever reads along could send it again. */
function parseUrl(value: unknown, pointer: string): string {
  const url = typeof value === 'string' && URL.canParse(value) ? new URL(value) : null;
  const plain = url !== null && url.username === '' && url.password === '' && url.hash === '';
  const here = url?.protocol === 'http:' && isLoopback(url.hostname.replace(/^\[|\]$/g, ''));
  if (url !== null && plain && (url.protocol === 'https:' || here)) return url.href;
  throw new Fault(`${pointer}: expected an https:// address without user or fragment; http:// only on loopback`);
}

function parseSecrets(value: unknown, pointer: string): Buffer[] {
  const keys = [value].flat().map((secret) => (typeof secret === 'string' ? decodeSecret(secret) : null));
  const known = keys.filter((key) => key !== null);
  if (keys.length > 0 && known.length === keys.length) return known;
  throw new Fault(`${pointer}: expected whsec_ and base64 of 24 to 64 bytes, or a list of such`);
}

function parseTypes(value: unknown, pointer: string): EventType[] | null {
  if (value === null) return null;
  const types = Array.isArray(value) ? value.map((type: unknown) => EVENT_TYPES.find((known) => known === type)) : [];
  const known = types.filter((type) => type !== undefined);
  if (types.length > 0 && known.length === types.length) return known;
  throw new Fault(`${pointer}: expected a list of ${EVENT_TYPES.join(', ')}`);
}
