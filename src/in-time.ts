/**
 * What `work` gives, or the error of `late` when it takes longer than `ms`. The signal that it is given is aborted then, or
 * with `signal`; whatever becomes of work that does not heed it is heard by nobody.
 */
export async function inTime<T>(
  work: (signal: AbortSignal) => Promise<T>,
  ms: number,
  late: () => Error,
  signal?: AbortSignal,
): Promise<T> {
  const end = new AbortController();
  const leave = (): void => end.abort(signal?.reason);
  const ended = new Promise<never>((_resolve, reject) => {
    end.signal.addEventListener('abort', () => reject(end.signal.reason as Error), { once: true });
  });
  const timer = setTimeout(() => end.abort(late()), ms);
  signal?.addEventListener('abort', leave, { once: true });
  if (signal?.aborted === true) leave();
  try {
    return await Promise.race([work(end.signal), ended]);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', leave);
  }
}
