/** This process says again and again that it runs what it has claimed. */
import type { Fence } from '../db/training-run-acts.js';
import type { Lease } from '../db/training-run-leases.js';
import type { RunnerParts } from './options.js';

/** Two signs of life may be lost. */
const SIGNS_PER_LEASE = 3;

export const leaseOf = ({ owner, leaseMs, now }: Pick<RunnerParts, 'owner' | 'leaseMs' | 'now'>): Lease => ({
  owner,
  lease_until: new Date(Date.parse(now()) + leaseMs).toISOString(),
});

/**
 * Renews the lease until the function it gives is called; calls `lost` when another has claimed or ended the run. A sign
 * that cannot be stored is no news: who would claim the run has to store that as well.
 */
export function keepLease(parts: RunnerParts, fence: Fence, lost: () => void): () => void {
  let asking = false;
  const renew = async (): Promise<void> => {
    const held = await parts.database.run('renewTrainingRun', { ...fence, lease: leaseOf(parts) });
    if (!held) lost();
  };
  const timer = setInterval(() => {
    if (asking) return;
    asking = true;
    void renew()
      .catch(() => undefined)
      .finally(() => (asking = false));
  }, parts.leaseMs / SIGNS_PER_LEASE);
  return () => clearInterval(timer);
}
