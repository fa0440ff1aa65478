import t from 'tap';
import { labelMap, toLabel } from '../src/labels.js';

t.test('whole words of either vocabulary map, in any case', async (t) => {
  const words: [string, string | undefined][] = [
    ['entailment', 'supports'],
    ['ENTAILMENT', 'supports'],
    ['entails', 'supports'],
    ['Supports', 'supports'],
    ['contradiction', 'refutes'],
    ['contradicts', 'refutes'],
    ['refutes', 'refutes'],
    [' neutral ', 'neutral'],
    ['not_entailment', undefined],
    ['entailment2', undefined],
    ['LABEL_0', undefined],
    ['__proto__', undefined],
    ['', undefined],
  ];
  for (const [word, label] of words) t.equal(toLabel(word), label, JSON.stringify(word));
});

t.test('the order comes from id2label', async (t) => {
  t.strictSame(labelMap({ 0: 'contradiction', 1: 'entailment', 2: 'neutral' }), [
    { raw_label: 'contradiction', label: 'refutes' },
    { raw_label: 'entailment', label: 'supports' },
    { raw_label: 'neutral', label: 'neutral' },
  ]);
});

t.test('ERRATA_LABELS maps what the words do not', async (t) => {
  const labelled = { 0: 'LABEL_0', 1: 'LABEL_1', 2: 'LABEL_2' };
  const table: [string, Record<string, string>, string, string[]][] = [
    ['by position', labelled, 'supports,neutral,refutes', ['supports', 'neutral', 'refutes']],
    ['by position, other words', labelled, ' Entailment, neutral ,contradiction', ['supports', 'neutral', 'refutes']],
    ['by name', labelled, 'LABEL_2=supports,LABEL_0=refutes,LABEL_1=neutral', ['refutes', 'neutral', 'supports']],
    ['one by name', { 0: 'entailment', 1: 'not_entailment' }, 'not_entailment=neutral', ['supports', 'neutral']],
    ['against the words', { 0: 'entailment', 1: 'neutral' }, 'neutral,supports', ['neutral', 'supports']],
  ];
  for (const [name, id2label, override, labels] of table) {
    const map = labelMap(id2label, override);
    t.strictSame(
      map.map(({ label }) => label),
      labels,
      name,
    );
    t.strictSame(
      map.map(({ raw_label }) => raw_label),
      Object.values(id2label),
      `${name}: raw labels stay`,
    );
  }
});

t.test('what does not map is named', async (t) => {
  const three = { 0: 'contradiction', 1: 'entailment', 2: 'neutral' };
  const table: [string, Record<string, string>, string | undefined, RegExp][] = [
    ['two labels', { 0: 'entailment', 1: 'not_entailment' }, undefined, /"not_entailment".*ERRATA_LABELS/],
    ['no words', { 0: 'LABEL_0', 1: 'LABEL_1' }, undefined, /"LABEL_0".*ERRATA_LABELS/],
    ['one label', { 0: 'entailment' }, undefined, /1 labels.*at least two/],
    ['a gap', { 0: 'entailment', 2: 'neutral' }, undefined, /none for index 1/],
    ['twice', { 0: 'entailment', 1: 'supports' }, undefined, /entailment and supports both map to supports/],
    ['override: too few', three, 'supports,refutes', /gives 2 labels, the checkpoint has 3: contradiction/],
    ['override: unknown word', three, 'supports,refutes,maybe', /"neutral" to "maybe"/],
    ['override: unknown name', three, 'LABEL_7=supports', /"LABEL_7"/],
    ['override: mixed', three, 'neutral=supports,refutes,neutral', /mixes/],
    ['override: twice', three, 'supports,supports,neutral', /both map to supports/],
    ['override: empty', three, '', /gives 1 labels/],
  ];
  for (const [name, id2label, override, message] of table)
    t.throws(() => labelMap(id2label, override), { message }, name);
});
