/** How an attempt of a training run is told to end. */

/** Another has ended the run, or the service closes: what is under way is dropped. */
export class Stopped extends Error {
  override readonly name = 'Stopped';
}

export function refuseStopped(signal: AbortSignal): void {
  if (signal.aborted) throw new Stopped();
}

/** What `work` gives; rejects with Stopped as soon as the signal is aborted. */
export async function unlessStopped<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  let stop = (): void => undefined;
  const stopped = new Promise<never>((_, reject) => {
    stop = () => reject(new Stopped());
    signal.addEventListener('abort', stop);
    if (signal.aborted) stop();
  });
  try {
    return await Promise.race([work, stopped]);
  } finally {
    signal.removeEventListener('abort', stop);
    work.catch(() => undefined);
  }
}
