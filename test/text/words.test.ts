import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import t from 'tap';
import { rememberWords } from '../../src/text/words.js';

const LIMITS = { words: 3, characters: 12, wordLength: 5 };
const lengthOf = (word: string): readonly number[] => [word.length];

/** An encoder that notes what it is asked for. */
function createCounted(): { encode: (word: string) => readonly number[]; asked: string[] } {
  const asked: string[] = [];
  const encode = rememberWords((word) => (asked.push(word), lengthOf(word)), LIMITS);
  return { asked, encode: (word) => encode(word, Infinity) };
}

t.test('a word met again is not encoded again', (t) => {
  const { encode, asked } = createCounted();
  for (const word of ['a', 'b', 'a', 'b']) t.same(encode(word), lengthOf(word));
  t.same(asked, ['a', 'b']);
  t.end();
});

t.test('what was used lately survives, what was not is dropped', (t) => {
  const { encode, asked } = createCounted();
  for (const word of ['a', 'b', 'c', 'd', 'a', 'e', 'f', 'g', 'a', 'b']) encode(word);
  t.same(asked, ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'b']);
  t.end();
});

t.test('characters are bounded as words are, and a long word is never kept', (t) => {
  const { encode, asked } = createCounted();
  for (const word of ['aaaaa', 'bbbbb', 'ccccc', 'ddddd', 'eeeee', 'aaaaa']) encode(word);
  t.same(asked.slice(5), ['aaaaa']);
  for (const word of ['longer', 'longer']) encode(word);
  t.same(asked.slice(6), ['longer', 'longer']);
  t.end();
});

t.test('a remembered word does not keep its text in memory', (t) => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const encode = rememberWords(lengthOf, { words: 10_000, characters: 1_000_000, wordLength: 64 });
  const before = (collect(), process.memoryUsage().heapUsed);
  for (let i = 0; i < 2_000; i += 1)
    encode(Buffer.alloc(20_000, `text number ${i}, `).toString('latin1').slice(0, 40), 1);
  const grown = (collect(), process.memoryUsage().heapUsed) - before;
  t.ok(grown < 10_000_000, `${grown} bytes more; 2,000 texts have 40,000,000`);
  t.same(encode('still there', 1), [11]);
  t.end();
});
