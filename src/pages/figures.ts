/** Figures of a comparison: drawn as inline SVG and tables, coloured by the style sheet's classes alone. */
import type { ReliabilityBin } from '../evaluation/calibration.js';
import type { Confusion } from '../evaluation/classification.js';
import type { Difference } from '../evaluation/report.js';
import { LABELS } from '../labels.js';
import { type Markup, markup } from './markup.js';
import { figure, percent, points } from './numbers.js';

export type Which = 'old' | 'new';

const HEATS = 6;

/** 0 for nothing, else 1 to 6 by the share of the row. */
const heat = (rows: number, of: number): number => (rows === 0 ? 0 : Math.max(1, Math.ceil((HEATS * rows) / of)));

/** Correct labels down, answers across; each cell is shaded by its share of its row. */
export function confusionTable(confusion: Confusion, caption: Markup): Markup {
  const row = (truth: (typeof LABELS)[number]): Markup => {
    const total = LABELS.reduce((sum, answer) => sum + confusion[truth][answer], 0);
    const cells = LABELS.map((answer) => {
      const rows = confusion[truth][answer];
      const kind = answer === truth ? 'hit' : 'miss';
      return markup`<td class="${kind} h${heat(rows, total)}">${figure(rows)}</td>`;
    });
    return markup`<tr><th scope="row">${truth}</th>${cells}</tr>`;
  };
  return markup`<figure class="card"><h3>${caption}</h3><div class="scroll"><table class="confusion">
<thead><tr><th></th>${LABELS.map((label) => markup`<th scope="col">${label}</th>`)}</tr></thead>
<tbody>${LABELS.map(row)}</tbody></table></div>
<figcaption>Down: what the reviewers say. Across: what the adapter answers.</figcaption></figure>`;
}

const SIZE = 240;
const LEFT = 34;
const TOP = 10;
const MASS = 34;

const fixed = (value: number): string => value.toFixed(2);

/** Accuracy over confidence, bin by bin; the gap to the diagonal is what ECE sums; below, how many rows each bin has. */
export function reliabilityDiagram(bins: readonly ReliabilityBin[], which: Which): Markup {
  const most = Math.max(1, ...bins.map(({ n }) => n));
  const label = `Accuracy by confidence, ${which} adapter`;
  return markup`<svg class="square" viewBox="0 0 ${LEFT + SIZE + 8} ${TOP + SIZE + MASS + 44}" role="img" aria-label="${label}">
${[0, 0.25, 0.5, 0.75, 1].map(gridLine)}
${bins.map((bin) => reliabilityBar(bin, which, most))}
<line class="ideal" x1="${LEFT}" y1="${TOP + SIZE}" x2="${LEFT + SIZE}" y2="${TOP}"/>
<text x="${LEFT + SIZE / 2}" y="${TOP + SIZE + MASS + 40}" text-anchor="middle">confidence (below the axis: rows)</text></svg>`;
}

function gridLine(share: number): Markup {
  const [x, y] = [LEFT + share * SIZE, TOP + SIZE - share * SIZE];
  return markup`<line class="axis" x1="${LEFT}" y1="${fixed(y)}" x2="${LEFT + SIZE}" y2="${fixed(y)}"/>
<text x="${LEFT - 5}" y="${fixed(y + 4)}" text-anchor="end">${share}</text>
<text x="${fixed(x)}" y="${TOP + SIZE + MASS + 22}" text-anchor="middle">${share}</text>`;
}

function reliabilityBar(
  { low, high, n, confidence, accuracy }: ReliabilityBin,
  which: Which,
  most: number,
): Markup | null {
  if (accuracy === null || confidence === null) return null;
  const [x, width] = [fixed(LEFT + low * SIZE + 1), fixed((high - low) * SIZE - 2)];
  const top = Math.max(accuracy, confidence);
  const gap = Math.abs(accuracy - confidence);
  const told = `${percent(low, 0)} to ${percent(high, 0)}: ${n} rows, confidence ${percent(confidence)}, accuracy ${percent(accuracy)}`;
  return markup`<g><title>${told}</title>
<rect class="bar ${which}" x="${x}" y="${fixed(TOP + SIZE - accuracy * SIZE)}" width="${width}" height="${fixed(accuracy * SIZE)}"/>
<rect class="gap" x="${x}" y="${fixed(TOP + SIZE - top * SIZE)}" width="${width}" height="${fixed(gap * SIZE)}"/>
<rect class="mass" x="${x}" y="${TOP + SIZE + 4}" width="${width}" height="${fixed(Math.max(1, (n / most) * MASS))}"/></g>`;
}

const HALF = 130;

/** The difference with its 95 % interval on a scale around zero; the dashed line is the loss that the gate bears. */
export function differenceBar({ value, interval }: Difference, bound: number | null): Markup | null {
  if (value === null) return null;
  const ends = [value, interval?.low ?? value, interval?.high ?? value, bound ?? 0];
  const reach = Math.max(0.1, ...ends.map(Math.abs)) * 1.1;
  const x = (difference: number): string => fixed(HALF + 10 + (difference / reach) * HALF);
  const vertical = (at: number, kind: string): Markup =>
    markup`<line class="${kind}" x1="${x(at)}" y1="4" x2="${x(at)}" y2="32"/>`;
  const whisker =
    interval && markup`<line class="whisker" x1="${x(interval.low)}" y1="18" x2="${x(interval.high)}" y2="18"/>`;
  return markup`<svg viewBox="0 0 ${2 * HALF + 20} 48" role="img" aria-label="Difference ${points(value)} points">
<line class="axis" x1="10" y1="18" x2="${2 * HALF + 10}" y2="18"/>
${vertical(0, 'zero')}${bound === null ? null : vertical(bound, 'bound')}
${whisker}<circle class="dot new" cx="${x(value)}" cy="18" r="5.5"/>
<text x="10" y="45">${points(-reach)}</text><text x="${x(0)}" y="45" text-anchor="middle">0</text>
<text x="${2 * HALF + 10}" y="45" text-anchor="end">${points(reach)} points</text></svg>`;
}
