/** The program of a gradient child: opens the gradient graph, then does micro-batches until its parent is gone. */
import os from 'node:os';
import { failpoint } from '../failpoints.js';
import { endWithParent, leaveSignalsToParent } from '../orphan.js';
import type { FromGradientChild, ToGradientChild, WorkMessage } from './messages.js';
import { type TrainingSession, openTraining } from './session.js';

/** A parent that is gone takes no message; its end is told by 'disconnect'. */
const send = (message: FromGradientChild): void => void process.send?.(message, () => undefined);
let session: Promise<TrainingSession> | undefined;

os.setPriority(os.constants.priority.PRIORITY_LOW);
process.on('disconnect', () => process.exit());
leaveSignalsToParent();
process.on('message', (message: ToGradientChild) => void answer(message));
endWithParent();

async function answer(message: ToGradientChild): Promise<void> {
  try {
    if (message.kind === 'work') return send({ kind: 'results', results: await work(message) });
    session = openTraining(message.options);
    await session;
    send({ kind: 'ready' });
  } catch (error) {
    send({ kind: 'broken', reason: error instanceof Error ? error.message : String(error) });
    process.disconnect();
  }
}

async function work({ parameters, micros, step }: WorkMessage) {
  if (!session) throw new Error('no checkpoint is open');
  const { run } = await session;
  const results = [];
  for (const micro of micros) results.push(await run(parameters, micro, step));
  failpoint('gradient.computed');
  return results;
}
