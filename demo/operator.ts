/** The operator: starts a run, reads the comparison, decides what answers. */
import {
  dataOf,
  type ErrataClient,
  ErrataError,
  type RunEvent,
  type Schemas,
  type ShadowComparison,
  type TrainingRun,
} from '../client/client.js';

export const readiness = (client: ErrataClient, signal: AbortSignal): Promise<Schemas['Readiness']> =>
  dataOf(client.api.GET('/training-runs/readiness', { signal }));

/** Starts a run and follows it to its end. Rejects where it did not succeed; an interrupted one is cancelled. */
export async function train(
  client: ErrataClient,
  onEvent: (event: RunEvent) => void,
  signal: AbortSignal,
): Promise<TrainingRun> {
  const { id } = await dataOf(client.api.POST('/training-runs', { body: {}, signal }));
  const run = await client.waitForRun(id, { onEvent, signal });
  if (run.state !== 'succeeded') throw new Error(`the training run ${run.state}: ${run.error}`);
  return run;
}

export interface Learnt {
  readonly adapter: Schemas['RegisteredAdapter'];
  readonly comparison: ShadowComparison;
}

/** The adapter of a run, and how it compares with what answers now. */
export async function learnt(client: ErrataClient, run: TrainingRun, signal: AbortSignal): Promise<Learnt> {
  const { adapter_id, comparison_id } = run;
  if (adapter_id === null || comparison_id === null) throw new Error('the run has no adapter or no comparison');
  const adapter = await dataOf(client.api.GET('/adapters/{id}', { params: { path: { id: adapter_id } }, signal }));
  return { adapter, comparison: await client.waitForComparison(comparison_id, { signal }) };
}

export interface Overruling {
  readonly force: boolean;
  readonly reason: string;
}

export interface Promotion {
  readonly promoted: boolean;
  readonly forced: boolean;
  /** Why the service refused, before it was forced. */
  readonly refused: string | null;
}

/**
 * Asks for the promotion, with the ETag of what answers now. A refusal is the answer to a comparison that does not
 * recommend; with `force` the operator then overrules it, and the history keeps the reason.
 */
export async function promote(client: ErrataClient, id: string, { force, reason }: Overruling): Promise<Promotion> {
  try {
    await move(client, id, { force: false });
    return { promoted: true, forced: false, refused: null };
  } catch (error) {
    if (!(error instanceof ErrataError) || error.status !== 409) throw error;
    if (force) await move(client, id, { force, reason });
    return { promoted: force, forced: force, refused: error.detail };
  }
}

async function move(client: ErrataClient, id: string, body: Schemas['PromoteRequest']): Promise<void> {
  const { response } = await client.api.GET('/adapters/active');
  const etag = response.headers.get('etag');
  const params = { path: { id }, ...(etag !== null && { header: { 'if-match': etag } }) };
  await client.api.POST('/adapters/{id}/promote', { params, body });
}
