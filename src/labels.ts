/** The words of a judgement. A checkpoint has its own (`raw_label`); the wire has three, and input takes either. */

export const LABELS = ['supports', 'refutes', 'neutral'] as const;
export type Label = (typeof LABELS)[number];

/** What one logit of a checkpoint stands for. */
export interface CheckpointLabel {
  readonly label: Label;
  readonly raw_label: string;
}

const WORDS: ReadonlyMap<string, Label> = new Map([
  ['supports', 'supports'],
  ['entailment', 'supports'],
  ['entails', 'supports'],
  ['refutes', 'refutes'],
  ['contradiction', 'refutes'],
  ['contradicts', 'refutes'],
  ['neutral', 'neutral'],
]);

/** Every word that `toLabel` knows, in lower case. */
export const LABEL_WORDS: readonly string[] = [...WORDS.keys()];

/** The wire's label of a word of either vocabulary, by the whole word and any case: `not_entailment` is no support. */
export function toLabel(word: string): Label | undefined {
  return WORDS.get(word.trim().toLowerCase());
}

/**
 * What each logit stands for, in the checkpoint's order.
 * @param id2label the config's own map, "0" → "LABEL_0"
 * @param override ERRATA_LABELS: a label for each index ("supports,neutral,refutes") or for raw labels by their name
 *   ("LABEL_0=refutes,LABEL_2=supports"; what it leaves out maps by its own word)
 * @throws Error that names what does not map and how to map it
 */
export function labelMap(id2label: Readonly<Record<string, string>>, override?: string): CheckpointLabel[] {
  const raw = rawLabels(id2label);
  const words = override === undefined ? raw : overridden(raw, override);
  const map = raw.map((raw_label, index) => ({ raw_label, label: mapped(raw_label, words[index] ?? raw_label) }));
  for (const label of LABELS) refuseTwice(map, label);
  return map;
}

function rawLabels(id2label: Readonly<Record<string, string>>): string[] {
  const count = Object.keys(id2label).length;
  if (count < 2) throw new Error(`id2label names ${count} labels, a judgement needs at least two`);
  return Array.from({ length: count }, (_, index) => {
    const raw = id2label[index];
    if (raw === undefined) throw new Error(`id2label names ${count} labels but none for index ${index}`);
    return raw;
  });
}

/** The word to read for each index, after ERRATA_LABELS. */
function overridden(raw: readonly string[], override: string): string[] {
  const entries = override.split(',').map((entry) => entry.trim());
  const named = entries.filter((entry) => entry.includes('='));
  if (named.length === entries.length) return byName(raw, entries);
  if (named.length > 0) throw new Error('ERRATA_LABELS mixes "name=label" with labels by position: use one of the two');
  if (entries.length !== raw.length)
    throw new Error(
      `ERRATA_LABELS gives ${entries.length} labels, the checkpoint has ${raw.length}: ${raw.join(', ')}`,
    );
  return entries;
}

function byName(raw: readonly string[], entries: readonly string[]): string[] {
  const words = [...raw];
  for (const entry of entries) {
    const cut = entry.lastIndexOf('=');
    const name = entry.slice(0, cut).trim();
    const index = raw.indexOf(name);
    if (index < 0) throw new Error(`ERRATA_LABELS names "${name}", the checkpoint's labels are ${raw.join(', ')}`);
    words[index] = entry.slice(cut + 1);
  }
  return words;
}

function mapped(raw: string, word: string): Label {
  const label = toLabel(word);
  if (label !== undefined) return label;
  if (word !== raw)
    throw new Error(`ERRATA_LABELS maps "${raw}" to "${word.trim()}", which is none of ${LABELS.join(', ')}`);
  throw new Error(
    `the checkpoint's label "${raw}" is none of ${LABEL_WORDS.join(', ')}: set ERRATA_LABELS, for example ` +
      `ERRATA_LABELS="${raw}=neutral"`,
  );
}

function refuseTwice(map: readonly CheckpointLabel[], label: Label): void {
  const raw = map.filter((entry) => entry.label === label).map((entry) => entry.raw_label);
  if (raw.length > 1)
    throw new Error(`the checkpoint's labels ${raw.join(' and ')} both map to ${label}: set ERRATA_LABELS`);
}
