/** The look of pages that stand alone: one style sheet, no font, no image, no script. */

export const STYLE = `
:root {
  color-scheme: light dark;
  --paper: #fbfaf7; --card: #ffffff; --ink: #1d1f23; --soft: #5d636d; --line: #e2dfd8; --wash: #f3f1ec;
  --old: #8a6d1f; --new: #1f5fa8; --good: #17703f; --bad: #b3261e; --open: #8a5a00;
  --good-wash: #e3f3ea; --bad-wash: #fbe6e4; --open-wash: #fbf0da; --heat: 31, 95, 168; --heat-bad: 179, 38, 30;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #14161a; --card: #1b1e24; --ink: #e8e6e1; --soft: #9aa1ad; --line: #2e333c; --wash: #22262e;
    --old: #d9b45a; --new: #7db4f0; --good: #6fcf97; --bad: #ff8a80; --open: #f0b95b;
    --good-wash: #16301f; --bad-wash: #3a1a18; --open-wash: #33270f; --heat: 125, 180, 240; --heat-bad: 255, 138, 128;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.55 ui-sans-serif, system-ui, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
main { max-width: 68rem; margin: 0 auto; padding: 2.5rem 1.5rem 4rem; }
h1 { font-size: clamp(1.7rem, 4vw, 2.4rem); line-height: 1.15; margin: .2rem 0 .6rem; letter-spacing: -.015em; }
h2 { font-size: 1.25rem; margin: 3rem 0 .3rem; letter-spacing: -.01em; }
h3 { font-size: 1rem; margin: 0 0 .6rem; }
p { margin: .4rem 0; max-width: 46rem; }
.soft, .eyebrow, figcaption, .lead { color: var(--soft); }
.eyebrow { font-size: .8rem; letter-spacing: .08em; text-transform: uppercase; margin: 0; }
.lead { margin-bottom: 1rem; }
.old { color: var(--old); } .new { color: var(--new); }
code { font: .85em ui-monospace, "SF Mono", Menlo, Consolas, "Liberation Mono", monospace; overflow-wrap: anywhere; }
.verdict { border-radius: 12px; padding: 1.1rem 1.4rem; margin: 1.4rem 0 1rem; border-left: 6px solid; }
.verdict strong { font-size: 1.3rem; display: block; }
.verdict ul { margin: .4rem 0 0; padding-left: 1.2rem; }
.pass { color: var(--good); } .fail { color: var(--bad); } .undecided { color: var(--open); }
.verdict.pass { background: var(--good-wash); } .verdict.fail { background: var(--bad-wash); } .verdict.undecided { background: var(--open-wash); }
.verdict p, .verdict ul { color: var(--ink); }
.grid { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fit, minmax(17rem, 1fr)); margin: 1rem 0; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 12px; padding: 1.1rem 1.2rem; break-inside: avoid; }
.card > p:first-child { margin-top: 0; }
.big { font-size: 1.55rem; font-weight: 650; letter-spacing: -.02em; margin: .1rem 0; font-variant-numeric: tabular-nums; white-space: nowrap; }
.arrow { color: var(--soft); font-weight: 400; padding: 0 .2em; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; font-size: .94rem; }
th, td { text-align: left; padding: .5rem .7rem; border-bottom: 1px solid var(--line); vertical-align: top; }
th { font-weight: 600; color: var(--soft); font-size: .82rem; }
th.pair { text-align: center; }
td.n, th.n { text-align: right; white-space: nowrap; }
tbody th { color: var(--ink); font-size: .94rem; font-weight: 500; }
tr:last-child > * { border-bottom: 0; }
tr { break-inside: avoid; }
.pill { display: inline-block; border-radius: 999px; padding: .05rem .6rem; font-size: .82rem; font-weight: 600; white-space: nowrap; background: var(--wash); color: var(--soft); }
.pill.pass { background: var(--good-wash); color: var(--good); } .pill.fail { background: var(--bad-wash); color: var(--bad); } .pill.undecided { background: var(--open-wash); color: var(--open); }
.confusion td { text-align: center; border: 3px solid var(--card); border-radius: 8px; padding: .7rem .3rem; font-weight: 600; }
.confusion th { border: 0; text-align: center; } .confusion tbody th { text-align: right; white-space: nowrap; }
.hit.h0, .miss.h0 { background: var(--wash); color: var(--soft); font-weight: 400; }
${[1, 2, 3, 4, 5, 6].map((step) => `.hit.h${step} { background: rgba(var(--heat), ${(step * 0.09).toFixed(2)}); } .miss.h${step} { background: rgba(var(--heat-bad), ${(step * 0.09).toFixed(2)}); }`).join('\n')}
figure { margin: 0; }
figcaption { font-size: .85rem; margin-top: .4rem; }
.card > svg.square { max-width: 23rem; margin: 0 auto; }
svg { display: block; width: 100%; height: auto; overflow: visible; }
svg text { fill: var(--soft); font-size: 11px; font-family: inherit; font-variant-numeric: tabular-nums; }
.axis { stroke: var(--line); stroke-width: 1; } .ideal { stroke: var(--soft); stroke-width: 1; stroke-dasharray: 4 4; fill: none; }
.bar { fill-opacity: .75; } .bar.old, .dot.old { fill: var(--old); } .bar.new, .dot.new { fill: var(--new); }
.gap { fill: var(--bad); fill-opacity: .16; stroke: var(--bad); stroke-opacity: .55; stroke-width: .8; }
.mass { fill: var(--soft); fill-opacity: .45; }
.whisker { stroke: var(--new); stroke-width: 3; stroke-linecap: round; } .zero { stroke: var(--soft); stroke-width: 1; } .bound { stroke: var(--bad); stroke-width: 1; stroke-dasharray: 3 3; }
.flip { background: var(--card); border: 1px solid var(--line); border-radius: 12px; padding: 1rem 1.2rem; margin: .8rem 0; break-inside: avoid; }
.flip .text { margin: .25rem 0 .6rem; max-width: none; white-space: pre-wrap; overflow-wrap: anywhere; }
.flip .hypothesis { font-weight: 600; }
.flip .tag { font-size: .75rem; letter-spacing: .06em; text-transform: uppercase; color: var(--soft); margin: 0; }
.answers { display: flex; flex-wrap: wrap; gap: .4rem .9rem; align-items: baseline; font-size: .92rem; padding-top: .6rem; border-top: 1px solid var(--line); }
details { margin: .8rem 0; } summary { cursor: pointer; color: var(--new); }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .35rem 1.2rem; font-size: .92rem; } dt { color: var(--soft); } dd { margin: 0; }
dl.facts { font-size: .88rem; gap: .15rem .9rem; margin: .6rem 0 0; font-variant-numeric: tabular-nums; }
@media (max-width: 40rem) { main { padding: 1.4rem 1rem 3rem; } .card { padding: .9rem .8rem; } th, td { padding: .45rem .35rem; font-size: .85rem; } tbody th { font-size: .85rem; } dl:not(.facts) { grid-template-columns: 1fr; gap: 0; } dl:not(.facts) dd { margin-bottom: .5rem; } }
@media print {
  :root { --paper: #fff; --card: #fff; --ink: #000; --soft: #444; --line: #bbb; --wash: #f2f2f2; --old: #8a6d1f; --new: #1f5fa8; --good: #17703f; --bad: #b3261e; --open: #8a5a00; --good-wash: #e3f3ea; --bad-wash: #fbe6e4; --open-wash: #fbf0da; --heat: 31, 95, 168; --heat-bad: 179, 38, 30; }
  body { font-size: 10.5pt; print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  main { max-width: none; padding: 0; }
  h2, .lead { break-after: avoid; }
  .card.scroll { break-inside: auto; }
  .big { font-size: 1.15rem; } .card { padding: .8rem .9rem; }
  dl.facts { font-size: .78rem; }
  .grid { grid-template-columns: repeat(auto-fit, minmax(11.5rem, 1fr)); }
  details::details-content { content-visibility: visible; } summary { color: var(--soft); }
}
`;
