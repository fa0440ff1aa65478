/** Who asks: from the headers of a request to a principal, or a Problem that says what is wrong with its key. */
import { timingSafeEqual } from 'node:crypto';
import { digestOfKey, readKey } from './api-key.js';
import { allKeys, type ApiKeyRow } from './db/api-keys.js';
import type { Database } from './db/database.js';
import { Problem } from './errors.js';
import { isLoopback } from './exposure.js';
import { OPEN, type Principal } from './roles.js';

/** The headers that are looked at. */
export interface AccessHeaders {
  readonly authorization?: string | undefined;
  readonly host?: string | undefined;
  readonly origin?: string | undefined;
  readonly 'sec-fetch-site'?: string | string[] | undefined;
}

export interface Access {
  /**
   * Rejects with Problem 'unauthorized' without a key that opens; while there is no key at all, with 'forbidden' for what
   * a web page of elsewhere makes a browser ask.
   */
  principal(headers: AccessHeaders): Promise<Principal>;
}

export interface AccessParts {
  readonly database: Pick<Database, 'kysely'>;
  /** Where the service listens: it is open only where nobody else gets to it. */
  readonly host: string;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/** A key that was made or revoked by another process counts within this time. */
const FRESH_MS = 1_000;
/** With a database that cannot be read, what was read last holds so long. */
const STALE_MS = 60_000;

export function createAccess(parts: AccessParts): Access {
  const keys = keyring(parts);
  const inside = isLoopback(parts.host);
  const isLocal = rememberLast(leadsHere);
  return {
    async principal(headers) {
      const known = await keys();
      if (known.size === 0 && inside) return open(headers, isLocal);
      return identify(known, bearerOf(headers), parts.now());
    },
  };
}

type Keyring = ReadonlyMap<string, ApiKeyRow>;

/** All keys by id. They are few, and read at most once a second whatever is asked. */
function keyring({ database, now }: AccessParts): () => Promise<Keyring> {
  let known: { readonly keys: Keyring; readonly at: number } | null = null;
  let reading: Promise<Keyring> | null = null;
  const read = async (): Promise<Keyring> => {
    const at = now();
    try {
      known = { at, keys: new Map((await allKeys(database.kysely)).map((row) => [row.id, row])) };
      return known.keys;
    } catch (cause) {
      if (known !== null && at - known.at < STALE_MS) return known.keys;
      throw new Problem('unavailable', 'the keys cannot be read', { cause });
    } finally {
      reading = null;
    }
  };
  return async () => {
    if (known !== null && Math.abs(now() - known.at) < FRESH_MS) return known.keys;
    return await (reading ??= read());
  };
}

function bearerOf({ authorization }: AccessHeaders): string {
  if (authorization === undefined)
    throw new Problem('unauthorized', 'an API key is needed: send it as Authorization: Bearer errata_…');
  const key = /^bearer +(\S+) *$/i.exec(authorization)?.[1];
  if (key !== undefined) return key;
  throw new Problem('unauthorized', 'the authorization header is not of the form Authorization: Bearer errata_…');
}

function identify(known: Keyring, key: string, now: number): Principal {
  const name = readKey(key);
  if (name === null) throw new Problem('unauthorized', 'this is no API key: it is mistyped, or was cut short');
  const row = known.get(name.id);
  if (row === undefined || !opens(row, digestOfKey(key), now))
    throw new Problem('unauthorized', 'this API key is not known here, or opens nothing any more');
  return { key_id: row.id, role: row.role };
}

function opens(row: ApiKeyRow, digest: Buffer, now: number): boolean {
  const { sha256, previous_sha256, previous_until, revoked_at } = row;
  if (revoked_at !== null) return false;
  if (timingSafeEqual(sha256, digest)) return true;
  if (previous_sha256 === null || previous_until === null) return false;
  return timingSafeEqual(previous_sha256, digest) && now < Date.parse(previous_until);
}

/**
 * Everybody on this machine, but no page of elsewhere in their browser: one that posts to a local address (`origin`,
 * `sec-fetch-site`), or whose name was made to lead here (`host`).
 */
function open({ host, origin, 'sec-fetch-site': site }: AccessHeaders, isLocal: typeof leadsHere): Principal {
  const elsewhere = site === 'cross-site' || site === 'same-site';
  if (elsewhere || (origin !== undefined && hostOf(origin) !== host) || !isLocal(host))
    throw new Problem('forbidden', 'without API keys this service answers programs and pages of this machine only');
  return OPEN;
}

const hostOf = (origin: string): string | null => (URL.canParse(origin) ? new URL(origin).host : null);

/** No Host header at all: no browser asks. */
function leadsHere(host: string | undefined): boolean {
  if (host === undefined) return true;
  const url = `http://${host}`;
  return URL.canParse(url) && isLoopback(new URL(url).hostname.replace(/^\[|\]$/g, ''));
}

/** One client after the other says the same: what was answered last is answered again. */
function rememberLast<I, O>(answer: (input: I) => O): (input: I) => O {
  let last: { readonly input: I; readonly output: O } | undefined;
  return (input) => {
    if (last === undefined || last.input !== input) last = { input, output: answer(input) };
    return last.output;
  };
}
