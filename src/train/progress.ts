/** How far a run is, from what its child tells. */
import type { RunCheckpoint } from '../db/training-run-acts.js';
import type { RunProgress } from '../db/training-run-rows.js';
import type { ProgressMessage, StepMessage } from '../training/supervisor.js';

export const EMPTY: RunProgress = {
  stage: 'preparing',
  epoch: 0,
  epochs: 0,
  step: 0,
  steps: null,
  loss: null,
  learning_rate: null,
  samples_per_second: null,
  seconds_left: null,
};

/** The last step's. */
export function newest(told: readonly ProgressMessage[]): Partial<RunProgress> {
  const last = told.findLast((message): message is StepMessage => message.kind === 'step');
  if (last === undefined) return {};
  const { kind: _kind, rows: _rows, ...step } = last;
  return step;
}

/** What the child told as those who follow the run read it. */
export function eventOf(message: ProgressMessage): { readonly type: string } & Record<string, unknown> {
  if (message.kind === 'epoch') return { type: 'epoch', epoch: message.epoch };
  const { kind, ...rest } = message;
  return { type: kind, ...rest };
}

/** The states that are on the disk. */
export const checkpointsOf = (told: readonly ProgressMessage[]): RunCheckpoint[] =>
  told.flatMap((message) => (message.kind === 'epoch' ? [{ epoch: message.epoch, sha256: message.sha256 }] : []));
