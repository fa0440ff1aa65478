/** Signs of life of a run's child: they stop when nothing moves any more, so that its supervisor ends it. */

export interface Signs {
  /** Something was done: the job goes on. */
  moved(): void;
  /** Whether something has moved lately. */
  alive(): boolean;
}

/** @param stillMs nothing takes longer than this; `now` gives milliseconds */
export function signsOfLife(stillMs: number, now: () => number): Signs {
  let last = now();
  return {
    moved: () => {
      last = now();
    },
    alive: () => now() - last < stillMs,
  };
}
