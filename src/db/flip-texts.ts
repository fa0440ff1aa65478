/** The texts in a comparison's report: those of the flips. Pure. */

interface Flip {
  readonly correction_id: string;
  readonly premise?: string;
}

/** As much of a report as this needs to know. */
export interface FlipReport {
  readonly flips: { readonly fixed: readonly Flip[]; readonly broken: readonly Flip[] };
}

/** In the place of a text that was erased. */
const ERASED = '[erased]';

/** The report without the texts of these corrections, and how many flips that were; those without already do not count again. Its counts stay. */
export function withoutTexts<R extends FlipReport>(report: R, gone: ReadonlySet<string>): { report: R; flips: number } {
  let flips = 0;
  const blank = (flip: Flip): Flip => {
    if (!gone.has(flip.correction_id) || flip.premise === ERASED) return flip;
    flips += 1;
    return { ...flip, premise: ERASED, nli_hypothesis: ERASED } as Flip;
  };
  const { fixed, broken } = report.flips;
  return { report: { ...report, flips: { fixed: fixed.map(blank), broken: broken.map(blank) } }, flips };
}
