import * as fc from 'fast-check';
import t from 'tap';
import { jsonFault } from '../../../routes/wire/json-fault.js';

t.test('the first character that no JSON can have there', async (t) => {
  const table: [string, number | undefined][] = [
    ['{"a":[1,-2.5e+3,true,null,"\\u00e9\\n"],"b":{}}', undefined],
    [' [ ] ', undefined],
    ['"x"', undefined],
    ['', 0],
    ['  ', 2],
    ['{"a":x}', 5],
    ['{"a":1,}', 7],
    ['[1,]', 3],
    ['[,1]', 1],
    ['{,}', 1],
    ['[1 2]', 3],
    ['{"a" 1}', 5],
    ['{a:1}', 1],
    ["{'a':1}", 1],
    ['{"a":1]', 6],
    ['[1}', 2],
    ['{"a":"b', 7],
    ['"a\nb"', 2],
    ['"a\\x"', 2],
    ['"\\u12g4"', 1],
    ['01', 1],
    ['1.', 1],
    ['[1] 2', 4],
    ['nul', 0],
    ['NaN', 0],
    ['\ufeff{}', 0],
    ['[[[[', 4],
    [']', 0],
  ];
  for (const [text, at] of table) t.equal(jsonFault(text), at, JSON.stringify(text));
});

const accepted = (text: string): boolean => {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
};

t.test('a text has no fault exactly when JSON.parse reads it', async (t) => {
  const mutated = fc.tuple(fc.json(), fc.nat(), fc.constantFrom(...'{}[],:"\\0-.eE tn\n'.split(''), ''));
  fc.assert(
    fc.property(mutated, ([json, at, put]) => {
      const cut = at % (json.length + 1);
      const text = json.slice(0, cut) + put + json.slice(cut + 1);
      return accepted(text) === (jsonFault(text) === undefined);
    }),
    { numRuns: 2000, seed: 42 },
  );
  t.pass('2000 mutated documents');
});

t.test('what comes before the fault could have gone on', async (t) => {
  fc.assert(
    fc.property(fc.json(), fc.nat(), (json, at) => {
      const cut = at % (json.length + 1);
      const text = `${json.slice(0, cut)}\u0001`;
      const fault = jsonFault(text);
      return fault !== undefined && fault <= cut;
    }),
    { numRuns: 500, seed: 42 },
  );
  t.pass('500 cut documents');
});

t.test('deep and long texts are looked through without recursion', async (t) => {
  t.equal(jsonFault('['.repeat(1_000_000)), 1_000_000);
  t.equal(jsonFault(`"${'x'.repeat(2_000_000)}`), 2_000_001);
  t.equal(jsonFault(`["${'\\n'.repeat(1_000_000)}",x`), 2_000_004);
});
