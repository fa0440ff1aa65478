import t from 'tap';
import { comparisonPage, PAGE_POLICY } from '../../src/pages/comparison-page.js';
import { escape, markup } from '../../src/pages/markup.js';
import { figure, percent, points } from '../../src/pages/numbers.js';
import type { Label } from '../../src/labels.js';
import { review, reviews } from '../evaluation/reviews.js';
import { comparisonOf } from '../support/comparison.js';

/** Texts that try to become markup wherever a page may put them. */
const HOSTILE = [
  '<script>alert(1)</script>',
  '"><img src=x onerror=alert(1)>',
  "' onmouseover='alert(1)",
  '</style><script>alert(1)</script>',
  '</title><svg onload=alert(1)>',
  '&lt;b&gt; &amp; &#60;script&#62;',
  '<!-- --><iframe srcdoc="x">',
  'javascript:alert(1)',
  '\u202Egnp.exe\u2066<a href=//x>',
  '${alert(1)} {{alert(1)}} <%= 1 %>',
];

/** Tags that the page itself makes. */
const TAGS =
  'html head meta title style body main header section article figure figcaption h1 h2 h3 p span strong br bdi code div table thead tbody tr th td ul li dl dt dd details summary svg g rect line circle text';

function tagsOf(page: string): string[] {
  const outside = page.replace(/<style>[^]*?<\/style>/, '<style></style>').replace('<!doctype html>', '');
  return [...outside.matchAll(/<\/?([^\s>/]+)/g)].map(([, name]) => name as string);
}

t.test('hostile texts are shown as they are and are never markup', async (t) => {
  const rows = HOSTILE.map((text, at) =>
    review(at, at % 2 === 0 ? 'fixed' : 'broken', {
      premise: text,
      nli_hypothesis: text,
      page_id: text,
      group_key: text,
    }),
  );
  const comparison = await comparisonOf(rows);
  const page = comparisonPage({ ...comparison, error: HOSTILE[0] as string });
  for (const text of HOSTILE) t.ok(page.includes(escape(text)), text);
  const strangers = new Set(tagsOf(page).filter((name) => !TAGS.split(' ').includes(name)));
  t.same([...strangers], []);
  t.notMatch(page, /<[^>]*\s(on\w+|href|src|srcset|style|action)\s*=/i, 'no attribute that runs, loads or styles');
});

t.test('names that come from outside are escaped too', async (t) => {
  const comparison = await comparisonOf(['fixed']);
  const bad = HOSTILE[1] as string;
  const named = { id: bad, version: bad, digest: bad };
  const { report } = comparison;
  if (report === null) throw new Error('it has a report');
  const told = { ...report, old: named, new: named, base: { name: bad, digest: bad }, not_judged: { [bad]: 1 } };
  t.notMatch(comparisonPage({ ...comparison, id: bad, old: named, new: named, report: told }), /<img/);
  t.notMatch(comparisonPage({ ...comparison, state: 'failed', error: bad, report: null }), /<img/);
});

t.test('the page says the verdict, the numbers and each flip', async (t) => {
  const rows = [
    ...reviews({ fixed: 25, broken: 2, wrong: 10 }),
    ...reviews({ kept: 80 }, { kind: 'confirmation', from: 500 }),
  ];
  const page = comparisonPage(await comparisonOf(rows));
  t.match(page, '<strong>Recommended</strong>');
  t.match(page, '70.1 %');
  t.match(page, '25 fixed, 2 broken');
  t.match(page, 'Broken: 2 pairs');
  t.match(page, 'Premise 26.');
  t.equal(page.split('class="flip"').length - 1, 27);
  t.equal(page.match(/<svg /g)?.length, 5, 'three intervals and two reliability diagrams');
});

t.test('a refusal names the rules that fail; what is undecided names the reviews that would decide', async (t) => {
  const good = reviews({ fixed: 25, wrong: 5 });
  const worse = await comparisonOf([
    ...good,
    ...reviews({ kept: 50, broken: 20 }, { kind: 'confirmation', from: 500 }),
  ]);
  t.match(comparisonPage(worse), /Not recommended[^]*on confirmations, at most 2 % of the rows lost net/);
  const few = await comparisonOf([...good, ...reviews({ kept: 40 }, { kind: 'confirmation', from: 500 })]);
  t.match(
    comparisonPage(few),
    /Not enough data[^]*About 19 more held-out confirmations would decide it: some 95 more reviews/,
  );
});

t.test('without rows, waiting or failed it is a page as well', async (t) => {
  const comparison = await comparisonOf([]);
  t.match(comparisonPage(comparison), 'Not enough data');
  t.notMatch(comparisonPage(comparison), /NaN|undefined|null/);
  t.match(comparisonPage({ ...comparison, state: 'running', report: null }), /http-equiv="refresh"/);
  t.notMatch(comparisonPage({ ...comparison, state: 'failed', error: 'why', report: null }), /http-equiv="refresh"/);
  t.match(comparisonPage({ ...comparison, state: 'failed', error: 'why', report: null }), 'why');
});

t.test('it stands alone: the policy is in the page, and nothing is loaded from anywhere', async (t) => {
  const page = comparisonPage(await comparisonOf(['fixed', 'broken']));
  t.ok(page.includes(`content="${escape(PAGE_POLICY)}"`), 'the policy of the header, for a copy on a disk');
  t.notMatch(page, /https?:|@import|url\(|<script|<link/);
});

t.test('every label has its row, whatever was answered', async (t) => {
  const page = comparisonPage(await comparisonOf([review(1, 'kept', { correct_label: 'neutral' satisfies Label })]));
  for (const label of ['supports', 'refutes', 'neutral']) t.match(page, `<th scope="row">${label}</th>`);
});

t.test('numbers as people read them', async (t) => {
  t.same([percent(0.9137), percent(null), percent(1, 0)], ['91.4 %', '–', '100 %']);
  t.same([points(0.021), points(-0.05), points(0), points(null)], ['+2.1', '−5.0', '0.0', '–']);
  t.same(
    [figure(12_345), figure(-3), figure(0.041386), figure(0.05), figure(0.0000123), figure(null)],
    ['12,345', '−3', '0.0414', '0.05', '1.2 × 10⁻⁵', '–'],
  );
});

t.test('a template is trusted, its fillings are not', async (t) => {
  t.equal(markup`<p title="${'"<'}">${['a&', 1, null, markup`<b>`]}</p>`.text, '<p title="&quot;&lt;">a&amp;1<b></p>');
});
