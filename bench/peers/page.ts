/** A run of bench:peers as the block of docs/performance.md. */
import { markdownTable } from '../support/markdown.js';
import { type Compared, isErrata } from './compared.js';
import type { Summary } from './interleave.js';

export interface PeersReport {
  readonly machine: Readonly<Record<string, unknown>>;
  readonly versions: Readonly<Record<string, string>>;
  /** Who is not measured, and why. */
  readonly skipped: Readonly<Record<string, string>>;
  readonly onnx_files: 'exported by PyTorch' | 'stand-in';
  readonly inference: {
    /** Largest difference of a logit from Errata's. */
    readonly logits_differ_by: Readonly<Record<string, number>>;
    readonly shapes: Readonly<Record<string, Compared>>;
    readonly one_pair_of_texts_64_tokens: Compared;
    readonly mixed: { readonly pairs: number; readonly tokens: Compared; readonly texts: Compared };
  };
  readonly training: {
    readonly steps: Readonly<Record<string, Compared>>;
    readonly whole_run_seconds: Readonly<Record<string, number>>;
  };
}

export function page({ inference, training, skipped }: PeersReport): string {
  const { pairs, tokens, texts } = inference.mixed;
  const lines = {
    ...inference.shapes,
    [`${pairs} real pairs, tokenised`]: tokens,
    [`${pairs} real pairs, as texts`]: texts,
    'one pair of 64 tokens, as text': inference.one_pair_of_texts_64_tokens,
  };
  const missing = Object.entries(skipped).map(([name, reason]) => `Not measured here: ${name} (${reason}).`);
  return [msTable(lines), ratioTable(lines), msTable(training.steps), ratioTable(training.steps), ...missing]
    .filter(Boolean)
    .join('\n\n');
}

type Lines = Readonly<Record<string, Compared>>;

/** Median milliseconds. */
function msTable(lines: Lines): string {
  const names = namesOf(lines);
  const rows = Object.entries(lines).map(([what, { ms }]) => [what, ...names.map((n) => `${ms[n]?.median ?? ''}`)]);
  return markdownTable(['ms', ...names], rows);
}

/** How many times as fast, with the quartiles of the rounds; nothing where there is no peer. */
function ratioTable(lines: Lines): string {
  const names = namesOf(lines);
  const peers = names.filter((name) => !isErrata(name));
  const rows = Object.entries(lines).flatMap(([what, { times_faster }]) =>
    Object.entries(times_faster).map(([ours, by]) => [what, ours, ...peers.map((peer) => shown(by[peer]))]),
  );
  return peers.length > 0 ? markdownTable(['times as fast', '', ...peers.map((peer) => `as ${peer}`)], rows) : '';
}

const namesOf = (lines: Lines): string[] => [...new Set(Object.values(lines).flatMap(({ ms }) => Object.keys(ms)))];

const shown = (ratio: Summary | undefined): string =>
  ratio ? `${ratio.median.toFixed(2)} (${ratio.quartiles.map((x) => x.toFixed(2)).join('–')})` : '';
