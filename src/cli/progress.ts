/** How far a download is: a bar on a terminal, plain lines elsewhere; both on standard error. */
import { Presets, SingleBar } from 'cli-progress';
import type { PullProgress } from '../models/pull.js';

export interface Shown extends PullProgress {
  /** Leaves the terminal as it was, also after a failure. */
  end(): void;
}

export function showProgress(stream: NodeJS.WriteStream): Shown {
  return stream.isTTY ? bar(stream) : lines(stream);
}

function lines(stream: NodeJS.WriteStream): Shown {
  const say = (text: string): boolean => stream.write(`${text}\n`);
  return {
    found: (model, directory) => say(`${model.repo} at commit ${model.commit} → ${directory}`),
    begin: (file, have) =>
      say(`${file.name}: ${amount(file.size)}${have > 0 ? `, continued from ${amount(have)}` : ''}`),
    advance: () => {},
    verified: (file) => say(`${file.name}: verified`),
    end: () => {},
  };
}

function bar(stream: NodeJS.WriteStream): Shown {
  const format = '{bar} {percentage}% · {have} of {size} · {eta_formatted} left · {name}';
  const single = new SingleBar({ format, stream, etaBuffer: 50 }, Presets.shades_classic);
  const plain = lines(stream);
  const shown = (have: number): { have: string } => ({ have: amount(have) });
  return {
    found: plain.found,
    begin: (file, have) => single.start(file.size, have, { name: file.name, size: amount(file.size), ...shown(have) }),
    advance: (_, have) => single.update(have, shown(have)),
    verified: (file) => {
      single.stop();
      plain.verified(file);
    },
    end: () => single.stop(),
  };
}

function amount(bytes: number): string {
  return bytes < 1e6 ? `${(bytes / 1e3).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}
