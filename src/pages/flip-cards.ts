/** The pairs that the new adapter fixed and broke, to be read by a person. */
import type { Report } from '../compare/report.js';
import type { Flip } from '../evaluation/flips.js';
import { type Markup, markup } from './markup.js';
import { figure, percent, plural } from './numbers.js';

/** Shown at once; the others behind a fold. */
const SHOWN = 5;

function card(flip: Flip): Markup {
  const { premise, nli_hypothesis, correct_label, old, new: next, kind, page_id } = flip;
  const page = page_id === null ? null : markup` · page <bdi>${page_id}</bdi>`;
  return markup`<article class="flip"><p class="tag">Premise</p><p class="text" dir="auto">${premise}</p>
<p class="tag">Hypothesis</p><p class="text hypothesis" dir="auto">${nli_hypothesis}</p>
<div class="answers"><span>reviewer: <strong>${correct_label}</strong></span>
<span class="old">old: ${old.label} ${percent(old.confidence, 0)}</span><span class="new">new: ${next.label} ${percent(next.confidence, 0)}</span>
<span class="soft">${kind}${page}</span></div></article>`;
}

function cards(flips: readonly Flip[], all: number): Markup {
  const [shown, folded] = [flips.slice(0, SHOWN), flips.slice(SHOWN)];
  const missing = all - flips.length;
  const rest = missing > 0 ? markup`<p class="soft">${figure(missing)} more not kept in this report.</p>` : null;
  if (folded.length === 0) return markup`${shown.map(card)}${rest}`;
  return markup`${shown.map(card)}<details><summary>${plural(folded.length, 'more pair')}</summary>${folded.map(card)}${rest}</details>`;
}

export function flipSection({ flips, sets: { union } }: Report): Markup {
  const { fixed, broken } = union.mcnemar;
  const none = markup`<p class="soft">None.</p>`;
  return markup`<section><h2>Broken: ${plural(broken, 'pair')}</h2>
<p class="lead">Right with the old adapter, wrong with the new one; the surest first.</p>${broken === 0 ? none : cards(flips.broken, broken)}</section>
<section><h2>Fixed: ${plural(fixed, 'pair')}</h2>
<p class="lead">Wrong with the old adapter, right with the new one.</p>${fixed === 0 ? none : cards(flips.fixed, fixed)}</section>`;
}
