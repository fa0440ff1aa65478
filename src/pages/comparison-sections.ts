/** The sections of a comparison's page that tell numbers. */
import type { Report } from '../compare/report.js';
import type { AdapterRef } from '../judge/judge.js';
import { LABELS, type Label } from '../labels.js';
import { confusionTable, differenceBar, reliabilityDiagram, type Which } from './figures.js';
import { type Filling, type Markup, markup } from './markup.js';
import { figure, milliseconds, percent, plural, points } from './numbers.js';

export const nameOf = (adapter: AdapterRef | null): string => (adapter === null ? 'base model' : adapter.version);

export const sided = (which: Which, text: Filling): Markup => markup`<span class="${which}">${text}</span>`;

const SETS = {
  corrections: { title: 'Corrections', question: 'Is it better where the old one was wrong?' },
  confirmations: { title: 'Confirmations', question: 'Did it forget what was right?' },
  union: { title: 'All held-out rows', question: 'The two together.' },
} as const;
const SET_NAMES = ['corrections', 'confirmations', 'union'] as const;

export function accuracySection({ sets, gate }: Report): Markup {
  const bounds = { corrections: null, confirmations: gate.lower_limit, union: -gate.loss_percent / 100 };
  const card = (name: (typeof SET_NAMES)[number]): Markup => {
    const { n, pages, old, new: next, difference, mcnemar } = sets[name];
    const { interval } = difference;
    return markup`<div class="card"><p class="eyebrow">${SETS[name].title}</p><p class="soft">${SETS[name].question}</p>
<p class="big">${sided('old', percent(old.accuracy))}<span class="arrow">→</span>${sided('new', percent(next.accuracy))}</p>
${differenceBar(difference, bounds[name])}
<dl class="facts"><dt>new − old</dt><dd>${points(difference.value)} points</dd>
<dt>95 % interval</dt><dd>${interval === null ? '–' : `${points(interval.low)} to ${points(interval.high)}`}</dd>
<dt>rows</dt><dd>${figure(n)} of ${plural(pages, 'page')}</dd><dt>flips</dt><dd>${figure(mcnemar.fixed)} fixed, ${figure(mcnemar.broken)} broken</dd>
<dt>McNemar’s p</dt><dd>${figure(mcnemar.p)}</dd></dl></div>`;
  };
  return markup`<section><h2>Accuracy</h2><p class="lead">Share of held-out pairs that each adapter labels as the reviewers
did. Dashed: the loss that the gate bears.</p><div class="grid">${SET_NAMES.map(card)}</div></section>`;
}

const RULE_WORDS = { pass: 'holds', fail: 'fails', undecided: 'undecided' } as const;

export function gateSection({ rules }: Report): Markup {
  const row = ({ statement, value, limit, verdict }: Report['rules'][number]): Markup =>
    markup`<tr><th scope="row">${statement}</th><td class="n">${figure(value)}</td><td class="n">${figure(limit)}</td>
<td><span class="pill ${verdict}">${RULE_WORDS[verdict]}</span></td></tr>`;
  return markup`<section><h2>Gate</h2><p class="lead">All of these must hold.</p><div class="card scroll"><table>
<thead><tr><th scope="col">Rule</th><th scope="col" class="n">Value</th><th scope="col" class="n">Limit</th><th scope="col"></th></tr></thead>
<tbody>${rules.map(row)}</tbody></table></div></section>`;
}

export function confusionSection({ sets, old, new: next }: Report): Markup {
  const pair = (name: (typeof SET_NAMES)[number]): Markup => {
    const tables = (['old', 'new'] as const).map((which) =>
      confusionTable(sets[name][which].confusion, sided(which, which === 'old' ? nameOf(old) : nameOf(next))),
    );
    return markup`<div class="grid">${tables}</div>`;
  };
  return markup`<section><h2>Confusion</h2>${pair('union')}
<details><summary>Corrections alone</summary>${pair('corrections')}</details>
<details><summary>Confirmations alone</summary>${pair('confirmations')}</details></section>`;
}

export function calibrationSection({ sets: { union }, old, new: next, basis }: Report): Markup {
  const diagram = (which: Which, name: string): Markup =>
    markup`<figure class="card"><h3>${sided(which, name)}</h3>${reliabilityDiagram(union[which].reliability, which)}</figure>`;
  const row = (title: string, of: (side: Report['sets']['union']['old']) => number | null): Markup =>
    markup`<tr><th scope="row">${title}</th><td class="n">${figure(of(union.old))}</td><td class="n">${figure(of(union.new))}</td></tr>`;
  return markup`<section><h2>Calibration</h2><p class="lead">Whether a confidence means what it says, on ${basis}. Bars: accuracy
of the rows of a confidence; shaded: its gap to the confidence.</p>
<div class="grid">${diagram('old', nameOf(old))}${diagram('new', nameOf(next))}</div>
<div class="card scroll"><table><thead><tr><th></th><th scope="col" class="n">${sided('old', nameOf(old))}</th><th scope="col" class="n">${sided('new', nameOf(next))}</th></tr></thead>
<tbody>${row('Expected calibration error, 15 bins', ({ ece }) => ece)}${row('Brier score (0 to 2)', ({ brier }) => brier)}${row(
    'Log-loss, nats',
    ({ log_loss }) => log_loss,
  )}${row('Errors above 0.8 confidence', ({ confident_errors }) => confident_errors)}</tbody></table></div></section>`;
}

export function classSection({ sets: { union } }: Report): Markup {
  const cell = (which: Which, value: number | null): Markup =>
    markup`<td class="n">${sided(which, percent(value))}</td>`;
  const row = (label: Label): Markup => {
    const [old, next] = [union.old.classes[label], union.new.classes[label]];
    const scores = (['precision', 'recall', 'f1'] as const).flatMap((key) => [
      cell('old', old[key]),
      cell('new', next[key]),
    ]);
    return markup`<tr><th scope="row">${label}</th><td class="n">${figure(old.support)}</td>${scores}</tr>`;
  };
  const macro = markup`<tr><th scope="row">macro</th><td class="n">${figure(union.n)}</td><td colspan="4"></td>${cell('old', union.old.macro_f1)}${cell('new', union.new.macro_f1)}</tr>`;
  return markup`<section><h2>Labels</h2><p class="lead">On all held-out rows, the ${sided('old', 'old')} adapter beside the ${sided('new', 'new')}.</p><div class="card scroll"><table>
<thead><tr><th scope="col">Label</th><th scope="col" class="n">Rows</th><th scope="col" class="pair" colspan="2">Precision</th><th scope="col" class="pair" colspan="2">Recall</th><th scope="col" class="pair" colspan="2">F1</th></tr></thead>
<tbody>${LABELS.map(row)}${macro}</tbody></table></div></section>`;
}

export function finePrint(report: Report, id: string): Markup {
  const { base, old, new: next, manifest, leak_check: leaks, not_judged, latency, bootstrap } = report;
  const leaking = leaks.same_page + leaks.same_text + leaks.near_text;
  const troubled = Object.entries(not_judged).map(([why, rows]) => `${rows} ${why}`);
  const digest = (adapter: AdapterRef | null): string => adapter?.digest ?? 'none: the base model alone';
  const timing = ({ p50_ms, p95_ms }: Report['latency']['old']): string =>
    `${milliseconds(p50_ms)} median, ${milliseconds(p95_ms)} at the 95th percentile`;
  const facts: [string, Filling][] = [
    ['Comparison', markup`<code>${id}</code>`],
    [
      'Leak check',
      `${plural(leaking, 'held-out row')} found among ${plural(leaks.training_rows, 'training row')} and left out`,
    ],
    ['Not judged', troubled.length === 0 ? 'none' : troubled.join(', ')],
    ['One pair alone, old', timing(latency.old)],
    ['One pair alone, new', timing(latency.new)],
    ['Base model', markup`${base.name} <code>${base.digest}</code>`],
    ['Old adapter', markup`<code>${digest(old)}</code>`],
    ['New adapter', markup`<code>${digest(next)}</code>`],
    ['Rows judged', markup`<code>${manifest}</code>`],
    [
      'Intervals',
      `bootstrap by page, ${figure(bootstrap.replicates)} replicates, seed ${bootstrap.seed}; exact binomial where nothing broke`,
    ],
    [
      'recommend_deploy',
      `${report.recommend_deploy}: new accuracy ≥ old accuracy − 0.02 over all held-out rows, counted in rows`,
    ],
  ];
  return markup`<section><h2>Fine print</h2><div class="card"><dl>${facts.map(([term, fact]) => markup`<dt>${term}</dt><dd>${fact}</dd>`)}</dl></div></section>`;
}
