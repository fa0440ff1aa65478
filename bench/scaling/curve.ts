/** A series of measurements against one quantity, and how they grow with it. */
import { markdownTable } from '../support/markdown.js';
import { rounded } from '../support/statistics.js';

export type Point = Readonly<Record<string, number>>;

export interface Curve {
  /** The quantity that is varied: a column of every point. */
  readonly against: string;
  readonly points: readonly Point[];
  /** Of each other column: 1 is proportional, 0 does not depend, 2 is quadratic. */
  readonly slopes: Readonly<Record<string, number>>;
}

export function curve(against: string, points: readonly Point[]): Curve {
  const others = Object.keys(points[0] ?? {}).filter((name) => name !== against);
  const of = (name: string): [string, number] => [name, rounded(slope(points, against, name), 2)];
  return { against, points, slopes: Object.fromEntries(others.map(of)) };
}

/** The exponent of y ~ xⁿ: least squares of log y on log x. */
function slope(points: readonly Point[], x: string, y: string): number {
  const logs = points.map((point) => [Math.log(point[x]!), Math.log(point[y]!)] as const);
  const [meanX, meanY] = [0, 1].map((i) => logs.reduce((sum, pair) => sum + pair[i]!, 0) / logs.length);
  const covariance = logs.reduce((sum, [a, b]) => sum + (a - meanX!) * (b - meanY!), 0);
  return covariance / logs.reduce((sum, [a]) => sum + (a - meanX!) ** 2, 0);
}

/** A line for every point, and the slopes below. */
export function curveTable({ against, points, slopes }: Curve): string {
  const columns = Object.keys(slopes);
  const rows = points.map((point) => [against, ...columns].map((name) => String(point[name])));
  const last = ['log-log slope', ...columns.map((name) => String(slopes[name]))];
  return markdownTable(
    [against, ...columns].map((name) => name.replaceAll('_', ' ')),
    [...rows, last],
  );
}
