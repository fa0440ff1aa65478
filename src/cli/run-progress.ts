/** How far a training run is: a bar on a terminal, plain lines elsewhere; both on standard error. */
import { Presets, SingleBar } from 'cli-progress';
import type { RunEvent } from '../../client/client.js';

export interface RunProgress {
  on(event: RunEvent): void;
  /** Leaves the terminal as it was, also after a failure. */
  end(): void;
}

export function showRun(stream: NodeJS.WriteStream): RunProgress {
  return stream.isTTY ? bar(stream) : lines(stream);
}

/** What an event says to people; undefined for steps, of which there are many. */
function told({ type, state, stage, epoch, version, reason }: RunEvent): string | undefined {
  if (type === 'state') return `run ${text(state)}${reason === undefined ? '' : `: ${text(reason)}`}`;
  if (type === 'stage') return `${text(stage)} …`;
  if (type === 'epoch') return `epoch ${text(epoch)} done`;
  if (type === 'adapter' && version !== undefined) return `adapter ${text(version)} registered`;
  return undefined;
}

const text = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value));

function lines(stream: NodeJS.WriteStream): RunProgress {
  const on = (event: RunEvent): void => {
    const line = told(event);
    if (line !== undefined) stream.write(`${line}\n`);
  };
  return { on, end: () => undefined };
}

function bar(stream: NodeJS.WriteStream): RunProgress {
  const format = '{bar} step {value} of {total} · epoch {epoch} · loss {loss} · {left} s left';
  const single = new SingleBar({ format, stream, clearOnComplete: true }, Presets.shades_classic);
  const plain = lines(stream);
  let shown = false;
  const end = (): void => {
    if (shown) single.stop();
    shown = false;
  };
  const step = ({ step: done, steps, epoch, loss, seconds_left }: RunEvent): void => {
    const payload = { epoch, loss: Number(loss).toFixed(3), left: Math.ceil(Number(seconds_left)) };
    if (shown) single.update(Number(done), payload);
    else single.start(Number(steps), Number(done), payload);
    shown = true;
  };
  const on = (event: RunEvent): void => {
    if (event.type === 'step') return step(event);
    if (event.type === 'epoch') return;
    end();
    plain.on(event);
  };
  return { on, end };
}
