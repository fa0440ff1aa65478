/** The program of a gradient child: opens the gradient graph, then answers micro-batches until its parent is gone. */
import os from 'node:os';
import type { FromGradientChild, MicroMessage, OpenMessage, ToGradientChild } from './messages.js';
import { type TrainingSession, openTraining } from './session.js';

let session: Promise<TrainingSession> | undefined;
let parameters: Float32Array = new Float32Array();
let step = 0;

os.setPriority(os.constants.priority.PRIORITY_LOW);
process.on('disconnect', () => process.exit());
process.on('SIGINT', () => undefined); // the terminal's Ctrl-C reaches the whole group; the service decides
process.on('message', (message: ToGradientChild) => {
  if (message.kind === 'open') session = open(message);
  else if (message.kind === 'parameters') ({ parameters, step } = message);
  else void answer(message);
});

const send = (message: FromGradientChild): void => void process.send?.(message);

/** One thread: sums inside a session of several come in an order that is not ours to fix. */
function open({ checkpoint, plan, dropout, seed }: OpenMessage): Promise<TrainingSession> {
  const opening = openTraining({ checkpoint, plan, dropout, seed, threads: 1 });
  opening.catch(() => undefined); // told with the first micro-batch
  return opening;
}

async function answer({ micro }: MicroMessage): Promise<void> {
  try {
    const opened = await session;
    if (!opened) throw new Error('a micro-batch came before the model');
    send({ kind: 'gradient', ...(await opened.run(parameters, micro, step)) });
  } catch (error) {
    send({ kind: 'failed', reason: error instanceof Error ? error.message : String(error) });
  }
}
