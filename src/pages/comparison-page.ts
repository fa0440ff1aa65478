/** A shadow comparison as one page that stands alone: no script, no outside asset, under the strictest policy. */
import { createHash } from 'node:crypto';
import type { Comparison } from '../compare/item.js';
import type { Report } from '../compare/report.js';
import {
  accuracySection,
  calibrationSection,
  classSection,
  confusionSection,
  finePrint,
  gateSection,
  nameOf,
  sided,
} from './comparison-sections.js';
import { flipSection } from './flip-cards.js';
import { Markup, markup } from './markup.js';
import { figure, plural } from './numbers.js';
import { STYLE } from './style.js';

const STYLE_HASH = createHash('sha256').update(STYLE).digest('base64');

/** Nothing may be loaded or run; the one style sheet is known by its hash. */
export const PAGE_POLICY = `default-src 'none'; style-src 'sha256-${STYLE_HASH}'; base-uri 'none'; form-action 'none'`;

/** The whole HTML document; every text of a user is escaped. */
export function comparisonPage(comparison: Comparison): string {
  const { report } = comparison;
  const waits = comparison.state === 'queued' || comparison.state === 'running';
  const title = `${nameOf(comparison.new)} against ${nameOf(comparison.old)}`;
  return `<!doctype html>\n${
    markup`<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${PAGE_POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">${waits ? markup`<meta http-equiv="refresh" content="3">` : null}
<title>${title} · shadow comparison</title><style>${new Markup(STYLE)}</style></head>
<body><main>${headOf(comparison)}${report === null ? unfinished(comparison) : reported(report, comparison.id)}</main></body></html>`
      .text
  }\n`;
}

function headOf({ old, new: next, ended_at, created_at }: Comparison): Markup {
  const at = (ended_at ?? created_at).slice(0, 16).replace('T', ' ');
  return markup`<header><p class="eyebrow">Shadow comparison · ${at} UTC</p>
<h1>${sided('new', nameOf(next))} against ${sided('old', nameOf(old))}</h1></header>`;
}

function unfinished({ state, error }: Comparison): Markup {
  if (state === 'failed') return markup`<section class="verdict fail"><strong>Failed</strong><p>${error}</p></section>`;
  return markup`<section class="verdict undecided"><strong>${state === 'queued' ? 'Waiting' : 'Being judged'}</strong>
<p>This page looks again every three seconds.</p></section>`;
}

function reported(report: Report, id: string): Markup {
  return markup`${verdictBanner(report)}${accuracySection(report)}${gateSection(report)}${confusionSection(report)}${calibrationSection(
    report,
  )}${classSection(report)}${flipSection(report)}${finePrint(report, id)}`;
}

const VERDICTS = {
  recommend: {
    kind: 'pass',
    title: 'Recommended',
    told: 'Every rule of the gate holds: this adapter may be promoted.',
  },
  do_not_recommend: { kind: 'fail', title: 'Not recommended', told: 'A rule of the gate fails:' },
  not_enough_data: { kind: 'undecided', title: 'Not enough data', told: 'The held-out reviews do not decide it yet.' },
} as const;

function verdictBanner({ verdict, rules, lacking }: Report): Markup {
  const { kind, title, told } = VERDICTS[verdict];
  const failed = verdict === 'do_not_recommend' ? rules.filter((rule) => rule.verdict === 'fail') : [];
  const items = [
    ...failed.map(({ statement, value, limit }) => `${statement} (it is ${figure(value)}, the limit ${figure(limit)})`),
    ...(lacking === null
      ? []
      : [wanted('corrections', lacking.corrections), wanted('confirmations', lacking.confirmations)]),
  ].filter((item) => item !== null);
  return markup`<section class="verdict ${kind}"><strong>${title}</strong><p>${told}</p>${
    items.length === 0 ? null : markup`<ul>${items.map((item) => markup`<li>${item}</li>`)}</ul>`
  }</section>`;
}

/** Of all reviews about a fifth is held out, so it takes about five times as many. */
const HELD_SHARE = 0.2;

function wanted(kind: string, { rows, pages }: { rows: number | null; pages: number }): string | null {
  if (rows === null) return `No number of ${kind} can be named that would decide it.`;
  if (rows === 0 && pages === 0) return null;
  const spread = pages > 0 ? ` from ${plural(pages, 'more page')}` : '';
  const all = figure(Math.ceil(rows / HELD_SHARE));
  return `About ${figure(rows)} more held-out ${kind}${spread} would decide it: some ${all} more reviews, a fifth of which is held out.`;
}
