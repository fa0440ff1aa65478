/** The words of a judgement. A checkpoint has its own (`raw_label`); the wire has three, and input takes either. */

export const LABELS = ['supports', 'refutes', 'neutral'] as const;
export type Label = (typeof LABELS)[number];
