/** What a run is told to wait for, by what waits: its child, its notes. */
import t from 'tap';
import { Notes } from '../../src/train/notes.js';
import type { RunnerOptions } from '../../src/train/options.js';
import { Problem } from '../../src/errors.js';
import { Waits } from '../../src/train/waits.js';
import type { ProgressMessage } from '../../src/training/supervisor.js';

const RUN = 'run-1';
const AT = '2026-01-02T03:04:05.678Z';
const FULL = { reason: 'no space left on the disk', since: AT };
const STEP: ProgressMessage = {
  kind: 'step',
  rows: 8,
  epoch: 1,
  step: 1,
  steps: 9,
  loss: 1,
  learning_rate: 1e-3,
  samples_per_second: 1,
  seconds_left: 1,
};

/** Notes of a run whose database takes nothing until `room` is made. */
function setUp() {
  const disk = { full: true };
  const waits = new Waits(() => AT);
  const stopping = new AbortController();
  const run = async (): Promise<boolean> => {
    if (disk.full) throw new Problem('storage-full', 'errata.db has no space left to grow');
    return true;
  };
  const log = { info: () => undefined, error: () => undefined };
  const parts = { database: { run }, log, waits, now: () => AT, changed: () => undefined };
  const notes = new Notes(parts as unknown as RunnerOptions, { id: RUN, attempt: 1 }, stopping);
  return { disk, waits, notes };
}

t.test('a child that goes on does not end what the notes of its run wait for', async (t) => {
  const { disk, waits, notes } = setUp();
  const noted = notes.note({ events: [] });
  await new Promise((resolve) => setImmediate(resolve));
  t.strictSame(waits.of(RUN), FULL);
  notes.hear(STEP);
  t.strictSame(waits.of(RUN), FULL, 'its notes wait on');
  disk.full = false;
  await noted;
  t.equal(waits.of(RUN), null);
  notes.close();
});

t.test('a child waits from its word until it goes on', async (t) => {
  const { waits, notes } = setUp();
  notes.hear({ kind: 'waiting', epoch: 1, reason: FULL.reason });
  t.strictSame(waits.of(RUN), FULL);
  t.equal(waits.of('another'), null);
  notes.hear(STEP);
  t.equal(waits.of(RUN), null);
  notes.close();
});
