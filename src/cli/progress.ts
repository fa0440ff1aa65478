/** How far a download is: a bar on a terminal, plain lines elsewhere; both on standard error. */
import { Presets, SingleBar } from 'cli-progress';
import type { PullProgress } from '../models/pull.js';

export function showProgress(stream: NodeJS.WriteStream): PullProgress {
  return stream.isTTY ? bar(stream) : lines(stream);
}

function lines(stream: NodeJS.WriteStream): PullProgress {
  const say = (text: string): boolean => stream.write(`${text}\n`);
  return {
    found: (model, directory) => say(`${model.repo} at commit ${model.commit} → ${directory}`),
    begin: (file, have) =>
      say(`${file.name}: ${megabytes(file.size)}${have > 0 ? `, continued from ${megabytes(have)}` : ''}`),
    advance: () => {},
    verified: (file) => say(`${file.name}: verified`),
  };
}

function bar(stream: NodeJS.WriteStream): PullProgress {
  const format = '{bar} {percentage}% · {have} of {size} · {eta_formatted} left · {name}';
  const single = new SingleBar({ format, stream, etaBuffer: 50 }, Presets.shades_classic);
  const plain = lines(stream);
  const shown = (have: number): { have: string } => ({ have: megabytes(have) });
  return {
    found: plain.found,
    begin: (file, have) =>
      single.start(file.size, have, { name: file.name, size: megabytes(file.size), ...shown(have) }),
    advance: (_, have) => single.update(have, shown(have)),
    verified: (file) => {
      single.stop();
      plain.verified(file);
    },
  };
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
