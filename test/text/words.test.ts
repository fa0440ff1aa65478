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
