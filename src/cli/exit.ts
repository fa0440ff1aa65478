/** The command did what it was asked, and its answer is one that scripts want to see in the exit status. */
export class ExitStatus extends Error {
  override readonly name = 'ExitStatus';
  readonly status: number;

  constructor(status: number) {
    super(`exit status ${status}`);
    this.status = status;
  }
}

/** Exit status of a comparison that does not recommend, and of one with too few rows to tell. */
export const VERDICT_STATUS = { recommend: 0, do_not_recommend: 3, not_enough_data: 4 } as const;
