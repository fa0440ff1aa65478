/** A typed client of the Errata service: every call of openapi.yaml, and what is more than one call. */
import createFetch, { type Client, type Middleware } from 'openapi-fetch';
import { exportCorrections, importCorrections } from './corrections.js';
import { ErrataUnreachable, errorOf } from './errors.js';
import type { components, paths } from './schema.js';
import { events, waitForComparison, waitForRun } from './training-runs.js';

export { ErrataError, ErrataUnreachable, type FieldError } from './errors.js';
export type { CallOptions, CorrectionLine, ImportReport } from './corrections.js';
export type { Following, RunEvent, ShadowComparison, TrainingRun, Waiting } from './training-runs.js';
export type { components, paths } from './schema.js';

export type Schemas = components['schemas'];
export type Api = Client<paths>;

export interface ClientOptions {
  /** Where the service listens, for instance `http://127.0.0.1:8100`. */
  readonly baseUrl: string;
  /** Sent as `Authorization: Bearer …`. */
  readonly apiKey?: string;
  /** Instead of the global fetch. */
  readonly fetch?: (request: Request) => Promise<Response>;
}

/**
 * The service at `baseUrl`. Every call is rejected with ErrataError when the service answers with a problem, with
 * ErrataUnreachable when it does not answer, with the signal's reason when it is aborted.
 */
export function createClient({ baseUrl, apiKey, fetch }: ClientOptions) {
  const headers = apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` };
  const api: Api = createFetch<paths>({ baseUrl, headers, ...(fetch && { fetch }) });
  api.use(rejecting);
  return {
    /** `api.GET('/predictions/{id}', { params: { path: { id } } })`: any call, typed by its path. */
    api,
    events: bound(events, api),
    waitForRun: bound(waitForRun, api),
    waitForComparison: bound(waitForComparison, api),
    exportCorrections: bound(exportCorrections, api),
    importCorrections: bound(importCorrections, api),
  };
}

export type ErrataClient = ReturnType<typeof createClient>;

const bound =
  <Rest extends unknown[], Result>(call: (api: Api, ...rest: Rest) => Result, api: Api) =>
  (...rest: Rest): Result =>
    call(api, ...rest);

/** What a call of `api` answered: its errors are thrown, so there always is data. */
export async function dataOf<T>(call: Promise<{ readonly data?: T }>): Promise<T> {
  return (await call).data as T;
}

const rejecting: Middleware = {
  onResponse: async ({ response }) => {
    if (!response.ok) throw await errorOf(response);
  },
  onError: ({ request, error }) => {
    if (request.signal.aborted) return undefined;
    return new ErrataUnreachable(new URL(request.url).origin, error);
  },
};
