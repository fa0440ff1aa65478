/** What happens, on standard error: a line for each step, which counts up in place on a terminal. */

export interface Progress {
  /** A new step: what is done, and the call that does it. */
  step(title: string, call?: string): void;
  /** How far the step is. Seen on a terminal only. */
  advance(text: string): void;
  /** Something worth to stay. */
  note(text: string): void;
  /** Leaves the terminal with a whole line. */
  end(): void;
}

export function showProgress(stream: NodeJS.WriteStream): Progress {
  let open = '';
  const close = (): void => {
    if (open !== '') stream.write('\r\u001b[2K');
    open = '';
  };
  return {
    step(title, call) {
      close();
      stream.write(`\n${title}\n${call === undefined ? '' : `  ${call}\n`}`);
    },
    advance(text) {
      if (!stream.isTTY || text === open) return;
      open = text;
      stream.write(`\r\u001b[2K  ${text.slice(0, stream.columns - 3)}`);
    },
    note(text) {
      close();
      stream.write(`  ${text}\n`);
    },
    end: close,
  };
}

/** `[#######             ] 35 %` */
export function bar(done: number, all: number): string {
  const share = all === 0 ? 1 : done / all;
  const filled = Math.round(20 * share);
  return `[${'#'.repeat(filled)}${' '.repeat(20 - filled)}] ${String(Math.floor(100 * share)).padStart(3)} %`;
}
