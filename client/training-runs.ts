/** A training run from its start to its end, and the comparison after it. */
import type { Client } from 'openapi-fetch';
import { ErrataError, ErrataUnreachable } from './errors.js';
import { eventsOf, type ServerSentEvent } from './event-stream.js';
import type { components, paths } from './schema.js';

export type TrainingRun = components['schemas']['TrainingRunDetail'];
export type ShadowComparison = components['schemas']['ShadowComparison'];

/** `type` tells which of the other fields there are; openapi.yaml lists them at GET /training-runs/{id}/events. */
export interface RunEvent {
  /** Counts from 1 within the run. */
  readonly seq: number;
  readonly type: string;
  /** When, in ISO 8601. */
  readonly at: string;
  readonly [field: string]: unknown;
}

export interface Following {
  /** `seq` of the last event known; 0, the default: from the beginning. */
  readonly after?: number;
  readonly signal?: AbortSignal;
}

export interface Waiting extends Following {
  /** Called with every event of the run. */
  readonly onEvent?: (event: RunEvent) => void;
}

/** Attempts without a new event before a broken stream is an error. */
const ATTEMPTS = 8;
const PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 10_000;
const POLL_MS = 500;

const ENDED: ReadonlySet<string> = new Set(['succeeded', 'failed', 'cancelled']);

/** What has happened in the run and what happens, to its end. A stream that breaks is taken up again where it broke. */
export async function* events(
  api: Client<paths>,
  runId: string,
  { after = 0, signal }: Following = {},
): AsyncGenerator<RunEvent, void, void> {
  let last = after;
  for (let failures = 0; ;) {
    try {
      for await (const sent of await openStream(api, runId, last, signal)) {
        const event = runEvent(sent);
        yield event;
        [last, failures] = [event.seq, 0];
        if (isEnd(event)) return;
      }
      if (ENDED.has((await getRun(api, runId, signal)).state)) return;
    } catch (error) {
      signal?.throwIfAborted();
      if (!isPassing(error) || ++failures >= ATTEMPTS) throw error;
      await pause(pauseAfter(error, failures), signal);
    }
  }
}

/** Resolves with the run when it has ended, whatever way: look at its `state`. */
export async function waitForRun(
  api: Client<paths>,
  runId: string,
  { onEvent, ...following }: Waiting = {},
): Promise<TrainingRun> {
  for await (const event of events(api, runId, following)) onEvent?.(event);
  return await getRun(api, runId, following.signal);
}

/** Resolves with the comparison when it has succeeded or failed. */
export async function waitForComparison(
  api: Client<paths>,
  id: string,
  { signal }: Pick<Following, 'signal'> = {},
): Promise<ShadowComparison> {
  for (;;) {
    const { data } = await api.GET('/shadow-comparisons/{id}', {
      params: { path: { id } },
      ...(signal && { signal }),
    });
    const comparison = data as ShadowComparison;
    if (comparison.state === 'succeeded' || comparison.state === 'failed') return comparison;
    await pause(POLL_MS, signal);
  }
}

async function getRun(api: Client<paths>, id: string, signal: AbortSignal | undefined): Promise<TrainingRun> {
  const { data } = await api.GET('/training-runs/{id}', { params: { path: { id } }, ...(signal && { signal }) });
  return data as TrainingRun;
}

/** No events at all where the run has ended and `after` was its last. */
async function openStream(
  api: Client<paths>,
  id: string,
  after: number,
  signal: AbortSignal | undefined,
): Promise<AsyncIterable<ServerSentEvent>> {
  const { data, response } = await api.GET('/training-runs/{id}/events', {
    params: { path: { id }, ...(after > 0 && { header: { 'last-event-id': String(after) } }) },
    parseAs: 'stream',
    ...(signal && { signal }),
  });
  if (response.status === 204 || !data) return noEvents();
  return eventsOf(data);
}

async function* noEvents(): AsyncGenerator<ServerSentEvent> {}

const runEvent = ({ id, event, data }: ServerSentEvent): RunEvent => ({
  ...(JSON.parse(data) as { at: string }),
  seq: Number(id),
  type: event,
});

const isEnd = ({ type, state }: RunEvent): boolean => type === 'state' && ENDED.has(String(state));

/** Broken connections and a service that is busy or starting again; a refusal would come again. */
const isPassing = (error: unknown): boolean =>
  error instanceof ErrataError
    ? [429, 502, 503, 504].includes(error.status)
    : error instanceof ErrataUnreachable || error instanceof TypeError;

function pauseAfter(error: unknown, failures: number): number {
  if (error instanceof ErrataError && error.retryAfter !== null) return error.retryAfter * 1000;
  return Math.min(LONGEST_PAUSE_MS, PAUSE_MS * 2 ** (failures - 1));
}

function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const over = (): void => {
      signal?.removeEventListener('abort', aborted);
      resolve();
    };
    const timer = setTimeout(over, ms);
    const aborted = (): void => {
      clearTimeout(timer);
      reject(signal?.reason as Error);
    };
    signal?.addEventListener('abort', aborted, { once: true });
    if (signal?.aborted) aborted();
  });
}
