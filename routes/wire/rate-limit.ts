/**
 * How much a key, or on an open service an address, may ask in a minute, in units: a request is one, unless its route says
 * otherwise. @fastify/rate-limit counts requests; what its store counts is the store's own affair, so the units go to it
 * in the key.
 */
import rateLimit, { type FastifyRateLimitStore } from '@fastify/rate-limit';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { Problem } from '../../src/errors.js';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Units of a request, by its body, once that is checked. */
    units?: (body: never) => number;
  }
}

export interface RateLimitOptions {
  readonly unitsPerMinute: number;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

const MINUTE_MS = 60_000;
/** The keys, or addresses of this machine, that are remembered. */
const MOST_KEYS = 10_000;

/** To be called before any route is registered; routes that are open to all are exempt. */
export async function limitRates(app: FastifyInstance, { unitsPerMinute, now }: RateLimitOptions): Promise<void> {
  app.addHook('onRoute', (route) => {
    const { roles, rateLimit: own, units } = route.config ?? {};
    const limit = roles === 'open' ? false : (own ?? (units && { hook: 'preHandler' as const }));
    if (limit !== undefined) route.config = { ...route.config, rateLimit: limit };
  });
  await app.register(rateLimit, {
    max: unitsPerMinute,
    timeWindow: MINUTE_MS,
    enableDraftSpec: true,
    store: storeOfUnits(now),
    keyGenerator: (request) => `${unitsOf(request)} ${request.principal.key_id ?? request.ip}`,
    errorResponseBuilder: (_request, { ttl }) => refusal(unitsPerMinute, ttl / 1000),
  });
  refuseUnread(app, unitsPerMinute);
}

/** Nothing is read of the body of one who has no unit left. */
function refuseUnread(app: FastifyInstance, unitsPerMinute: number): void {
  const check = app.createRateLimit();
  app.addHook('onRequest', async (request: FastifyRequest, reply: FastifyReply) => {
    if (request.routeOptions.config.units === undefined) return;
    const state = await check(request, { increment: false });
    if (state.isAllowed || state.remaining > 0) return;
    const reset = String(state.ttlInSeconds);
    reply.headers({ 'ratelimit-limit': unitsPerMinute, 'ratelimit-remaining': 0, 'ratelimit-reset': reset });
    throw refusal(unitsPerMinute, state.ttlInSeconds);
  });
}

const unitsOf = ({ body, routeOptions }: FastifyRequest): number =>
  body === undefined ? 1 : Math.max(1, routeOptions.config.units?.(body as never) ?? 1);

const refusal = (unitsPerMinute: number, retryAfter: number): Problem =>
  new Problem('rate-limited', `this may ask ${unitsPerMinute} units in a minute: one a pair, one any other request`, {
    retryAfter,
  });

interface Spent {
  units: number;
  readonly since: number;
}

type Told = Parameters<FastifyRateLimitStore['incr']>[1];

/** Counts within a minute from a key's first unit. What does not fit costs nothing, so that less may still fit. */
function storeOfUnits(now: () => number) {
  return class Store implements FastifyRateLimitStore {
    readonly #spent = new Map<string, Spent>();

    incr(unitsAndKey: string, tell: Told, windowMs: number, max: number): void {
      const units = Number.parseInt(unitsAndKey, 10);
      const spent = this.#of(unitsAndKey, windowMs);
      const current = spent.units + units;
      if (current <= max) spent.units = current;
      tell(null, { current, ttl: spent.since + windowMs - now() });
    }

    read(unitsAndKey: string, tell: Told, windowMs: number): void {
      const { units, since } = this.#of(unitsAndKey, windowMs);
      tell(null, { current: units, ttl: since + windowMs - now() });
    }

    /** All routes count together. */
    child(): this {
      return this;
    }

    #of(unitsAndKey: string, windowMs: number): Spent {
      const key = unitsAndKey.slice(unitsAndKey.indexOf(' ') + 1);
      const known = this.#spent.get(key);
      if (known !== undefined && now() < known.since + windowMs) return known;
      const fresh = { units: 0, since: now() };
      this.#spent.delete(key);
      this.#spent.set(key, fresh);
      const [oldest] = this.#spent.keys();
      if (oldest !== undefined && this.#spent.size > MOST_KEYS) this.#spent.delete(oldest);
      return fresh;
    }
  };
}
