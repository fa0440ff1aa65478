/** Numbers as people read them. */

const NONE = '–';
const minus = (text: string): string => text.replace('-', '−');

/** 0.914 → 91.4 % */
export const percent = (share: number | null, digits = 1): string =>
  share === null ? NONE : minus(`${(100 * share).toFixed(digits)} %`);

/** A difference of shares in percentage points, with its sign. */
export const points = (difference: number | null): string =>
  difference === null ? NONE : `${difference > 0 ? '+' : ''}${minus((100 * difference).toFixed(1))}`;

const SUPERSCRIPTS = '⁰¹²³⁴⁵⁶⁷⁸⁹';

/** 2.3e-7 → 2.3 × 10⁻⁷ */
function powerOfTen(value: number): string {
  const [digits = '', exponent = ''] = value.toExponential(1).split('e');
  const raised = exponent.replace('+', '').replace(/./g, (c) => (c === '-' ? '⁻' : (SUPERSCRIPTS[Number(c)] ?? '')));
  return `${digits} × 10${raised}`;
}

/** Whole numbers in full, others with the digits that count and no zeros after them. */
export function figure(value: number | null, digits = 3): string {
  if (value === null) return NONE;
  if (Number.isInteger(value)) return minus(value.toLocaleString('en-GB'));
  return minus(Math.abs(value) < 0.001 ? powerOfTen(value) : String(Number(value.toPrecision(digits))));
}

export const milliseconds = (value: number | null): string => (value === null ? NONE : `${figure(value)} ms`);

/** "1 page", "3 pages". */
export const plural = (count: number, noun: string): string => `${figure(count)} ${noun}${count === 1 ? '' : 's'}`;
